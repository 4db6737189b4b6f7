"""The place of the one process that judges: two boards would write two chains of transitions."""

import fcntl
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from tallylight.errors import StorageError
from tallylight.storage.database import History
from tallylight.storage.engine import Held

log = structlog.get_logger()


class Bench:
    """Taken by one process at a time; free again as soon as that ends, however it does.

    A PostgreSQL keeps the place itself. Beside a file of SQLite stands a lock.

    Args:
        history: The database, opened.
        file: Its file; None for PostgreSQL.
    """

    def __init__(self, history: History, file: Path | None) -> None:
        self._history = history
        self._file = file
        self._stack = AsyncExitStack()
        self._held: Held | None = None

    @property
    def is_for_several(self) -> bool:
        """Tell whether several servers may work on this database."""
        return self._file is None

    async def take(self) -> bool:
        """Try to take the place; tell whether this process judges now.

        Raises:
            StorageError: if the database is away, or the file of the lock cannot be opened.
        """
        is_ours = self._lock(self._file) if self._file else await self._claim() is not None
        if not is_ours:
            return False
        try:
            await self._history.judgeship.begin()
        except StorageError:
            await self.leave()
            raise
        return True

    async def is_kept(self) -> bool:
        """Tell whether nobody has judged since this process took the place.

        While the database is away nobody can say, and it goes on; what it writes would be refused.
        """
        if self._file is not None:
            return True
        if self._held is not None and await self._held.is_alive():
            return True
        await self.leave()
        try:
            if await self._claim() is None:
                return False
            if await self._history.judgeship.stands():
                return True
        except StorageError as error:
            log.warning("judge.unsure", error=str(error))
            await self.leave()
            return True
        await self.leave()
        return False

    async def leave(self) -> None:
        """Let another process take it."""
        self._held = None
        try:
            await self._stack.aclose()
        except StorageError as error:  # its connection is gone, and the claim with it
            log.debug("judge.left", error=str(error))

    async def _claim(self) -> Held | None:
        self._held = await self._stack.enter_async_context(self._history.claim_judging())
        if self._held is None:
            await self._stack.aclose()
        return self._held

    def _lock(self, database: Path) -> bool:
        path = Path(f"{database}.lock")
        try:
            file = path.open("a", encoding="ascii")
        except OSError as error:
            raise StorageError(f"database: {path} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._stack.callback(file.close)
        return True
