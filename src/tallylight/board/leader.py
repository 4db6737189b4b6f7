"""The role of the one process that judges evidence and records transitions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tallylight.board.entry import ServiceEntry
from tallylight.board.pending_transitions import TransitionLog
from tallylight.board.role import BoardRole, transition_between
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.evidence import EvidenceRecord
from tallylight.verdicts import incidents
from tallylight.verdicts.judge import advance_before, advance_time, judge
from tallylight.verdicts.state import ServiceState


@dataclass(eq=False)
class LeaderRole(BoardRole):
    """Judges evidence as it is reported; records each transition before it publishes it."""

    is_leader = True
    _transition_log: TransitionLog = field(init=False)

    def __post_init__(self) -> None:
        self._transition_log = TransitionLog(self.storage)

    async def apply(self, evidence: Evidence) -> Verdict | None:
        """Judge evidence and return the verdict once its transition is recorded."""
        entry = self.entries[evidence.service]
        async with entry.lock:
            while not self.is_replaced and not self.network.freezes(evidence):
                after = advance_before(entry.state, evidence, entry.policy)
                if after is entry.state:
                    break
                await self._set_and_publish(entry, after)
            if self.is_replaced:
                return None
            # No await from here to the judging: a snapshot must contain all evidence added so far.
            self.storage.add_evidence(evidence)
            entry.update_latest(evidence)
            self.subscribers.publish(evidence)
            await self._set_and_publish(entry, judge(entry.state, evidence, entry.policy))
        return entry.published

    async def advance_time(self) -> None:
        """Apply the changes that time alone causes, service by service."""
        now = self.clock.now()
        for entry in tuple(self.entries.values()):
            if entry.state.next_change_at is None or entry.state.next_change_at > now:
                continue
            async with entry.lock:
                await self._set_and_publish(entry, advance_time(entry.state, now, entry.policy))

    async def flush(self) -> None:
        """Record the transitions that are pending, if the database can be reached."""
        await self._transition_log.flush()

    async def save_snapshots(self) -> None:
        """Store the states, so that a restart has little evidence to replay."""
        await self.storage.save_snapshots(self._snapshots)

    async def catch_up(self) -> None:
        """Do nothing: this process is the one that stores evidence."""

    def _replay(self, entry: ServiceEntry, record: EvidenceRecord) -> Iterator[Transition]:
        evidence = record.evidence
        entry.update_latest(evidence)
        while (after := advance_before(entry.state, evidence, entry.policy)) is not entry.state:
            yield from self._logged(entry, after)
        yield from self._logged(entry, judge(entry.state, evidence, entry.policy))

    def _logged(self, entry: ServiceEntry, after: ServiceState) -> Iterator[Transition]:
        transition = self._set_state(entry, after)
        if transition is not None:
            yield transition

    def _snapshots(self) -> Mapping[ServiceId, str]:
        pending = self._transition_log.pending_services()
        return {id_: e.dump_state() for id_, e in self.entries.items() if id_ not in pending}

    async def _set_and_publish(self, entry: ServiceEntry, after: ServiceState) -> None:
        incident = entry.open_incident
        transition = self._set_state(entry, after)
        if transition is not None or entry.open_incident is not incident:
            await self.flush()  # recorded before anything sees it or acts on it
        entry.publish()
        if transition is not None:
            self.announce(transition)

    def _set_state(self, entry: ServiceEntry, after: ServiceState) -> Transition | None:
        """Set an entry's state, and log the transition or the end of an incident in it."""
        before, entry.state = entry.state, after
        recovered_at = after.recovery.at
        transition = transition_between(before.verdict, after, self.clock.now())
        if transition is not None:
            incident = incidents.apply_transition(entry.open_incident, transition, recovered_at)
        elif entry.open_incident is not None and recovered_at is not None:
            incident = incidents.ended(entry.open_incident, after.verdict, recovered_at)
        else:
            return None
        is_open = incident is not None and incident.ended_at is None
        entry.open_incident = incident if is_open else None
        self._transition_log.add(entry, transition, incident)
        return transition
