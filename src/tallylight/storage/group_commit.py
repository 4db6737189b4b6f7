"""Group commit: what several tasks write at the same moment shares one durable transaction.

A caller's create is written down before it is sent, and a disk makes a few hundred transactions
durable in a second. So writes wait for one another only as long as the transaction before them
takes, and then go together, in a thread and by the driver's own rows: the way of single statements
through asyncio costs several times as much.
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
    """Writes for many tasks at once."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pending: list[_PendingWrite] = []
        self._has_pending = asyncio.Event()

    async def write(self, batch: WriteBatch) -> bool:
        """Write; tell whether it was ours to write.

        What is written outlives this process when this returns, and a new attempt also a power
        cut.

        Returns:
            False where a further attempt is at a video that has an end or another owner by now,
            where another process had written the same attempt at a video, or a video of the same
            idempotency key, before, or where a job that was found is another attempt's; then
            nothing of it is written but what has ended.

        Raises:
            BudgetError: if the money may not be spent; nothing is written but what has ended.
            StorageError: if the database is away; nothing is written.
            UnwritableError: if no database takes it.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pending.append(_PendingWrite(batch, done))
        self._has_pending.set()
        return await done

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            await self._has_pending.wait()
            group, self._pending = self._pending[:_MAX_GROUP_SIZE], self._pending[_MAX_GROUP_SIZE:]
            if not self._pending:
                self._has_pending.clear()
            try:
                await self._commit(group)
            except Exception:  # this task's root: what cannot be written fails alone
                log.exception("journal.defect", writings=len(group))
                await self._commit_singly(group)

    async def _commit_singly(self, group: list[_PendingWrite]) -> None:
        for each in group:
            try:
                await self._commit([each])
            except Exception as error:  # noqa: BLE001  # it is in the log already
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
                continue  # whoever asked is gone; what is written stands
            if isinstance(result, BudgetError):
                each.done.set_exception(result)
            else:
                each.done.set_result(result)

    async def _write_group(self, group: list[WriteBatch]) -> list[bool | BudgetError]:
        def work(connection: Connection) -> list[bool | BudgetError]:
            return write_group(connection, group)

        if any(writing.is_durable for writing in group):
            return await self._connections.run_durable_in_thread(work)
        return await self._connections.run_relaxed_in_thread(work)


def _fail(group: Iterable[_PendingWrite], error: StorageError) -> None:
    for each in group:
        if not each.done.done():
            each.done.set_exception(type(error)(str(error)))
