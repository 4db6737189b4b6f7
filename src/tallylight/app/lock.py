"""One process judges a database at a time: two boards would write two chains of transitions."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def sole_judge(database: Path | None) -> Iterator[bool]:
    """Try to become the process that judges an SQLite database; yield whether it worked.

    The lock dies with the process, however that ends.

    Args:
        database: The file; None for a database that is no file, which nobody locks.
    """
    if database is None:
        yield True
        return
    with Path(f"{database}.lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
