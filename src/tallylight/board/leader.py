"""The role of the one process that judges evidence and records transitions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from tallylight.board.entry import ServiceEntry
from tallylight.board.pending_transitions import TransitionLog
from tallylight.board.role import BoardRole, transition_between
from tallylight.board.without_misses import StateWithoutMisses
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.transition_record import RetractedTransitions
from tallylight.verdicts import incidents
from tallylight.verdicts.judge import advance_before, advance_time, judge
from tallylight.verdicts.own_network import was_reached
from tallylight.verdicts.retraction import Retraction, retraction_evidence, retraction_of
from tallylight.verdicts.state import ServiceState

log = structlog.get_logger()


@dataclass(eq=False)
class LeaderRole(BoardRole):
    """Judges evidence as it is reported; records each transition before it publishes it."""

    is_leader = True
    _transition_log: TransitionLog = field(init=False)

    def __post_init__(self) -> None:
        self._transition_log = TransitionLog(self.storage)

    async def apply(self, evidence: Evidence, *, is_own: bool) -> Verdict | None:
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
            is_missing = is_own and was_reached(evidence) is False
            self._follow_without_misses(entry, evidence, is_missing=is_missing)
            after = judge(entry.state, evidence, entry.policy)
            await self._set_and_publish(entry, after, is_missing=is_missing)
        return entry.published

    async def take_back(self) -> None:
        """Restore what missing answers alone have changed lately: our own network is down."""
        for entry in tuple(self.entries.values()):
            async with entry.lock:
                if self.is_replaced:
                    return
                now = self.clock.now()
                known, entry.without_misses = entry.without_misses, None
                retraction = None if known is None else known.retraction(now)
                if retraction is None:
                    continue
                evidence = retraction_evidence(retraction, now)
                log.warning("verdict.retracted", service=evidence.service, count=retraction.count)
                self.storage.add_evidence(evidence)
                self.subscribers.publish(evidence)
                announced = self._restore(entry, retraction)
                await self.flush()
                entry.publish()
                if announced is not None:
                    self.announce(announced)

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
        if (retraction := retraction_of(evidence)) is not None:
            restored = self._restore(entry, retraction)
            yield from () if restored is None else (restored,)
            return
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

    def _follow_without_misses(
        self, entry: ServiceEntry, evidence: Evidence, *, is_missing: bool
    ) -> None:
        known = entry.without_misses
        if not is_missing:
            entry.without_misses = known and known.after(evidence, entry.policy)
        elif known is None or known.is_old(self.clock.now()):
            entry.without_misses = StateWithoutMisses(entry.state)

    def _restore(self, entry: ServiceEntry, retraction: Retraction) -> Transition | None:
        """Restore a state, log what is taken back, and return the transition to be announced."""
        before, entry.state = entry.state, retraction.state
        former, now = entry.open_incident, self.clock.now()
        kept = None if former is None else incidents.without_last(former, retraction.count)
        removed = former.id if former is not None and kept is None else None
        entry.open_incident = kept
        retracted = RetractedTransitions(now, retraction.count, removed)
        self._transition_log.add(entry, None, kept, retracted)
        return transition_between(before.verdict, entry.state, now)

    async def _set_and_publish(
        self, entry: ServiceEntry, after: ServiceState, *, is_missing: bool = False
    ) -> None:
        incident = entry.open_incident
        transition = self._set_state(entry, after)
        known = entry.without_misses
        if transition is not None and known is not None:
            changed_at = known.changed_at or transition.recorded_at
            later = replace(known, count=known.count + 1, changed_at=changed_at)
            entry.without_misses = later if is_missing else None
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
