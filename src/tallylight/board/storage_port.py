"""What the board needs of the history."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord


class BoardStorage(Protocol):
    """Remembers for the board; `history.database.History` is one."""

    def add_evidence(self, piece: Evidence, /) -> None:
        """Keep evidence."""
        ...

    async def record_transitions(
        self, records: Callable[[], Sequence[TransitionRecord]], /
    ) -> None:
        """Store transitions with all evidence noted before them.

        The records are asked for once, when it is this call's turn to write.
        """
        ...

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]], /) -> None:
        """Store snapshots together with all evidence that is in them."""
        ...

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        """Return the stored snapshot of every service that has one."""
        ...

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime, /
    ) -> AsyncIterator[EvidenceRecord]:
        """Yield the evidence that snapshots do not contain.

        Args:
            services: About whom.
            folded: The last that is in the snapshot of each that has one.
            since: Leave out what was noted before, for services that have none.
        """
        ...

    async def evidence_after(self, cursor: int, /) -> Sequence[EvidenceRecord]:
        """Return evidence that follows an id, oldest first; nothing once there is no more."""
        ...

    async def latest_cursor(self) -> int:
        """Return the id of the evidence that was stored last."""
        ...

    async def open_incidents(self) -> Sequence[Incident]:
        """Return the incidents that have not ended."""
        ...
