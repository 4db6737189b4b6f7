"""One process judges a database at a time: two boards would write two chains of transitions."""

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tallylight.errors import StorageError
from tallylight.history.database import History


@asynccontextmanager
async def sole_judge(history: History, database: Path | None) -> AsyncIterator[bool]:
    """Try to become the process that judges by a database; yield whether it worked.

    The lock dies with the process, however that ends.

    Args:
        history: The database, opened.
        database: Its file; None for PostgreSQL, which keeps the lock itself.

    Raises:
        StorageError: if the file of the lock, beside the database, cannot be opened.
    """
    if database is None:
        async with history.claim_judging() as is_judge:
            yield is_judge
        return
    lock = Path(f"{database}.lock")
    try:
        file = lock.open("a", encoding="ascii")  # noqa: ASYNC230  # a local file, once a process
    except OSError as error:
        raise StorageError(f"database: {lock} cannot be opened: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
