"""Makes the standard streams take whatever a command prints.

A terminal may have another encoding than UTF-8, a stream may be closed, and a disk may be full.
None of these is a defect, so none of them ends in a traceback.
"""

import contextlib
import errno
import io
import os
import sys
from typing import Final

_CANNOT_WRITE: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.ENXIO}
)


def prepare_streams() -> None:
    """Open closed streams to nowhere, and print "?" for what an encoding lacks."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # else the database would get this number, and what is printed goes into it
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def is_output_failure(error: OSError) -> bool:
    """Tell whether an error means that the output takes no more, not that a file is missing."""
    return error.filename is None and error.errno in _CANNOT_WRITE


def abandon_output() -> None:
    """Let what is still to be printed go nowhere, or Python reports the failure again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def prints_unicode() -> bool:
    """Tell whether the output takes every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}
