"""Runs the plan: sends each probe when it is due and hands the board what it finds."""

import asyncio
import heapq
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Never

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.probes import shallow
from tallylight.probes.generation import Generations
from tallylight.probes.plan import Appointment, Pacing, Watch, appointments, opening_round
from tallylight.terms import Depth, Evidence, ServiceId, Source
from tallylight.upstreams.transport import Transport
from tallylight.verdicts.judge import door_is_up, jobs_are_in_doubt

log = structlog.get_logger()

_LOOK = timedelta(milliseconds=250)
"""How often the diary is looked at: evidence can bring an appointment forward at any time."""

_AT_ONCE = 512
"""How many shallow probes may be under way; a thousand hanging services must not take all files."""


@dataclass(slots=True)
class _Diary:
    """What the prober remembers of one service."""

    opening: datetime
    last: dict[Depth, datetime] = field(default_factory=dict)
    under_way: set[Depth] = field(default_factory=set)
    off: set[Depth] = field(default_factory=set)
    bad_in_a_row: int = 0
    withheld_at: datetime | None = None
    withheld: str = ""


class Prober:
    """Keeps every service's appointments."""

    def __init__(
        self,
        board: Board,
        transport: Transport,
        generations: Generations,
        clock: Clock,
        pacing: Pacing,
    ) -> None:
        self._board = board
        self._transport = transport
        self._generations = generations
        self._clock = clock
        self.pacing = pacing
        self._diaries: dict[ServiceId, _Diary] = {}
        self._calls: list[tuple[datetime, ServiceId]] = []
        self._called: dict[ServiceId, datetime] = {}
        self.is_running = False
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> Never:
        """Probe until cancelled; first take up the paid probes that a former process left."""
        async with asyncio.TaskGroup() as tasks, self._board.subscribe() as events:
            self.is_running = True
            for attempt in await self._generations.unfinished():
                self._begin(attempt.service, Depth.GENERATION)
                work = self._generations.follow(attempt)
                tasks.create_task(self._end(attempt.service, Depth.GENERATION, work))
            while True:
                await self._welcome()
                while not events.empty():
                    event = events.get_nowait()
                    if isinstance(event, Evidence):
                        self._call(event.service)
                for service, appointment in self._due():
                    tasks.create_task(self._keep(service, appointment))
                await self._clock.sleep(_LOOK)

    async def probe(self, service: Service, depth: Depth) -> Evidence:
        """Send one probe now and report it to the board; return what it found.

        Raises:
            BudgetError: if a generation would exceed a budget.
        """
        diary = self._diaries.setdefault(service.id, _Diary(self._clock.now()))
        match depth:
            case Depth.REACH:
                found = await shallow.reach(service, self._transport, self._clock)
            case Depth.CREDENTIALS:
                found = await shallow.credentials(service, self._transport, self._clock)
            case Depth.GENERATION:
                diary.last[depth] = self._clock.now()
                return await self._generations.place(service)
        diary.last[depth] = self._clock.now()
        if found.evidence.is_bad:
            diary.bad_in_a_row += 1
        elif found.evidence.is_good:
            diary.bad_in_a_row = 0
        if found.billed is not None:
            await self._generations.book_accident(service, depth, found.billed)
            diary.off.add(depth)
        await self._board.report(found.evidence)
        return found.evidence

    def withheld(self) -> Mapping[ServiceId, str]:
        """Return why a budget keeps a service's generation from being sent, where one does."""
        return {id_: diary.withheld for id_, diary in self._diaries.items() if diary.withheld}

    def next_appointments(self, id_: ServiceId) -> tuple[Appointment, ...]:
        """Return the probes to come of one service, soonest first."""
        diary = self._diaries.get(id_)
        if diary is None:
            return ()
        return appointments(self._watch(self._board.service(id_), diary), self.pacing)

    async def _welcome(self) -> None:
        services = self._board.services()
        if self._diaries.keys() == {service.id for service in services}:
            return
        now = self._clock.now()
        for position, service in enumerate(services):
            if service.id in self._diaries:
                continue
            pace = service.pace.reach or service.pace.credentials or timedelta(minutes=1)
            diary = _Diary(now + opening_round(position, len(services), pace))
            diary.off = set(await self._generations.billed_by_accident(service.id))
            placed = await self._generations.last_placed(service.id)
            if placed is not None:
                diary.last[Depth.GENERATION] = placed
            self._diaries[service.id] = diary
            self._call(service.id)
        for id_ in self._diaries.keys() - {service.id for service in services}:
            del self._diaries[id_]
            self._called.pop(id_, None)

    def _call(self, id_: ServiceId) -> None:
        """See to it that a service is looked at when its next appointment is due, or earlier."""
        plan = self._open_appointments(id_)
        called = self._called.get(id_)
        if plan and (called is None or plan[0].at < called):
            self._called[id_] = plan[0].at
            heapq.heappush(self._calls, (plan[0].at, id_))

    def _open_appointments(self, id_: ServiceId) -> tuple[Appointment, ...]:
        diary = self._diaries.get(id_)
        if diary is None:
            return ()
        plan = appointments(self._watch(self._board.service(id_), diary), self.pacing)
        return tuple(p for p in plan if p.depth not in diary.under_way)

    def _due(self) -> list[tuple[Service, Appointment]]:
        now = self._clock.now()
        due = []
        while self._calls and self._calls[0][0] <= now:
            at, id_ = heapq.heappop(self._calls)
            if self._called.get(id_) != at:
                continue  # an earlier call has taken its place
            del self._called[id_]
            for appointment in self._open_appointments(id_):
                if appointment.at <= now:
                    self._begin(id_, appointment.depth)
                    due.append((self._board.service(id_), appointment))
            self._call(id_)
        return due

    async def _keep(self, service: Service, appointment: Appointment) -> None:
        if appointment.depth is Depth.GENERATION:
            work: Awaitable[object] = self._spend(service)
        else:
            work = self._look(service, appointment.depth)
        await self._end(service.id, appointment.depth, work)

    async def _look(self, service: Service, depth: Depth) -> None:
        async with self._places:
            await self.probe(service, depth)

    async def _spend(self, service: Service) -> None:
        diary = self._diaries[service.id]
        try:
            await self.probe(service, Depth.GENERATION)
        except BudgetError as error:
            diary.withheld_at, diary.withheld = self._clock.now(), str(error)
            log.info("probe.withheld", service=service.id, reason=str(error))
        else:
            diary.withheld_at, diary.withheld = None, ""

    def _begin(self, id_: ServiceId, depth: Depth) -> None:
        diary = self._diaries.setdefault(id_, _Diary(self._clock.now()))
        diary.under_way.add(depth)

    async def _end(self, id_: ServiceId, depth: Depth, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception:
            # The root of a probe's task: a defect of ours in one probe must not end all others.
            log.exception("probe.failed", service=id_, depth=depth)
        finally:
            diary = self._diaries.get(id_)
            if diary is not None:
                diary.under_way.discard(depth)
                self._call(id_)

    def _watch(self, service: Service, diary: _Diary) -> Watch:
        standing, policy = self._board.standing(service.id)
        verdict = standing.verdict
        traffic = self._board.newest(service.id, Source.TRAFFIC)
        return Watch(
            service=service,
            opening=diary.opening,
            last=diary.last,
            bad_in_a_row=diary.bad_in_a_row,
            jobs_in_doubt=jobs_are_in_doubt(standing, self._clock.now(), policy),
            door_is_up=door_is_up(standing),
            status=verdict.status,
            blocked=verdict.blocked,
            traffic_at=None if traffic is None else traffic.at,
            is_following=Depth.GENERATION in diary.under_way,
            withheld_at=diary.withheld_at,
            off=frozenset(diary.off),
        )
