"""Keeps evidence until it is written: noted at once, stored each second in one transaction.

A database that is locked or gone costs nothing until the buffer is full; then the oldest
evidence goes first, and the log says how much.
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
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.evidence import EvidenceRecord, insert_evidence
from tallylight.storage.tables import evidence_table
from tallylight.storage.types import to_microseconds

log = structlog.get_logger(__name__)

FLUSH_INTERVAL = timedelta(seconds=1)
_MAX_FLUSH_INTERVAL = timedelta(seconds=30)
#: How much evidence waits for a database that is away: 50 minutes of 1,000 services each 60 s.
MAX_BUFFERED = 50_000

WriteGuard = Callable[[AsyncConnection], Awaitable[None]]


async def _allow_always(_: AsyncConnection) -> None:
    """Let anybody write."""


class EvidenceBuffer:
    """The buffer, and the one task that empties it.

    Args:
        connections: To the database.
        clock: When it is.
        into: The table that it is stored in.
        guard: Raises StorageError, within the transaction, if that must not be.
        bound: How much is kept at most while the database is away.
    """

    def __init__(
        self,
        connections: Connections,
        clock: Clock,
        *,
        table: Table = evidence_table,
        guard: WriteGuard = _allow_always,
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
        """Return how much evidence is not yet stored."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Return how much evidence was lost because the buffer was full."""
        return self._dropped

    def add(self, evidence: Evidence) -> None:
        """Keep evidence for the next flush."""
        self._buffer.append(EvidenceRecord(to_microseconds(self._clock.now()), evidence))
        self._drop_excess()
        self._not_empty.set()

    @asynccontextmanager
    async def draining(self) -> AsyncIterator[list[EvidenceRecord]]:
        """Lend out what is buffered, and take it back if the borrower fails.

        Loans follow one another, so that ids rise in the order of noting.
        """
        async with self._drain_lock:
            lent, self._buffer = self._buffer, []
            self._not_empty.clear()
            try:
                yield lent
            except BaseException:
                self._buffer[:0] = lent
                self._drop_excess()
                self._not_empty.set()
                raise

    async def flush(self) -> None:
        """Store what is buffered.

        Raises:
            StorageError: if that was not possible; nothing is lost by it.
        """
        async with self.draining() as noted:
            if noted:
                async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                    await self._guard(connection)
                    await insert_evidence(connection, noted, self._table)

    async def run(self) -> Never:
        """Flush a second after evidence came in, for ever; less often while that fails."""
        interval = FLUSH_INTERVAL
        while True:
            await self._not_empty.wait()
            await self._clock.sleep(interval)
            try:
                await self.flush()
            except StorageError as error:
                interval = min(2 * interval, _MAX_FLUSH_INTERVAL)
                log.warning(
                    "evidence.waiting",
                    waiting=self.pending,
                    dropped=self._dropped,
                    error=str(error),
                )
            else:
                if interval > FLUSH_INTERVAL:
                    log.info("evidence.stored_again", dropped=self._dropped)
                interval = FLUSH_INTERVAL

    def _drop_excess(self) -> None:
        excess = len(self._buffer) - self._max_size
        if excess > 0:
            del self._buffer[:excess]
            self._dropped += excess
            if self._dropped % 1000 < excess:  # not a line for each
                log.error("evidence.dropped", dropped=self._dropped, bound=self._max_size)
