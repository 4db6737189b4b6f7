"""One process judges a database at a time: two boards would write two chains of transitions."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallylight.errors import StorageError


@contextmanager
def sole_judge(database: Path | None) -> Iterator[bool]:
    """Try to become the process that judges an SQLite database; yield whether it worked.

    The lock dies with the process, however that ends.

    Args:
        database: The file; None for a database that is no file, which nobody locks.

    Raises:
        StorageError: if the file of the lock, beside the database, cannot be opened.
    """
    if database is None:
        yield True
        return
    lock = Path(f"{database}.lock")
    try:
        file = lock.open("a", encoding="ascii")
    except OSError as error:
        raise StorageError(f"database: {lock} cannot be opened: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
