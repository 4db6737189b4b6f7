"""Where keys come from: the only place that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path


def environment() -> Mapping[str, str]:
    """Return the process's environment."""
    return os.environ  # noqa: TID251  # the one place


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file without the newline that editors leave at its end."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")
