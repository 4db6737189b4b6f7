"""Collects the errors and warnings of a configuration file."""

from dataclasses import dataclass, field

from tallylight.documents.document import Document
from tallylight.documents.yaml_tree import KeyPath
from tallylight.errors import Problem


@dataclass(slots=True)
class ConfigReport:
    """Errors make the file unusable; warnings are logged."""

    document: Document
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add_error(self, key_path: KeyPath, reason: str) -> None:
        """Add an error at a place of the file."""
        self.errors.append(self.document.problem(key_path, reason))

    def add_warning(self, key_path: KeyPath, reason: str) -> None:
        """Add a warning at a place of the file."""
        self.warnings.append(self.document.problem(key_path, reason))
