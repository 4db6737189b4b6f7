"""The storage that the board needs."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord


class BoardStorage(Protocol):
    """Stores evidence, transitions and snapshots; `storage.database.Storage` implements it."""

    def add_evidence(self, piece: Evidence, /) -> None:
        """Add evidence to the buffer that is written soon."""
        ...

    async def record_transitions(
        self, records: Callable[[], Sequence[TransitionRecord]], /
    ) -> None:
        """Store transitions as they are when they are written, with all evidence before them."""
        ...

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]], /) -> None:
        """Store snapshots together with all evidence that they contain."""
        ...

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        """Return the stored snapshot of every service that has one."""
        ...

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime, /
    ) -> AsyncIterator[EvidenceRecord]:
        """Yield each service's evidence after its snapshot's cursor; without one, since then."""
        ...

    async def evidence_after(self, cursor: int, /) -> Sequence[EvidenceRecord]:
        """Return a page of evidence after an id, oldest first; empty at the end."""
        ...

    async def latest_cursor(self) -> int:
        """Return the id of the evidence that was stored last."""
        ...

    async def had_jobs(
        self, services: Collection[ServiceId], at: datetime, within: timedelta, /
    ) -> bool:
        """Tell whether some services had jobs of ours at a moment, or shortly before."""
        ...

    async def open_incidents(self) -> Sequence[Incident]:
        """Return the incidents that have not ended."""
        ...
