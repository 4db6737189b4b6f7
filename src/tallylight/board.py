"""The only live state: evidence in, verdict out, transition announced.

The board is rebuilt from the history at start: the judge is pure, so the last stored standing and
the evidence since then give exactly the standing that a killed process had in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.terms import Evidence, Fault, Incident, ServiceId, Source, Transition, Verdict
from tallylight.verdicts import incidents, own_network, snapshot
from tallylight.verdicts.judge import judge, opening, pass_time
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.own_network import NetworkWatch
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.standing import Standing

log = structlog.get_logger()

UNWATCHED_JOBS_HOLD = timedelta(hours=6)
"""How long job evidence counts where no generation pace says it: twice the pace of 3 hours that
the rules were measured with (`docs/verdicts.md`)."""

_QUEUE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """Our own network went away, or came back."""

    at: datetime
    is_down: bool


Event = Transition | Evidence | NetworkChange


@dataclass(slots=True)
class _Seat:
    """What the board keeps of one service."""

    service: Service
    policy: Policy
    standing: Standing
    incident: Incident | None = None
    newest: dict[Source, Evidence] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def dump(self) -> str:
        """Return the standing of this moment, to be stored."""
        return snapshot.dump(self.standing)


class Archive(Protocol):
    """What the board needs of the history; `history.database.History` is one."""

    def note(self, piece: Evidence, /) -> None:
        """Keep evidence."""
        ...

    async def record(
        self, transition: Transition, standing: Callable[[], str], incident: Incident | None, /
    ) -> None:
        """Store a transition with all evidence noted before it."""
        ...

    async def save_standings(self, snapshot: Callable[[], Mapping[ServiceId, str]], /) -> None:
        """Store snapshots together with all evidence that is in them."""
        ...

    async def standings(self) -> Mapping[ServiceId, str]:
        """Return the stored snapshot of every service that has one."""
        ...

    def replay(
        self, services: Collection[ServiceId], since: datetime, /
    ) -> AsyncIterator[Evidence]:
        """Yield the evidence that no stored snapshot contains."""
        ...

    async def open_incidents(self) -> Sequence[Incident]:
        """Return the incidents that have not ended."""
        ...


class Board:
    """Holds what stands about every service, and tells whoever listens when that changes."""

    def __init__(self, history: Archive, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._options = PolicyOptions()
        self._seats: dict[ServiceId, _Seat] = {}
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._network = NetworkWatch()
        self._unrecorded: list[tuple[_Seat, Transition, Incident | None]] = []
        self._recording = asyncio.Lock()

    async def seat(self, services: Iterable[Service], options: PolicyOptions) -> None:
        """Watch these services from now on, and no others; what is known of them is kept."""
        self._options = options
        wanted = {service.id: service for service in services}
        now = self._clock.now()
        newcomers = {
            id_: _Seat(service, self._policy(service), opening(id_, now))
            for id_, service in wanted.items()
            if id_ not in self._seats
        }
        await self._recall(newcomers)
        for id_, seat in self._seats.items():
            if id_ in wanted:
                seat.service, seat.policy = wanted[id_], self._policy(wanted[id_])
        known = self._seats | newcomers
        self._seats = {id_: known[id_] for id_ in wanted}
        await self.pass_time()

    async def report(self, evidence: Evidence) -> Verdict:
        """Let new evidence count, and return the verdict that now stands.

        Raises:
            KeyError: if the service is not on the board.
        """
        seat = self._seats[evidence.service]
        evidence = self._blame(evidence, seat.service)
        async with seat.turn:  # or two reports would judge the same past
            await self._settle(seat, pass_time(seat.standing, evidence.at, seat.policy))
            # No await between noting and judging: a snapshot holds all that was noted before it.
            self._history.note(evidence)
            seat.newest[evidence.source] = evidence
            await self._settle(seat, judge(seat.standing, evidence, seat.policy))
        self._publish(evidence)
        return seat.standing.verdict

    async def pass_time(self) -> None:
        """Let what time alone changes change: holds that ran out, plans that began, dates."""
        if self._network.is_down:
            return  # verdicts freeze while it is us
        now = self._clock.now()
        for seat in tuple(self._seats.values()):
            async with seat.turn:
                await self._settle(seat, pass_time(seat.standing, now, seat.policy))
        await self._record_what_is_left()

    async def save(self) -> None:
        """Store all standings, so that a restart has little evidence to fold again."""
        await self._history.save_standings(
            lambda: {id_: seat.dump() for id_, seat in self._seats.items()}
        )

    def services(self) -> tuple[Service, ...]:
        """Return the services on the board, in the catalogue's order."""
        return tuple(seat.service for seat in self._seats.values())

    def service(self, id_: ServiceId) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        return self._seats[id_].service

    def verdict(self, id_: ServiceId) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        return self._seats[id_].standing.verdict

    def verdicts(self) -> Mapping[ServiceId, Verdict]:
        """Return all verdicts, in the catalogue's order."""
        return {id_: seat.standing.verdict for id_, seat in self._seats.items()}

    def standing(self, id_: ServiceId) -> tuple[Standing, Policy]:
        """Return all that the judge remembers of a service, and the policy it is judged by."""
        seat = self._seats[id_]
        return seat.standing, seat.policy

    def newest(self, id_: ServiceId, source: Source) -> Evidence | None:
        """Return the newest evidence of one source since the board was seated, if any."""
        return self._seats[id_].newest.get(source)

    @property
    def network_is_down(self) -> bool:
        """Tell whether unrelated providers fail together, so that the fault is ours."""
        return self._network.is_down

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Queue[Event]]:
        """Give a queue of what happens from now on; a listener that sleeps loses the oldest."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE_LENGTH)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def _recall(self, newcomers: Mapping[ServiceId, _Seat]) -> None:
        if not newcomers:
            return
        stored = await self._history.standings()
        for id_ in stored.keys() & newcomers.keys():
            newcomers[id_].standing = snapshot.load(stored[id_])
        for incident in await self._history.open_incidents():
            if incident.service in newcomers:
                newcomers[incident.service].incident = incident
        begin = self._clock.now() - UNWATCHED_JOBS_HOLD
        async for evidence in self._history.replay(newcomers.keys(), begin):
            seat = newcomers[evidence.service]
            seat.newest[evidence.source] = evidence
            await self._settle(seat, pass_time(seat.standing, evidence.at, seat.policy))
            await self._settle(seat, judge(seat.standing, evidence, seat.policy))

    async def _settle(self, seat: _Seat, after: Standing) -> None:
        before, seat.standing = seat.standing, after
        if after.verdict.status is before.verdict.status:
            return
        transition = Transition(
            service=seat.service.id,
            at=after.verdict.since,
            recorded_at=self._clock.now(),
            before=before.verdict,
            after=after.verdict,
        )
        seat.incident = incidents.fold(seat.incident, transition)
        self._unrecorded.append((seat, transition, seat.incident))
        await self._record_what_is_left()
        if seat.incident is not None and seat.incident.ended_at is not None:
            seat.incident = None
        log.info(
            "verdict.changed",
            service=seat.service.id,
            before=before.verdict.status,
            after=after.verdict.status,
            since=after.verdict.since.isoformat(),
        )
        self._publish(transition)

    async def _record_what_is_left(self) -> None:
        # A database that is away must not stop the judging; what it missed is told in order later.
        async with self._recording:
            while self._unrecorded:
                seat, transition, incident = self._unrecorded[0]
                try:
                    await self._history.record(transition, seat.dump, incident)
                except StorageError as error:
                    waiting = len(self._unrecorded)
                    log.warning("verdict.unrecorded", waiting=waiting, error=str(error))
                    return
                self._unrecorded.pop(0)

    def _blame(self, evidence: Evidence, service: Service) -> Evidence:
        if evidence.source in {Source.FEED, Source.CALENDAR}:
            return evidence
        failure = evidence.failure
        unreached = failure is not None and failure.http_status is None
        was_down = self._network.is_down
        self._network = own_network.observe(
            self._network, service.upstream.provider, evidence.at, transport_failed=unreached
        )
        if self._network.is_down is not was_down:
            log.warning("network.down" if self._network.is_down else "network.up")
            self._publish(NetworkChange(evidence.at, self._network.is_down))
        if failure is None or not unreached or not self._network.is_down:
            return evidence
        return replace(evidence, failure=replace(failure, fault=Fault.OURS))

    def _policy(self, service: Service) -> Policy:
        pace = service.pace
        shallow = [p for p in (pace.reach, pace.credentials) if p is not None]
        jobs = pace.generation
        return self._options.policy(
            access=service.access,
            hold_door=2 * min(shallow) + service.upstream.timeout
            if shallow
            else UNWATCHED_JOBS_HOLD,
            hold_jobs=UNWATCHED_JOBS_HOLD
            if jobs is None
            else 2 * jobs + service.upstream.job_timeout,
        )

    def _publish(self, event: Event) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
