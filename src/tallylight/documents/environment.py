"""The only module that reads environment variables and secret files."""

import os
from collections.abc import Mapping
from pathlib import Path

_FORWARDED_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def process_environment() -> Mapping[str, str]:
    """Return the environment variables of the process."""
    return os.environ  # noqa: TID251  # the one place


def worker_environment() -> Mapping[str, str]:
    """Return the variables that a worker process needs to start, without any key."""
    known = process_environment()
    return {name: known[name] for name in _FORWARDED_VARIABLES if name in known}


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file without the newline that editors add at its end."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")
