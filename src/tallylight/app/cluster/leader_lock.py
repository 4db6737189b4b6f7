"""The lock of the leader: two leaders would write two chains of transitions."""

import fcntl
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from tallylight.documents.files import open_private
from tallylight.errors import StorageError
from tallylight.storage.database import Storage
from tallylight.storage.engine import HeldLock

log = structlog.get_logger()


class LeaderLock:
    """A lock that one process holds at a time; it is free again when that process ends or dies.

    PostgreSQL holds the lock itself. For SQLite it is a lock file beside the database file.

    Args:
        history: The opened database.
        file: The database file of SQLite; None for PostgreSQL.
    """

    def __init__(self, history: Storage, file: Path | None) -> None:
        self._history = history
        self._file = file
        self._stack = AsyncExitStack()
        self._claim_handle: HeldLock | None = None

    @property
    def is_shared(self) -> bool:
        """Tell whether several servers may share this database."""
        return self._file is None

    async def acquire(self) -> bool:
        """Try to acquire the lock; tell whether this process leads now.

        Raises:
            StorageError: if the database is unavailable, or the lock file cannot be opened.
        """
        is_acquired = (
            self._acquire_file(self._file)
            if self._file
            else await self._acquire_database() is not None
        )
        if not is_acquired:
            return False
        try:
            await self._history.leader_epoch.claim()
            await self._history.set_future_aside()
        except StorageError:
            await self.release()
            raise
        return True

    async def is_held(self) -> bool:
        """Tell whether no other process has led since this process acquired the lock.

        While the database is unavailable the answer is yes: the leader goes on, and the fencing
        token refuses its writes if another process leads.
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
        """Release the lock."""
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
            file = open_private(path)
        except OSError as error:
            raise StorageError(f"database: {path} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._stack.callback(file.close)
        return True
