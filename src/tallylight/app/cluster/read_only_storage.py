"""Storage of a board that does not lead: it reads, and forwards evidence to the leader."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.database_address import require_database
from tallylight.storage.queries import StorageQueries
from tallylight.storage.transition_record import TransitionRecord

_FORWARDED_SOURCES = frozenset({Source.ACCEPTANCE, Source.GENERATION, Source.TRAFFIC})


class ReadOnlyStorage(StorageQueries):
    """Board storage that reads everything and writes nothing.

    Evidence from the videos that this process follows is forwarded to the leader, which cannot see
    them.
    """

    def __init__(self, history: Storage) -> None:
        super().__init__(history.connections)
        self._forwarded_evidence = history.forwarded_evidence

    def add_evidence(self, evidence: Evidence) -> None:
        """Store nothing, but forward evidence from videos."""
        if evidence.source in _FORWARDED_SOURCES:
            self._forwarded_evidence.forward(evidence)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        """Store nothing."""
        records()  # marks them as written

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store nothing."""


@asynccontextmanager
async def open_read_only(
    configuration: Configuration, clock: Clock
) -> AsyncIterator[tuple[Board, Storage]]:
    """Open the board and the history for reading; nothing is probed or stored.

    Raises:
        StorageError: if there is no database, or it cannot be read.
    """
    require_database(configuration.database_url)
    async with open_storage(configuration.database_url, clock) as history:
        board = Board(ReadOnlyStorage(history), clock, is_leader=False)
        await board.apply_config(configuration.catalogue.services.values(), configuration.verdicts)
        yield board, history
