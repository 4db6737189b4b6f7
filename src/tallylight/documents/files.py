"""Reads files of bounded size, puts whole files in place, and says why one cannot be used."""

import errno
import os
import shutil
from pathlib import Path
from typing import TextIO


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


def open_private(path: Path) -> TextIO:
    """Open a file to append to it; a new one is readable by nobody else.

    Raises:
        OSError: if it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")


def scratch_directory(target: Path) -> Path | None:
    """Return where to make a file for `put_file`; None for the system's own directory."""
    final = target.resolve()
    return final.parent if final.is_file() or not final.exists() else None


def put_file(whole: Path, target: Path) -> None:
    """Put a complete file in the place of another, at once where the file system can.

    A link is followed. A device, a pipe, or a file with several names is written through: replacing
    it would make another file of it.

    Raises:
        OSError: if it cannot be written.
    """
    final = target.resolve()
    if not final.exists():
        whole.replace(final)
    elif final.is_file() and final.stat().st_nlink == 1 and whole.parent.parent == final.parent:
        shutil.copymode(final, whole)
        whole.replace(final)
    else:
        with whole.open("rb") as source, final.open("wb") as sink:
            shutil.copyfileobj(source, sink)
