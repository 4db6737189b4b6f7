"""What processes that do not judge have seen, until the one that does has heard it.

One process judges a database at a time. Others may be at work beside it: programs that make videos
through a client. What their jobs show counts as much as what the judge's own do.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy import delete, select

from tallylight.clock import Clock
from tallylight.model.evidence import Evidence
from tallylight.storage.engine import Connections, Turn
from tallylight.storage.evidence import evidence_of
from tallylight.storage.evidence_buffer import Writer
from tallylight.storage.tables import hearsay as table

_AT_A_TIME = 500


class Hearsay:
    """The door to it."""

    def __init__(
        self, connections: Connections, clock: Clock, store: Callable[[], Awaitable[None]]
    ) -> None:
        """Take what it works with.

        Args:
            connections: To the database.
            clock: When it is.
            store: Stores what was judged.
        """
        self._connections = connections
        self._store = store
        self.writer = Writer(connections, clock, into=table)

    def tell(self, piece: Evidence) -> None:
        """Pass evidence on to whoever judges; it is stored within a second or so."""
        self.writer.note(piece)

    async def hear(self, judge: Callable[[Evidence], Awaitable[object]]) -> None:
        """Let what others have told be judged, in the order of its telling.

        What has been judged is taken away once it is stored: a crash in between lets a few pieces
        count twice, and none be lost.

        Raises:
            StorageError: if the database is away.
        """
        while True:
            query = select(table).order_by(table.c.id).limit(_AT_A_TIME)
            async with self._connections.reading() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            for row in rows:
                await judge(evidence_of(row))
            await self._store()
            heard = delete(table).where(table.c.id.in_([row.id for row in rows]))
            async with self._connections.noting(Turn.EVIDENCE) as connection:
                await connection.execute(heard)
