"""What the board needs of the history."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tallylight.history.records import Record
from tallylight.terms import Evidence, Incident, ServiceId


class Archive(Protocol):
    """Remembers for the board; `history.database.History` is one."""

    def note(self, piece: Evidence, /) -> None:
        """Keep evidence."""
        ...

    async def record(self, records: Callable[[], Sequence[Record]], /) -> None:
        """Store transitions with all evidence noted before them.

        The records are asked for once, when it is this call's turn to write.
        """
        ...

    async def save_standings(self, snapshot: Callable[[], Mapping[ServiceId, str]], /) -> None:
        """Store snapshots together with all evidence that is in them."""
        ...

    async def standings(self) -> Mapping[ServiceId, str]:
        """Return the stored snapshot of every service that has one."""
        ...

    def replay(
        self, services: Collection[ServiceId], since: datetime, /
    ) -> AsyncIterator[Evidence]:
        """Yield the evidence that no stored snapshot contains."""
        ...

    async def open_incidents(self) -> Sequence[Incident]:
        """Return the incidents that have not ended."""
        ...
