"""What is wrong, and what is only unwise, with a file that was read."""

from dataclasses import dataclass, field

from tallylight.documents.document import Document
from tallylight.documents.yaml_tree import KeyPath
from tallylight.errors import Problem


@dataclass(slots=True)
class ConfigReport:
    """What is wrong, and what is only unwise, with a file that was read."""

    document: Document
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add_error(self, key_path: KeyPath, reason: str) -> None:
        """Note what makes the file unusable."""
        self.errors.append(self.document.problem(key_path, reason))

    def add_warning(self, key_path: KeyPath, reason: str) -> None:
        """Note what can hardly be meant."""
        self.warnings.append(self.document.problem(key_path, reason))
