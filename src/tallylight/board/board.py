"""Holds what stands about every service.

The board is rebuilt from the history at start: the judge is pure, so the last stored standing and
the evidence since then give exactly the standing that a killed process had in memory.

Where another process judges, the board follows: it folds the evidence that the other has stored,
comes to the same standings, and records nothing. `change_role` makes a judge of a follower.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from tallylight.board.entry import ServiceEntry
from tallylight.board.events import BoardEvent, NetworkChange, Subscribers
from tallylight.board.pending_transitions import TransitionLog
from tallylight.board.storage_port import BoardStorage
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.verdicts import incidents, own_network
from tallylight.verdicts.evidence_ttl import DEFAULT_JOBS_TTL, service_policy
from tallylight.verdicts.judge import advance_time, initial_state, judge
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.own_network import NetworkState
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

log = structlog.get_logger()


class Board:
    """Evidence in, verdict out, transition announced."""

    def __init__(self, storage: BoardStorage, clock: Clock, *, is_leader: bool = True) -> None:
        self.is_leader = is_leader
        self._storage = storage
        self._clock = clock
        self._entries: dict[ServiceId, ServiceEntry] = {}
        self._services: tuple[Service, ...] = ()
        self._subscribers = Subscribers()
        self._transition_log = TransitionLog(storage)
        self._network = NetworkState()
        self._cursor = 0  # the last stored evidence that a follower has read
        self._entries_lock = asyncio.Lock()

    async def apply_config(self, services: Iterable[Service], options: PolicyOptions) -> None:
        """Monitor these services and no others; the state of services that stay is kept.

        Raises:
            StorageError: if the stored state of new services cannot be read; then nothing has
                changed.
        """
        wanted = {service.id: service for service in services}
        now = self._clock.now()
        async with self._entries_lock:
            newcomers = {
                id_: ServiceEntry(
                    service, service_policy(service, options), initial_state(id_, now)
                )
                for id_, service in wanted.items()
                if id_ not in self._entries
            }
            if not self.is_leader and not self._cursor:
                self._cursor = await self._storage.latest_cursor()
            chronicle = self._transition_log if self.is_leader else None
            strangers, turns = await self._load(newcomers, self._storage, chronicle)
            # Only now: a snapshot that is stored with a transition holds all noted before it.
            await self._publish_transitions(turns)
            for seat in newcomers.values():
                seat.publish()
            for id_, seat in self._entries.items():
                if id_ in wanted:
                    seat.service, seat.policy = wanted[id_], service_policy(wanted[id_], options)
            known = self._entries | newcomers
            self._entries = {id_: known[id_] for id_ in wanted}
            self._services = tuple(wanted.values())
        try:
            await self.advance_time()
            if strangers:  # a restart then begins with the same initial state as this process
                await self.save_snapshots()
        except (
            StorageError
        ) as error:  # the services are in force, and both are repeated on schedule
            log.warning("board.unsaved", error=str(error))

    async def change_role(self, storage: BoardStorage, *, is_leader: bool) -> None:
        """Begin anew from what is stored, as the process that judges or as one that follows.

        What is reported meanwhile counts as before: it goes the way of the former role.

        Raises:
            StorageError: if the database is away; then nothing has changed.
        """
        now = self._clock.now()
        async with self._entries_lock:
            chronicle = TransitionLog(storage)
            mark = await storage.latest_cursor()
            seats = {
                id_: ServiceEntry(seat.service, seat.policy, initial_state(id_, now))
                for id_, seat in self._entries.items()
            }
            await self._load(seats, storage, chronicle if is_leader else None)
            await chronicle.flush()
            # No await from here: whoever reports finds all of the former role or all of the new.
            before, self._entries = self._entries, seats
            self.is_leader, self._storage, self._transition_log = is_leader, storage, chronicle
            self._cursor = mark
            for id_, seat in seats.items():
                seat.publish()
                self._publish_change(before[id_].published, seat)

    async def catch_up(self) -> None:
        """Let count what the process that judges has stored since the last look.

        Raises:
            StorageError: if the database is away.
        """
        async with self._entries_lock:
            while page := await self._storage.evidence_after(self._cursor):
                for noted in page:
                    self._cursor = noted.recorded_at_us
                    seat = self._entries.get(noted.evidence.service)
                    if seat is None:
                        continue
                    if seat.apply_confirmed(noted):
                        self._subscribers.publish(noted.evidence)
                    self._recompute(seat)

    async def report(self, evidence: Evidence) -> Verdict:
        """Let new evidence count, and return the verdict that now stands.

        Raises:
            KeyError: if the service is not on the board.
        """
        return await self.apply(self._attribute_fault(evidence, self.service(evidence.service)))

    async def apply(self, evidence: Evidence) -> Verdict:
        """Let evidence count that another process has seen over its own line.

        Raises:
            KeyError: if the service is not on the board.
        """
        seat = self._entries[evidence.service]
        if not self.is_leader:
            self._storage.add_evidence(evidence)
            seat.apply_local(evidence)
            self._subscribers.publish(evidence)
            self._recompute(seat)
            return seat.published
        async with seat.lock:
            if not self._is_frozen_for(evidence):
                await self._set_and_publish(
                    seat, advance_time(seat.state, evidence.at, seat.policy)
                )
            # No await from here to the judging: a snapshot holds all that was noted before it.
            self._storage.add_evidence(evidence)
            seat.update_latest(evidence)
            self._subscribers.publish(evidence)
            await self._set_and_publish(seat, judge(seat.state, evidence, seat.policy))
        return seat.published

    async def advance_time(self) -> None:
        """Let what time alone changes change: holds that ran out, plans that began, dates."""
        await self._transition_log.flush()
        if self._network.is_down:
            return  # verdicts freeze while it is us
        now = self._clock.now()
        for seat in tuple(self._entries.values()):
            if not self.is_leader:
                self._recompute(seat)
                continue
            if seat.state.next_change_at is None or seat.state.next_change_at > now:
                continue
            async with seat.lock:
                await self._set_and_publish(seat, advance_time(seat.state, now, seat.policy))

    async def save_snapshots(self) -> None:
        """Store the standings, so that a restart has little evidence to fold again.

        Raises:
            StorageError: if the database is away; nothing is lost by it.
        """
        await self._transition_log.flush()
        if self.is_leader:
            await self._storage.save_snapshots(self._snapshots)

    def services(self) -> tuple[Service, ...]:
        """Return the services on the board, in the catalogue's order."""
        return self._services

    def __contains__(self, id_: ServiceId) -> bool:
        return id_ in self._entries

    def service(self, id_: ServiceId) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        return self._entries[id_].service

    def current_service(self, service: Service) -> Service:
        """Return a service as it is configured now; as it was, if it has left the board."""
        seat = self._entries.get(service.id)
        return service if seat is None else seat.service

    def verdict(self, id_: ServiceId) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        return self._entries[id_].published

    def verdicts(self) -> Mapping[ServiceId, Verdict]:
        """Return all verdicts, in the catalogue's order."""
        return {id_: seat.published for id_, seat in self._entries.items()}

    def state(self, id_: ServiceId) -> tuple[ServiceState, Policy]:
        """Return all that the judge remembers of a service, and the policy it is judged by."""
        seat = self._entries[id_]
        return seat.state, seat.policy

    def latest_evidence(self, id_: ServiceId, source: Source) -> Evidence | None:
        """Return the newest evidence of one source that is remembered, if any."""
        return self._entries[id_].latest.get(source)

    @property
    def network_is_down(self) -> bool:
        """Tell whether unrelated providers fail together, so that the fault is ours."""
        return self._network.is_down

    def subscribe(self) -> AbstractAsyncContextManager[asyncio.Queue[BoardEvent]]:
        """Give a queue of what happens from now on; a listener that sleeps loses the oldest."""
        return self._subscribers.subscribe()

    def _snapshots(self) -> Mapping[ServiceId, str]:
        untold = self._transition_log.pending_services()
        return {id_: seat.dump_state() for id_, seat in self._entries.items() if id_ not in untold}

    async def _load(
        self,
        newcomers: Mapping[ServiceId, ServiceEntry],
        storage: BoardStorage,
        transition_log: TransitionLog | None,
    ) -> tuple[bool, list[tuple[ServiceEntry, Transition]]]:
        """Give newcomers back what is stored of them.

        Args:
            newcomers: Not yet on the board.
            history: Where it is stored.
            chronicle: Who records transitions that were not; None for who follows.

        Returns:
            Whether nothing is stored of some, and the transitions to be recorded.
        """
        if not newcomers:
            return False, []
        stored = await storage.snapshots()
        known = stored.keys() & newcomers.keys()
        for id_ in known:
            newcomers[id_].load(stored[id_])
        for incident in await storage.open_incidents():
            if incident.service in newcomers:
                newcomers[incident.service].open_incident = incident
        begin = self._clock.now() - DEFAULT_JOBS_TTL
        folded = {id_: stored[id_].cursor for id_ in known}
        turns: list[tuple[ServiceEntry, Transition]] = []
        async for noted in storage.replay(newcomers.keys(), folded, begin):
            seat = newcomers[noted.evidence.service]
            if transition_log is None:
                seat.apply_confirmed(noted)
            else:
                turns += self._replay(seat, noted.evidence, transition_log)
        if transition_log is None:
            for seat in newcomers.values():
                seat.recompute(self._clock.now())
        return bool(newcomers.keys() - stored.keys()), turns

    def _replay(
        self, entry: ServiceEntry, evidence: Evidence, transition_log: TransitionLog
    ) -> Iterator[tuple[ServiceEntry, Transition]]:
        entry.update_latest(evidence)
        standing = advance_time(entry.state, evidence.at, entry.policy)
        for after in (standing, judge(standing, evidence, entry.policy)):
            transition = self._set_state(entry, after, transition_log)
            if transition is not None:
                yield entry, transition

    async def _set_and_publish(self, entry: ServiceEntry, after: ServiceState) -> None:
        incident = entry.open_incident
        transition = self._set_state(entry, after, self._transition_log)
        if transition is not None:
            await self._publish_transitions([(entry, transition)])
        elif entry.open_incident is not incident:
            await self._transition_log.flush()
        entry.publish()

    def _recompute(self, entry: ServiceEntry) -> None:
        """Let what a follower was told stand, and tell of it if that is a change."""
        before = entry.published
        entry.recompute(self._clock.now())
        entry.publish()
        self._publish_change(before, entry)

    def _publish_change(self, before: Verdict, entry: ServiceEntry) -> None:
        transition = self._transition(before, entry.published)
        if transition is not None:
            self._subscribers.publish(transition)

    def _transition(self, before: Verdict, after: Verdict) -> Transition | None:
        if after.status is before.status:
            return None
        return Transition(
            service=after.service,
            at=after.since,
            recorded_at=self._clock.now(),
            before=before,
            after=after,
        )

    def _set_state(
        self, entry: ServiceEntry, after: ServiceState, transition_log: TransitionLog
    ) -> Transition | None:
        """Let a standing stand, and return the transition to it, if it is one."""
        before, entry.state = entry.state, after
        transition, recovered_at = (
            self._transition(before.verdict, after.verdict),
            after.recovery.at,
        )
        if transition is not None:
            incident = incidents.apply_transition(entry.open_incident, transition, recovered_at)
        elif entry.open_incident is not None and recovered_at is not None:
            incident = incidents.ended(entry.open_incident, after.verdict, recovered_at)
        else:
            return None
        is_open = incident is not None and incident.ended_at is None
        entry.open_incident = incident if is_open else None
        transition_log.add(after.service, transition, entry.dump_state, incident)
        return transition

    async def _publish_transitions(
        self, changes: Sequence[tuple[ServiceEntry, Transition]]
    ) -> None:
        await self._transition_log.flush()  # stored before anyone sees it or acts on it
        for seat, transition in changes:
            seat.publish()
            log.info(
                "verdict.changed",
                service=transition.service,
                before=transition.before.status,
                after=transition.after.status,
                since=transition.at.isoformat(),
            )
            self._subscribers.publish(transition)

    def _attribute_fault(self, evidence: Evidence, service: Service) -> Evidence:
        """Return evidence with the fault ours where it was our own network that failed."""
        is_reached = own_network.was_reached(evidence)
        if is_reached is None:
            return evidence
        was_down = self._network.is_down
        self._network = own_network.observe_call(
            self._network, service.upstream.provider, evidence.at, transport_failed=not is_reached
        )
        is_down = self._network.is_down
        if is_down is not was_down:
            log.warning("network.down" if is_down else "network.up")
            self._subscribers.publish(NetworkChange(evidence.at, is_down))
        return own_network.attribute_fault(self._network, evidence)

    def _is_frozen_for(self, evidence: Evidence) -> bool:
        failure = evidence.failure
        return self._network.is_down and failure is not None and failure.fault is Fault.OURS
