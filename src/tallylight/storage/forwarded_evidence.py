"""What processes that do not judge have seen, until the one that does has heard it.

One process judges a database at a time. Others may be at work beside it: programs that make videos
through a client. What their jobs show counts as much as what the judge's own do.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy import delete, select

from tallylight.clock import Clock
from tallylight.model.evidence import Evidence
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.evidence import evidence_from_row
from tallylight.storage.evidence_buffer import EvidenceBuffer
from tallylight.storage.tables import forwarded_evidence_table as table

_BATCH_SIZE = 500


class ForwardedEvidence:
    """The door to it."""

    def __init__(
        self, connections: Connections, clock: Clock, flush: Callable[[], Awaitable[None]]
    ) -> None:
        """Take what it works with.

        Args:
            connections: To the database.
            clock: When it is.
            store: Stores what was judged.
        """
        self._connections = connections
        self._flush = flush
        self.buffer = EvidenceBuffer(connections, clock, table=table)

    def forward(self, piece: Evidence) -> None:
        """Pass evidence on to whoever judges; it is stored within a second or so."""
        self.buffer.add(piece)

    async def consume(self, apply: Callable[[Evidence], Awaitable[object]]) -> None:
        """Let what others have told be judged, in the order of its telling.

        What has been judged is taken away once it is stored: a crash in between lets a few pieces
        count twice, and none be lost.

        Raises:
            StorageError: if the database is away.
        """
        while True:
            query = select(table).order_by(table.c.id).limit(_BATCH_SIZE)
            async with self._connections.read_transaction() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            for row in rows:
                await apply(evidence_from_row(row))
            await self._flush()
            heard = delete(table).where(table.c.id.in_([row.id for row in rows]))
            async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                await connection.execute(heard)
