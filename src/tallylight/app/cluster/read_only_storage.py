"""A history that is looked at and left as it is."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident
from tallylight.storage.database import History, open_history
from tallylight.storage.evidence import Noted
from tallylight.storage.state_snapshots import Snapshot
from tallylight.storage.transition_record import Record

_FORWARDED_SOURCES = frozenset({Source.ACCEPTANCE, Source.TRAFFIC})


class ReadOnlyStorage:
    """Lets a second board judge beside the one that writes: it reads all and stores nothing.

    But what callers' videos show is passed on to the one that writes: nobody else sees those.
    """

    def __init__(self, history: History) -> None:
        self._history = history

    def store_evidence(self, evidence: Evidence) -> None:
        """Store nothing, and pass on what callers' videos show."""
        if evidence.source in _FORWARDED_SOURCES:
            self._history.hearsay.tell(evidence)

    async def record_transitions(self, records: Callable[[], Sequence[Record]]) -> None:
        """Store nothing."""
        records()  # which thereby count as told

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store nothing."""

    async def snapshots(self) -> Mapping[ServiceId, Snapshot]:
        """Return the stored snapshots."""
        return await self._history.standings()

    def replay(
        self,
        services: Collection[ServiceId],
        snapshot_ids: Mapping[ServiceId, int],
        since: datetime,
    ) -> AsyncIterator[Noted]:
        """Yield the evidence that snapshots do not contain."""
        return self._history.replay(services, snapshot_ids, since)

    async def evidence_after(self, cursor: int) -> Sequence[Noted]:
        """Return evidence that follows an id."""
        return await self._history.following(cursor)

    async def newest_cursor(self) -> int:
        """Return the id of the evidence that was stored last."""
        return await self._history.newest_mark()

    async def open_incidents(self) -> Sequence[Incident]:
        """Return the incidents that have not ended."""
        return await self._history.open_incidents()


@asynccontextmanager
async def open_read_only(
    configuration: Configuration, clock: Clock
) -> AsyncIterator[tuple[Board, History]]:
    """Open what stands and what was, to be looked at: nothing is probed and nothing stored."""
    async with open_history(configuration.database_url, clock) as history:
        board = Board(ReadOnlyStorage(history), clock, is_judge=False)
        await board.seat(configuration.catalogue.services.values(), configuration.verdicts)
        yield board, history
