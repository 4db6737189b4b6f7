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

from tallylight.board.entry import Seat
from tallylight.board.events import Event, Listeners, NetworkChange
from tallylight.board.pending_transitions import Chronicle
from tallylight.board.storage_port import Archive
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.verdicts import incidents, own_network
from tallylight.verdicts.evidence_ttl import UNWATCHED_JOBS_HOLD, policy_of
from tallylight.verdicts.judge import judge, opening, pass_time
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.own_network import NetworkWatch
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Standing

log = structlog.get_logger()


class Board:
    """Evidence in, verdict out, transition announced."""

    def __init__(self, history: Archive, clock: Clock, *, is_judge: bool = True) -> None:
        self.is_judge = is_judge
        self._history = history
        self._clock = clock
        self._seats: dict[ServiceId, Seat] = {}
        self._services: tuple[Service, ...] = ()
        self._listeners = Listeners()
        self._chronicle = Chronicle(history)
        self._network = NetworkWatch()
        self._mark = 0  # the last stored evidence that a follower has read
        self._seating = asyncio.Lock()

    async def seat(self, services: Iterable[Service], options: PolicyOptions) -> None:
        """Watch these services from now on, and no others; what is known of them is kept.

        Raises:
            StorageError: if what is stored of them cannot be read, and then nothing has changed;
                or if nothing can be stored of those who are new.
        """
        wanted = {service.id: service for service in services}
        now = self._clock.now()
        async with self._seating:
            newcomers = {
                id_: Seat(service, policy_of(service, options), opening(id_, now))
                for id_, service in wanted.items()
                if id_ not in self._seats
            }
            if not self.is_judge and not self._mark:
                self._mark = await self._history.newest_mark()
            chronicle = self._chronicle if self.is_judge else None
            strangers, turns = await self._recall(newcomers, self._history, chronicle)
            # Only now: a snapshot that is stored with a transition holds all noted before it.
            await self._announce(turns)
            for seat in newcomers.values():
                seat.show()
            for id_, seat in self._seats.items():
                if id_ in wanted:
                    seat.service, seat.policy = wanted[id_], policy_of(wanted[id_], options)
            known = self._seats | newcomers
            self._seats = {id_: known[id_] for id_ in wanted}
            self._services = tuple(wanted.values())
        await self.pass_time()
        if strangers:  # from now on a restart begins with them where this process did
            await self.save()

    async def change_role(self, history: Archive, *, is_judge: bool) -> None:
        """Begin anew from what is stored, as the process that judges or as one that follows.

        What is reported meanwhile counts as before: it goes the way of the former role.

        Raises:
            StorageError: if the database is away; then nothing has changed.
        """
        now = self._clock.now()
        async with self._seating:
            chronicle = Chronicle(history)
            mark = await history.newest_mark()
            seats = {
                id_: Seat(seat.service, seat.policy, opening(id_, now))
                for id_, seat in self._seats.items()
            }
            await self._recall(seats, history, chronicle if is_judge else None)
            await chronicle.tell()
            # No await from here: whoever reports finds all of the former role or all of the new.
            before, self._seats = self._seats, seats
            self.is_judge, self._history, self._chronicle = is_judge, history, chronicle
            self._mark = mark
            for id_, seat in seats.items():
                seat.show()
                self._tell_of_change(before[id_].shown, seat)

    async def follow(self) -> None:
        """Let count what the process that judges has stored since the last look.

        Raises:
            StorageError: if the database is away.
        """
        async with self._seating:
            while page := await self._history.following(self._mark):
                for noted in page:
                    self._mark = noted.recorded_at_us
                    seat = self._seats.get(noted.evidence.service)
                    if seat is None:
                        continue
                    if seat.learn(noted):
                        self._listeners.tell(noted.evidence)
                    self._stand(seat)

    async def report(self, evidence: Evidence) -> Verdict:
        """Let new evidence count, and return the verdict that now stands.

        Raises:
            KeyError: if the service is not on the board.
        """
        return await self.adopt(self._blamed(evidence, self.service(evidence.service)))

    async def adopt(self, evidence: Evidence) -> Verdict:
        """Let evidence count that another process has seen over its own line.

        Raises:
            KeyError: if the service is not on the board.
        """
        seat = self._seats[evidence.service]
        if not self.is_judge:
            self._history.note(evidence)
            seat.suppose(evidence)
            self._listeners.tell(evidence)
            self._stand(seat)
            return seat.shown
        async with seat.turn:
            if not self._is_frozen_for(evidence):
                await self._settle(seat, pass_time(seat.standing, evidence.at, seat.policy))
            # No await from here to the judging: a snapshot holds all that was noted before it.
            self._history.note(evidence)
            seat.hear(evidence)
            self._listeners.tell(evidence)
            await self._settle(seat, judge(seat.standing, evidence, seat.policy))
        return seat.shown

    async def pass_time(self) -> None:
        """Let what time alone changes change: holds that ran out, plans that began, dates."""
        await self._chronicle.tell()
        if self._network.is_down:
            return  # verdicts freeze while it is us
        now = self._clock.now()
        for seat in tuple(self._seats.values()):
            if not self.is_judge:
                self._stand(seat)
                continue
            if seat.standing.wake_at is None or seat.standing.wake_at > now:
                continue
            async with seat.turn:
                await self._settle(seat, pass_time(seat.standing, now, seat.policy))

    async def save(self) -> None:
        """Store the standings, so that a restart has little evidence to fold again.

        Raises:
            StorageError: if the database is away; nothing is lost by it.
        """
        await self._chronicle.tell()
        if self.is_judge:
            await self._history.save_standings(self._snapshots)

    def services(self) -> tuple[Service, ...]:
        """Return the services on the board, in the catalogue's order."""
        return self._services

    def __contains__(self, id_: ServiceId) -> bool:
        return id_ in self._seats

    def service(self, id_: ServiceId) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        return self._seats[id_].service

    def renewed(self, service: Service) -> Service:
        """Return a service as it is configured now; as it was, if it has left the board."""
        seat = self._seats.get(service.id)
        return service if seat is None else seat.service

    def verdict(self, id_: ServiceId) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        return self._seats[id_].shown

    def verdicts(self) -> Mapping[ServiceId, Verdict]:
        """Return all verdicts, in the catalogue's order."""
        return {id_: seat.shown for id_, seat in self._seats.items()}

    def standing(self, id_: ServiceId) -> tuple[Standing, Policy]:
        """Return all that the judge remembers of a service, and the policy it is judged by."""
        seat = self._seats[id_]
        return seat.standing, seat.policy

    def newest(self, id_: ServiceId, source: Source) -> Evidence | None:
        """Return the newest evidence of one source that is remembered, if any."""
        return self._seats[id_].newest.get(source)

    @property
    def network_is_down(self) -> bool:
        """Tell whether unrelated providers fail together, so that the fault is ours."""
        return self._network.is_down

    def subscribe(self) -> AbstractAsyncContextManager[asyncio.Queue[Event]]:
        """Give a queue of what happens from now on; a listener that sleeps loses the oldest."""
        return self._listeners.one_more()

    def _snapshots(self) -> Mapping[ServiceId, str]:
        untold = self._chronicle.awaits()
        return {id_: seat.dump() for id_, seat in self._seats.items() if id_ not in untold}

    async def _recall(
        self,
        newcomers: Mapping[ServiceId, Seat],
        history: Archive,
        chronicle: Chronicle | None,
    ) -> tuple[bool, list[tuple[Seat, Transition]]]:
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
        stored = await history.standings()
        known = stored.keys() & newcomers.keys()
        for id_ in known:
            newcomers[id_].recall(stored[id_])
        for incident in await history.open_incidents():
            if incident.service in newcomers:
                newcomers[incident.service].incident = incident
        begin = self._clock.now() - UNWATCHED_JOBS_HOLD
        folded = {id_: stored[id_].cursor for id_ in known}
        turns: list[tuple[Seat, Transition]] = []
        async for noted in history.replay(newcomers.keys(), folded, begin):
            seat = newcomers[noted.evidence.service]
            if chronicle is None:
                seat.learn(noted)
            else:
                turns += self._judge_again(seat, noted.evidence, chronicle)
        if chronicle is None:
            for seat in newcomers.values():
                seat.stand(self._clock.now())
        return bool(newcomers.keys() - stored.keys()), turns

    def _judge_again(
        self, seat: Seat, evidence: Evidence, chronicle: Chronicle
    ) -> Iterator[tuple[Seat, Transition]]:
        seat.hear(evidence)
        standing = pass_time(seat.standing, evidence.at, seat.policy)
        for after in (standing, judge(standing, evidence, seat.policy)):
            transition = self._turn(seat, after, chronicle)
            if transition is not None:
                yield seat, transition

    async def _settle(self, seat: Seat, after: Standing) -> None:
        incident = seat.incident
        transition = self._turn(seat, after, self._chronicle)
        if transition is not None:
            await self._announce([(seat, transition)])
        elif seat.incident is not incident:
            await self._chronicle.tell()
        seat.show()

    def _stand(self, seat: Seat) -> None:
        """Let what a follower was told stand, and tell of it if that is a change."""
        before = seat.shown
        seat.stand(self._clock.now())
        seat.show()
        self._tell_of_change(before, seat)

    def _tell_of_change(self, before: Verdict, seat: Seat) -> None:
        transition = self._transition(before, seat.shown)
        if transition is not None:
            self._listeners.tell(transition)

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

    def _turn(self, seat: Seat, after: Standing, chronicle: Chronicle) -> Transition | None:
        """Let a standing stand, and return the transition to it, if it is one."""
        before, seat.standing = seat.standing, after
        transition, recovered_at = (
            self._transition(before.verdict, after.verdict),
            after.recovery.at,
        )
        if transition is not None:
            incident = incidents.fold(seat.incident, transition, recovered_at)
        elif seat.incident is not None and recovered_at is not None:
            incident = incidents.ended(seat.incident, after.verdict, recovered_at)
        else:
            return None
        is_open = incident is not None and incident.ended_at is None
        seat.incident = incident if is_open else None
        chronicle.add(after.service, transition, seat.dump, incident)
        return transition

    async def _announce(self, turns: Sequence[tuple[Seat, Transition]]) -> None:
        await self._chronicle.tell()  # stored before anyone sees it or acts on it
        for seat, transition in turns:
            seat.show()
            log.info(
                "verdict.changed",
                service=transition.service,
                before=transition.before.status,
                after=transition.after.status,
                since=transition.at.isoformat(),
            )
            self._listeners.tell(transition)

    def _blamed(self, evidence: Evidence, service: Service) -> Evidence:
        """Return evidence with the fault ours where it was our own network that failed."""
        is_reached = own_network.reached(evidence)
        if is_reached is None:
            return evidence
        was_down = self._network.is_down
        self._network = own_network.observe(
            self._network, service.upstream.provider, evidence.at, transport_failed=not is_reached
        )
        is_down = self._network.is_down
        if is_down is not was_down:
            log.warning("network.down" if is_down else "network.up")
            self._listeners.tell(NetworkChange(evidence.at, is_down))
        return own_network.blamed(self._network, evidence)

    def _is_frozen_for(self, evidence: Evidence) -> bool:
        failure = evidence.failure
        return self._network.is_down and failure is not None and failure.fault is Fault.OURS
