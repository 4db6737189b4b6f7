"""What is wrong, and what is only unwise, with a file that was read."""

from dataclasses import dataclass, field

from tallylight.documents.document import Document
from tallylight.documents.yaml_tree import Place
from tallylight.errors import Problem


@dataclass(slots=True)
class Findings:
    """What is wrong, and what is only unwise, with a file that was read."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refuse(self, place: Place, reason: str) -> None:
        """Note what makes the file unusable."""
        self.problems.append(self.document.problem(place, reason))

    def warn(self, place: Place, reason: str) -> None:
        """Note what can hardly be meant."""
        self.warnings.append(self.document.problem(place, reason))
