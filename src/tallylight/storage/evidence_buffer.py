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
from tallylight.storage.engine import Connections, Turn
from tallylight.storage.evidence import Noted, append
from tallylight.storage.tables import evidence as evidence_table
from tallylight.storage.types import microseconds

log = structlog.get_logger(__name__)

INTERVAL = timedelta(seconds=1)
_LONGEST_INTERVAL = timedelta(seconds=30)
#: How much evidence waits for a database that is away: 50 minutes of 1,000 services each 60 s.
BOUND = 50_000

Guard = Callable[[AsyncConnection], Awaitable[None]]


async def _anybody(_: AsyncConnection) -> None:
    """Let anybody write."""


class Writer:
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
        into: Table = evidence_table,
        guard: Guard = _anybody,
        bound: int = BOUND,
    ) -> None:
        self._connections = connections
        self._into = into
        self._guard = guard
        self._clock = clock
        self._bound = bound
        self._buffer: list[Noted] = []
        self._dropped = 0
        self._something = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Return how much evidence is not yet stored."""
        return len(self._buffer)

    @property
    def dropped(self) -> int:
        """Return how much evidence was lost because the buffer was full."""
        return self._dropped

    def note(self, evidence: Evidence) -> None:
        """Keep evidence for the next flush."""
        self._buffer.append(Noted(microseconds(self._clock.now()), evidence))
        self._drop_excess()
        self._something.set()

    @asynccontextmanager
    async def lending(self) -> AsyncIterator[list[Noted]]:
        """Lend out what is buffered, and take it back if the borrower fails.

        Loans follow one another, so that ids rise in the order of noting.
        """
        async with self._turn:
            lent, self._buffer = self._buffer, []
            self._something.clear()
            try:
                yield lent
            except BaseException:
                self._buffer[:0] = lent
                self._drop_excess()
                self._something.set()
                raise

    async def flush(self) -> None:
        """Store what is buffered.

        Raises:
            StorageError: if that was not possible; nothing is lost by it.
        """
        async with self.lending() as noted:
            if noted:
                async with self._connections.noting(Turn.EVIDENCE) as connection:
                    await self._guard(connection)
                    await append(connection, noted, self._into)

    async def run(self) -> Never:
        """Flush a second after evidence came in, for ever; less often while that fails."""
        interval = INTERVAL
        while True:
            await self._something.wait()
            await self._clock.sleep(interval)
            try:
                await self.flush()
            except StorageError as error:
                interval = min(2 * interval, _LONGEST_INTERVAL)
                log.warning(
                    "evidence.waiting",
                    waiting=self.waiting,
                    dropped=self._dropped,
                    error=str(error),
                )
            else:
                if interval > INTERVAL:
                    log.info("evidence.stored_again", dropped=self._dropped)
                interval = INTERVAL

    def _drop_excess(self) -> None:
        excess = len(self._buffer) - self._bound
        if excess > 0:
            del self._buffer[:excess]
            self._dropped += excess
            if self._dropped % 1000 < excess:  # not a line for each
                log.error("evidence.dropped", dropped=self._dropped, bound=self._bound)
