"""What a board does with evidence: the part in which a leader and a follower differ."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import structlog

from tallylight.board.entry import ServiceEntry
from tallylight.board.events import BoardEvent, Subscribers
from tallylight.board.network import NetworkWatcher
from tallylight.board.storage_port import BoardStorage
from tallylight.clock import Clock
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.evidence import EvidenceRecord
from tallylight.verdicts.options import DEFAULT_JOBS_TTL
from tallylight.verdicts.state import ServiceState

log = structlog.get_logger()

Entries = Mapping[ServiceId, ServiceEntry]


@dataclass(eq=False)
class BoardRole(ABC):
    """Owns the entries of a board and applies evidence to them.

    A change of role builds a new object with new entries; the board then swaps one reference.
    """

    storage: BoardStorage
    clock: Clock
    subscribers: Subscribers[BoardEvent]
    network: NetworkWatcher
    entries: Entries = field(default_factory=dict)
    is_replaced: bool = False  # by another role; nothing more may be applied here

    is_leader: ClassVar[bool]

    async def load(self, entries: Entries) -> tuple[bool, list[Transition]]:
        """Restore entries that are not yet on the board from storage.

        Returns:
            Whether any entry has no usable snapshot, and the transitions to be announced.

        Raises:
            StorageError: if storage cannot be read.
        """
        if not entries:
            return False, []
        stored = await self.storage.snapshots()
        cursors: dict[ServiceId, int] = {}
        for id_ in stored.keys() & entries.keys():
            if entries[id_].load(stored[id_]):
                cursors[id_] = stored[id_].cursor
            else:
                log.warning("snapshot.unreadable", service=id_)
        for incident in await self.storage.open_incidents():
            if incident.service in entries:
                entries[incident.service].open_incident = incident
        begin = self.clock.now() - DEFAULT_JOBS_TTL
        transitions: list[Transition] = []
        async for record in self.storage.replay(entries.keys(), cursors, begin):
            transitions += self._replay(entries[record.evidence.service], record)
        now = self.clock.now()
        for entry in entries.values():
            entry.hold(now)
        return len(cursors) < len(entries), transitions

    @abstractmethod
    def _replay(self, entry: ServiceEntry, record: EvidenceRecord) -> Iterable[Transition]:
        """Apply stored evidence that is in no snapshot; yield the transitions to be announced."""

    @abstractmethod
    async def apply(self, evidence: Evidence, *, is_own: bool) -> Verdict | None:
        """Apply new evidence and return the published verdict.

        Args:
            evidence: The evidence.
            is_own: This process has seen it, over its own network.

        Returns:
            None if another role took over while this call waited; the evidence has not been
            applied then.

        Raises:
            KeyError: if the service is not on the board.
        """

    @abstractmethod
    async def take_back(self) -> None:
        """Restore what missing answers alone have changed lately: our own network is down."""

    @abstractmethod
    async def advance_time(self) -> None:
        """Apply the changes that time alone causes."""

    @abstractmethod
    async def flush(self) -> None:
        """Record the transitions that are pending, if the database can be reached."""

    @abstractmethod
    async def save_snapshots(self) -> None:
        """Store the states of all services, where this role records."""

    @abstractmethod
    async def catch_up(self) -> None:
        """Apply the evidence that another process, the leader, has stored since the last call."""

    def announce(self, transition: Transition) -> None:
        """Publish a recorded transition and log it."""
        log.info(
            "verdict.changed",
            service=transition.service,
            before=transition.before.status,
            after=transition.after.status,
            since=transition.at.isoformat(),
        )
        self.subscribers.publish(transition)

    def announce_change(self, before: Verdict, entry: ServiceEntry) -> None:
        """Publish the transition from an earlier verdict to the one that is published now."""
        transition = transition_between(before, entry.state, self.clock.now())
        if transition is not None:
            self.subscribers.publish(transition)


def transition_between(
    before: Verdict, state: ServiceState, recorded_at: datetime
) -> Transition | None:
    """Return the transition from a verdict to that of a state, None if the status is the same."""
    after = state.verdict
    if after.status is before.status:
        return None
    return Transition(
        service=after.service,
        at=state.changed_at or after.since,
        recorded_at=recorded_at,
        before=before,
        after=after,
    )
