"""Where keys come from: the only place that reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

_FORWARDED_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def process_environment() -> Mapping[str, str]:
    """Return the process's environment."""
    return os.environ  # noqa: TID251  # the one place


def worker_environment() -> Mapping[str, str]:
    """Return what a worker process may know of the environment: enough to start, and no key."""
    known = process_environment()
    return {name: known[name] for name in _FORWARDED_VARIABLES if name in known}


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file without the newline that editors leave at its end."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")
