"""Storage of a board that does not lead: it reads, and forwards evidence to the leader."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord

_FORWARDED_SOURCES = frozenset({Source.ACCEPTANCE, Source.TRAFFIC})


class ReadOnlyStorage:
    """Board storage that reads everything and writes nothing.

    Evidence from callers' videos is forwarded to the leader, which cannot see those videos.
    """

    def __init__(self, history: Storage) -> None:
        self._history = history

    def add_evidence(self, evidence: Evidence) -> None:
        """Store nothing, but forward evidence from callers' videos."""
        if evidence.source in _FORWARDED_SOURCES:
            self._history.forwarded_evidence.forward(evidence)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        """Store nothing."""
        records()  # marks them as written

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store nothing."""

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        """Return the stored snapshots."""
        return await self._history.snapshots()

    def replay(
        self,
        services: Collection[ServiceId],
        snapshot_ids: Mapping[ServiceId, int],
        since: datetime,
    ) -> AsyncIterator[EvidenceRecord]:
        """Yield evidence that is newer than the snapshots."""
        return self._history.replay(services, snapshot_ids, since)

    async def evidence_after(self, cursor: int) -> Sequence[EvidenceRecord]:
        """Return evidence after a cursor."""
        return await self._history.evidence_after(cursor)

    async def latest_cursor(self) -> int:
        """Return the cursor of the latest evidence."""
        return await self._history.latest_cursor()

    async def open_incidents(self) -> Sequence[Incident]:
        """Return open incidents."""
        return await self._history.open_incidents()


@asynccontextmanager
async def open_read_only(
    configuration: Configuration, clock: Clock
) -> AsyncIterator[tuple[Board, Storage]]:
    """Open the board and the history for reading; nothing is probed or stored."""
    async with open_storage(configuration.database_url, clock) as history:
        board = Board(ReadOnlyStorage(history), clock, is_leader=False)
        await board.apply_config(configuration.catalogue.services.values(), configuration.verdicts)
        yield board, history
