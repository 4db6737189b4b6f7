"""Evidence on its way from followers to the leader.

One process, the leader, judges the evidence of a database. Other processes, such as programs that
make videos through the Python library, forward what their jobs show; it counts like the leader's
own.
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
    """Forwards evidence to the leader, and lets the leader consume it.

    Args:
        flush: Stores the evidence that the leader has judged.
    """

    def __init__(
        self, connections: Connections, clock: Clock, flush: Callable[[], Awaitable[None]]
    ) -> None:
        self._connections = connections
        self._flush = flush
        self.buffer = EvidenceBuffer(connections, clock, table=table)

    def forward(self, piece: Evidence) -> None:
        """Forward evidence to the leader; it is written within about a second."""
        self.buffer.add(piece)

    async def consume(self, apply: Callable[[Evidence], Awaitable[object]]) -> None:
        """Apply all forwarded evidence in the order of forwarding, and delete it.

        Evidence is deleted once the leader has stored it. A crash in between makes a few pieces
        count twice, and loses none.

        Raises:
            StorageError: if the database is not available.
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
            consumed = delete(table).where(table.c.id.in_([row.id for row in rows]))
            async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                await connection.execute(consumed)
