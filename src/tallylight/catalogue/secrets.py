"""Keys, and the only place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that shows itself only when it is asked to.

    Its repr, its str and whatever logs or exports it have "***".
    """

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the key itself, for the one header that needs it."""
        return self._value

    def __str__(self) -> str:
        return "***"


def environment() -> Mapping[str, str]:
    """Return the process's environment."""
    return os.environ  # noqa: TID251  # the one place


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file without the newline that editors leave at its end."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")
