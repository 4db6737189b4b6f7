"""The role of a process that reads what the leader has judged and records nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tallylight.board.entry import ServiceEntry
from tallylight.board.role import BoardRole, Entries
from tallylight.model.evidence import Evidence
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.evidence import EvidenceRecord


@dataclass(eq=False)
class FollowerRole(BoardRole):
    """Judges the evidence that the leader has stored, plus local evidence it has not yet stored.

    The judge is pure, so a follower computes the same states as the leader.
    """

    is_leader = False
    _cursor: int = field(default=0, init=False)  # the last stored evidence that was read

    async def load(self, entries: Entries) -> tuple[bool, list[Transition]]:
        """Restore entries from storage; there are no transitions to announce."""
        if not self._cursor:
            self._cursor = await self.storage.latest_cursor()
        loaded = await super().load(entries)
        for entry in entries.values():
            entry.recompute(self.clock.now())
        return loaded

    async def apply(self, evidence: Evidence, *, is_own: bool) -> Verdict | None:  # noqa: ARG002  # of the leader
        """Apply local evidence until the leader's judgment of it arrives."""
        entry = self.entries[evidence.service]
        self.storage.add_evidence(evidence)
        entry.apply_local(evidence)
        self.subscribers.publish(evidence)
        self._recompute(entry)
        return entry.published

    async def take_back(self) -> None:
        """Do nothing: the leader judges."""

    async def advance_time(self) -> None:
        """Recompute every service as of now."""
        for entry in tuple(self.entries.values()):
            self._recompute(entry)

    async def flush(self) -> None:
        """Do nothing: the leader records transitions."""

    async def save_snapshots(self) -> None:
        """Do nothing: the leader stores snapshots."""

    async def catch_up(self) -> None:
        """Apply the evidence that the leader has stored since the last call."""
        while page := await self.storage.evidence_after(self._cursor):
            for record in page:
                self._cursor = record.recorded_at_us
                entry = self.entries.get(record.evidence.service)
                if entry is None:
                    continue
                if entry.apply_confirmed(record):
                    self.subscribers.publish(record.evidence)
                self._recompute(entry)

    def _replay(self, entry: ServiceEntry, record: EvidenceRecord) -> Iterable[Transition]:
        entry.apply_confirmed(record)
        return ()

    def _recompute(self, entry: ServiceEntry) -> None:
        before = entry.published
        entry.recompute(self.clock.now())
        entry.publish()
        self.announce_change(before, entry)
