"""The only module that reads environment variables and secret files."""

import os
from collections.abc import Mapping
from pathlib import Path

from tallylight.documents.files import read_bounded

_MAX_SECRET_BYTES = 64 * 1024
_FORWARDED_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def process_environment() -> Mapping[str, str]:
    """Return the environment variables of the process."""
    return os.environ  # noqa: TID251  # the one place


def worker_environment() -> Mapping[str, str]:
    """Return the variables that a worker process needs to start, without any key."""
    known = process_environment()
    return {name: known[name] for name in _FORWARDED_VARIABLES if name in known}


def read_secret_file(path: Path) -> str:
    """Return the text of a secret file without the newline that editors add at its end.

    Raises:
        OSError: if it cannot be read, or is larger than 64 KiB.
        UnicodeDecodeError: if it is not UTF-8.
    """
    return read_bounded(path, _MAX_SECRET_BYTES).decode("utf-8").rstrip("\r\n")
