"""The place of the one process that judges: two boards would write two chains of transitions."""

import fcntl
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from tallylight.errors import StorageError
from tallylight.storage.database import Storage
from tallylight.storage.engine import HeldLock

log = structlog.get_logger()


class LeaderLock:
    """Taken by one process at a time; free again as soon as that ends, however it does.

    A PostgreSQL keeps the place itself. Beside a file of SQLite stands a lock.

    Args:
        history: The database, opened.
        file: Its file; None for PostgreSQL.
    """

    def __init__(self, history: Storage, file: Path | None) -> None:
        self._history = history
        self._file = file
        self._stack = AsyncExitStack()
        self._claim_handle: HeldLock | None = None

    @property
    def is_shared(self) -> bool:
        """Tell whether several servers may work on this database."""
        return self._file is None

    async def acquire(self) -> bool:
        """Try to take the place; tell whether this process judges now.

        Raises:
            StorageError: if the database is away, or the file of the lock cannot be opened.
        """
        is_ours = (
            self._acquire_file(self._file)
            if self._file
            else await self._acquire_database() is not None
        )
        if not is_ours:
            return False
        try:
            await self._history.leader_epoch.claim()
        except StorageError:
            await self.release()
            raise
        return True

    async def is_held(self) -> bool:
        """Tell whether nobody has judged since this process took the place.

        While the database is away nobody can say, and it goes on; what it writes would be refused.
        """
        if self._file is not None:
            return True
        if self._claim_handle is not None and await self._claim_handle.is_alive():
            return True
        await self.release()
        try:
            if await self._acquire_database() is None:
                return False
            if await self._history.leader_epoch.is_current():
                return True
        except StorageError as error:
            log.warning("leader.check_failed", error=str(error))
            await self.release()
            return True
        await self.release()
        return False

    async def release(self) -> None:
        """Let another process take it."""
        self._claim_handle = None
        try:
            await self._stack.aclose()
        except StorageError as error:  # its connection is gone, and the claim with it
            log.debug("leader.released", error=str(error))

    async def _acquire_database(self) -> HeldLock | None:
        self._claim_handle = await self._stack.enter_async_context(self._history.claim_leadership())
        if self._claim_handle is None:
            await self._stack.aclose()
        return self._claim_handle

    def _acquire_file(self, database: Path) -> bool:
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
