"""Buffers evidence in memory and writes it once a second in one transaction.

While the database is locked or unavailable, nothing is lost until the buffer is full. Then the
oldest evidence is dropped, and the log says how much.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Never

import structlog
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence
from tallylight.storage.engine import Connections, LockId, run_to_completion
from tallylight.storage.evidence import EvidenceRecord, insert_evidence
from tallylight.storage.tables import evidence_table
from tallylight.storage.types import to_microseconds

log = structlog.get_logger(__name__)

FLUSH_INTERVAL = timedelta(seconds=1)
_MAX_FLUSH_INTERVAL = timedelta(seconds=30)
#: Holds 50 minutes of 1,000 services that are probed every 60 s.
MAX_BUFFERED = 50_000

WriteGuard = Callable[[AsyncConnection], Awaitable[None]]


class EvidenceBuffer:
    """Evidence that is not yet written.

    Args:
        clock: The clock that dates evidence.
        guard: Raises StorageError, within the transaction, if this process must not write.
        max_size: The number of pieces above which the oldest are dropped.
    """

    def __init__(
        self,
        connections: Connections,
        clock: Clock,
        *,
        table: Table = evidence_table,
        guard: WriteGuard | None = None,
        max_size: int = MAX_BUFFERED,
    ) -> None:
        self._connections = connections
        self._table = table
        self._guard = guard
        self._clock = clock
        self._max_size = max_size
        self._buffer: list[EvidenceRecord] = []
        self._dropped = 0
        self._not_empty = asyncio.Event()
        self._drain_lock = asyncio.Lock()

    @property
    def pending(self) -> int:
        """Return the number of pieces that are not yet written."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Return the number of pieces that were dropped because the buffer was full."""
        return self._dropped

    def add(self, evidence: Evidence) -> None:
        """Add evidence; the next flush writes it."""
        self._buffer.append(EvidenceRecord(to_microseconds(self._clock.now()), evidence))
        self._drop_excess()
        self._not_empty.set()

    @asynccontextmanager
    async def draining(self) -> AsyncIterator[list[EvidenceRecord]]:
        """Take everything out of the buffer for the block, and put it back if the block fails.

        Only one block runs at a time, so that ids rise in the order in which evidence was added.
        """
        async with self._drain_lock:
            taken, self._buffer = self._buffer, []
            self._not_empty.clear()
            try:
                yield taken
            except BaseException:
                self._buffer[:0] = taken
                self._drop_excess()
                self._not_empty.set()
                raise

    async def flush(self) -> None:
        """Write what is buffered.

        Raises:
            StorageError: if that failed; the evidence stays in the buffer.
        """
        async with self.draining() as records:
            if records:
                async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                    if self._guard is not None:
                        await self._guard(connection)
                    await insert_evidence(connection, records, self._table)

    async def run(self) -> Never:
        """Flush a second after evidence was added, forever; less often while that fails."""
        interval = FLUSH_INTERVAL
        while True:
            await self._not_empty.wait()
            await self._clock.sleep(interval)
            try:
                await self.flush()
            except StorageError as error:
                interval = min(2 * interval, _MAX_FLUSH_INTERVAL)
                log.warning(
                    "evidence.write_delayed",
                    pending=self.pending,
                    dropped=self._dropped,
                    error=str(error),
                )
            else:
                if interval > FLUSH_INTERVAL:
                    log.info("evidence.write_resumed", dropped=self._dropped)
                interval = FLUSH_INTERVAL

    def _drop_excess(self) -> None:
        excess = len(self._buffer) - self._max_size
        if excess > 0:
            del self._buffer[:excess]
            self._dropped += excess
            if self._dropped % 1000 < excess:  # one line per 1,000 dropped pieces
                log.error("evidence.dropped", dropped=self._dropped, max_size=self._max_size)


@asynccontextmanager
async def running_buffer(buffer: EvidenceBuffer, name: str) -> AsyncIterator[asyncio.Task[Never]]:
    """Run the task that writes a buffer; at the end of the block, write what is left."""
    # A TaskGroup would wrap the errors of the block in an ExceptionGroup.
    task = asyncio.create_task(_run_logged(buffer), name=name)
    try:
        yield task
    finally:
        # A cancellation must not interrupt the last flush, or evidence would be lost.
        await run_to_completion(_stop(task, buffer))


async def _run_logged(buffer: EvidenceBuffer) -> Never:
    try:
        await buffer.run()
    except Exception as error:
        log.exception("storage.writer_failed", pending=buffer.pending)
        raise StorageError(
            "database: evidence is no longer stored because of a defect of tallylight; "
            "see storage.writer_failed in its log"
        ) from error


async def _stop(task: asyncio.Task[Never], buffer: EvidenceBuffer) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)  # a defect has been logged
    try:
        await buffer.flush()
    except StorageError as error:
        log.error(  # noqa: TRY400  # the trace would add nothing
            "evidence.lost", count=buffer.pending, dropped=buffer.dropped, error=str(error)
        )
