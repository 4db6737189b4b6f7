"""Group commit: writes that several tasks make at the same moment share one transaction.

A create is recorded before it is sent, and a disk makes only a few hundred transactions durable
per second. So writes wait while the transaction before them runs, and then share the next one. It
runs in a thread with the synchronous driver: single statements through asyncio cost several times
as much.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from tallylight.errors import BudgetError, StorageError, UnwritableError
from tallylight.storage.engine import Connections
from tallylight.storage.transaction import WriteBatch, write_group

log = structlog.get_logger(__name__)

_MAX_GROUP_SIZE = 500


@dataclass(slots=True)
class _PendingWrite:
    batch: WriteBatch
    done: asyncio.Future[bool] = field(repr=False)


class GroupCommitter:
    """Writes the batches of many tasks in shared transactions."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pending: list[_PendingWrite] = []
        self._has_pending = asyncio.Event()

    async def write(self, batch: WriteBatch) -> bool:
        """Write a batch; return whether all of it was written.

        On return it survives the death of this process, and a new attempt also a power cut.

        Returns:
            False if a further attempt is for a video that has ended or has another owner by now;
            if another process has written the same attempt, or a video of the same idempotency
            key; or if another attempt has the claimed job. Then only attempts and ledger entries
            that have ended are written.

        Raises:
            BudgetError: if a budget refuses the money; only what has ended is written.
            StorageError: if the database is not available; nothing is written.
            UnwritableError: if the database refuses the batch for good.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingWrite(batch, done))
        self._has_pending.set()
        return await done

    async def run(self) -> None:
        """Write pending batches, forever."""
        while True:
            await self._has_pending.wait()
            group, self._pending = self._pending[:_MAX_GROUP_SIZE], self._pending[_MAX_GROUP_SIZE:]
            if not self._pending:
                self._has_pending.clear()
            try:
                await self._commit(group)
            except Exception:  # this task's root: only the defective batch may fail
                log.exception("group_commit.failed", batches=len(group))
                await self._commit_singly(group)

    async def _commit_singly(self, group: list[_PendingWrite]) -> None:
        for each in group:
            try:
                await self._commit([each])
            except Exception as error:  # noqa: BLE001  # the whole group's error is in the log
                why = f"{type(error).__name__} while writing; the log says more"
                _fail([each], UnwritableError(why))

    async def _commit(self, group: list[_PendingWrite]) -> None:
        try:
            results = await self._write_group([each.batch for each in group])
        except UnwritableError:
            raise
        except StorageError as error:
            _fail(group, error)
            return
        except asyncio.CancelledError:
            for each in group:
                each.done.cancel()
            raise
        for each, result in zip(group, results, strict=True):
            if each.done.done():
                continue  # the task that waited was cancelled
            if isinstance(result, BudgetError):
                each.done.set_exception(result)
            else:
                each.done.set_result(result)

    async def _write_group(self, group: list[WriteBatch]) -> list[bool | BudgetError]:
        def work(connection: Connection) -> list[bool | BudgetError]:
            return write_group(connection, group)

        is_durable = any(batch.is_durable for batch in group)
        return await self._connections.run_in_thread(work, is_durable=is_durable)


def _fail(group: Iterable[_PendingWrite], error: StorageError) -> None:
    for each in group:
        if not each.done.done():
            each.done.set_exception(type(error)(str(error)))
