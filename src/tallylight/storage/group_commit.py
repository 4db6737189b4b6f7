"""Group commit: writes that several tasks make at the same moment share one transaction.

A create is recorded before it is sent, and a disk makes only a few hundred transactions durable
per second. So writes wait while the transaction before them runs, and then share the next one. It
runs in a thread with the synchronous driver: single statements through asyncio cost several times
as much.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from tallylight.errors import LockTimeoutError, StorageError, UnwritableError
from tallylight.storage.engine import Connections
from tallylight.storage.transaction import Write, Written, write_group

log = structlog.get_logger(__name__)

_MAX_GROUP_SIZE = 500


@dataclass(slots=True)
class _PendingWrite:
    write: Write
    since: float
    done: asyncio.Future[Written] = field(repr=False)


class GroupCommitter:
    """Writes what many tasks write in shared transactions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pending: list[_PendingWrite] = []
        self._in_commit: list[_PendingWrite] = []
        self._has_pending = asyncio.Event()

    @property
    def oldest_wait(self) -> float:
        """Return for how many seconds the oldest write that is not committed has waited."""
        waiting = (*self._in_commit[:1], *self._pending[:1])
        now = asyncio.get_running_loop().time()
        return max((now - each.since for each in waiting), default=0.0)

    async def write(self, write: Write) -> Written:
        """Write facts and a decision, or a new video; return what became of it.

        On return what was written survives the death of this process, and all but mere progress a
        power cut. An error leaves open whether it was written: the same write, marked as repeated,
        tells.

        Raises:
            StorageError: if the database is not available.
            UnwritableError: if the database refuses the write for good.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Written] = loop.create_future()
        self._pending.append(_PendingWrite(write, loop.time(), done))
        self._has_pending.set()
        return await done

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Commit as long as a block lasts."""
        task = asyncio.create_task(self._run(), name="group commit")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for each in (*self._in_commit, *self._pending):
                each.done.cancel()

    async def _run(self) -> None:
        """Commit pending writes, forever."""
        while True:
            await self._has_pending.wait()
            group, self._pending = self._pending[:_MAX_GROUP_SIZE], self._pending[_MAX_GROUP_SIZE:]
            if not self._pending:
                self._has_pending.clear()
            self._in_commit = group
            try:
                await self._commit(group)
            except LockTimeoutError as error:  # only what waited for the row may fail
                log.warning("group_commit.waited", writes=len(group), error=str(error))
                await self._commit_singly(group)
            except Exception:  # this task's root: only the defective write may fail
                log.exception("group_commit.failed", writes=len(group))
                await self._commit_singly(group)
            self._in_commit = []

    async def _commit_singly(self, group: list[_PendingWrite]) -> None:
        for each in group:
            try:
                await self._commit([each])
            except LockTimeoutError as error:
                _fail([each], error)
            except Exception as error:  # noqa: BLE001  # the whole group's error is in the log
                why = f"{type(error).__name__} while writing; the log says more"
                _fail([each], UnwritableError(why))

    async def _commit(self, group: list[_PendingWrite]) -> None:
        try:
            results = await self._write_group([each.write for each in group])
        except (UnwritableError, LockTimeoutError):
            raise
        except StorageError as error:
            _fail(group, error)
            return
        for each, result in zip(group, results, strict=True):
            if not each.done.done():  # else the task that waited was cancelled
                each.done.set_result(result)

    async def _write_group(self, group: list[Write]) -> list[Written]:
        def work(connection: Connection) -> list[Written]:
            return write_group(connection, group)

        is_durable = any(write.is_durable for write in group)
        return await self._connections.run_in_thread(work, is_durable=is_durable)


def _fail(group: Iterable[_PendingWrite], error: StorageError) -> None:
    for each in group:
        if not each.done.done():
            each.done.set_exception(type(error)(str(error)))
