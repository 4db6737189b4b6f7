"""Reads files of bounded size, and says why a file cannot be read or written."""

import errno
from pathlib import Path


def file_error_reason(error: OSError | UnicodeDecodeError) -> str:
    """Return the reason as one clause, without Python's own words."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "is a directory; name a file"
        case UnicodeDecodeError():
            return f"is not UTF-8 text (byte {error.start})"
        case OSError():
            return error.strerror or "cannot be opened"


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: if it cannot be read, or is longer; the size that a device reports is not trusted.
    """
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"is larger than {max_bytes // 1024} KiB")
    return content
