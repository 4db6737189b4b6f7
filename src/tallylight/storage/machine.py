"""What identifies a machine and its current start."""

import hashlib
from pathlib import Path

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_DIGEST_LENGTH = 16


def machine_id() -> str:
    """Return what differs from machine to machine, "" where nothing does, as in most containers."""
    for path in _MACHINE_ID_FILES:
        if found := _first_line(path):
            # The id itself is confidential (man machine-id); it is not stored.
            return hashlib.sha256(f"tallylight {found}".encode()).hexdigest()[:_DIGEST_LENGTH]
    return ""


def boot_id() -> str:
    """Return what differs from one start of the machine to the next, "" outside Linux."""
    return _first_line(_BOOT_ID_FILE)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
