"""Holds what stands about every service.

The board is rebuilt from the history at start: the judge is pure, so the last stored standing and
the evidence since then give exactly the standing that a killed process had in memory.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from tallylight.board.archive import Archive
from tallylight.board.chronicle import Chronicle
from tallylight.board.events import Event, Listeners, NetworkChange
from tallylight.board.seats import Seat
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.terms import Evidence, Fault, ServiceId, Source, Transition, Verdict
from tallylight.verdicts import incidents, own_network
from tallylight.verdicts.holds import UNWATCHED_JOBS_HOLD, policy_of
from tallylight.verdicts.judge import judge, opening, pass_time
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.own_network import NetworkWatch
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.standing import Standing

log = structlog.get_logger()


class Board:
    """Evidence in, verdict out, transition announced."""

    def __init__(self, history: Archive, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._seats: dict[ServiceId, Seat] = {}
        self._services: tuple[Service, ...] = ()
        self._listeners = Listeners()
        self._chronicle = Chronicle(history)
        self._network = NetworkWatch()

    async def seat(self, services: Iterable[Service], options: PolicyOptions) -> None:
        """Watch these services from now on, and no others; what is known of them is kept.

        Raises:
            StorageError: if what is stored of them cannot be read, and then nothing has changed;
                or if nothing can be stored of those who are new.
        """
        wanted = {service.id: service for service in services}
        now = self._clock.now()
        newcomers = {
            id_: Seat(service, policy_of(service, options), opening(id_, now))
            for id_, service in wanted.items()
            if id_ not in self._seats
        }
        strangers = await self._recall(newcomers)
        for id_, seat in self._seats.items():
            if id_ in wanted:
                seat.service, seat.policy = wanted[id_], policy_of(wanted[id_], options)
        known = self._seats | newcomers
        self._seats = {id_: known[id_] for id_ in wanted}
        self._services = tuple(wanted.values())
        await self.pass_time()
        if strangers:  # from now on a restart begins with them where this process did
            await self.save()

    async def report(self, evidence: Evidence) -> Verdict:
        """Let new evidence count, and return the verdict that now stands.

        Raises:
            KeyError: if the service is not on the board.
        """
        seat = self._seats[evidence.service]
        evidence = self._blamed(evidence, seat.service)
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
        await self._history.save_standings(self._snapshots)

    def services(self) -> tuple[Service, ...]:
        """Return the services on the board, in the catalogue's order."""
        return self._services

    def __contains__(self, id_: ServiceId) -> bool:
        return id_ in self._seats

    def service(self, id_: ServiceId) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        return self._seats[id_].service

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

    async def _recall(self, newcomers: Mapping[ServiceId, Seat]) -> bool:
        """Give newcomers back what is stored of them; tell whether nothing is of some."""
        if not newcomers:
            return False
        stored = await self._history.standings()
        for id_ in stored.keys() & newcomers.keys():
            newcomers[id_].recall(stored[id_])
        for incident in await self._history.open_incidents():
            if incident.service in newcomers:
                newcomers[incident.service].incident = incident
        begin = self._clock.now() - UNWATCHED_JOBS_HOLD
        turns: list[tuple[Seat, Transition]] = []
        async for evidence in self._history.replay(newcomers.keys(), begin):
            seat = newcomers[evidence.service]
            seat.hear(evidence)
            standing = pass_time(seat.standing, evidence.at, seat.policy)
            for after in (standing, judge(standing, evidence, seat.policy)):
                transition = self._turn(seat, after)
                if transition is not None:
                    turns.append((seat, transition))
        # Only now: a snapshot that is stored with a transition holds all that was noted before.
        await self._announce(turns)
        for seat in newcomers.values():
            seat.show()
        return bool(newcomers.keys() - stored.keys())

    async def _settle(self, seat: Seat, after: Standing) -> None:
        transition = self._turn(seat, after)
        if transition is not None:
            await self._announce([(seat, transition)])
        seat.show()

    def _turn(self, seat: Seat, after: Standing) -> Transition | None:
        """Let a standing stand, and return the transition to it, if it is one."""
        before, seat.standing = seat.standing, after
        if after.verdict.status is before.verdict.status:
            return None
        transition = Transition(
            service=seat.service.id,
            at=after.verdict.since,
            recorded_at=self._clock.now(),
            before=before.verdict,
            after=after.verdict,
        )
        incident = incidents.fold(seat.incident, transition)
        is_open = incident is not None and incident.ended_at is None
        seat.incident = incident if is_open else None
        self._chronicle.add(transition, seat.dump, incident)
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
