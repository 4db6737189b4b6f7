"""Runs the plan: sends each probe when it is due and hands the board what it finds."""

import asyncio
from collections.abc import Awaitable, Collection, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Never

import structlog

from tallylight.board import Board, Event
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError, StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition
from tallylight.probes import free_probes
from tallylight.probes.budget_allocation import SHARED_OUT_EACH, Wish, rhythms
from tallylight.probes.estimates import estimate
from tallylight.probes.free_probes import Sender, Shallow
from tallylight.probes.paid_probes import Memory
from tallylight.probes.plan import Appointment, Pacing, appointments, opening_round
from tallylight.probes.ports import PaidProbes
from tallylight.probes.probe_state import Diary, watch_of, wish_of
from tallylight.probes.timers import Calls

log = structlog.get_logger()

_LOOK = timedelta(milliseconds=250)
"""How often the calls are looked at: evidence can bring an appointment forward at any time."""

_NEVER = datetime.min.replace(tzinfo=UTC)

_DATABASE_AWAY = timedelta(seconds=5)

_AT_ONCE = 512
"""How many shallow probes may be under way; a thousand hanging services must not take all files."""

_OWN = frozenset({Source.REACH, Source.CREDENTIALS})
"""What the prober finds itself: whoever ends a probe looks at the plan anyway."""


class Prober:
    """Keeps every service's appointments."""

    def __init__(
        self,
        board: Board,
        sender: Sender,
        generations: PaidProbes,
        clock: Clock,
        pacing: Pacing,
    ) -> None:
        self._board = board
        self._sender = sender
        self._generations = generations
        self._clock = clock
        self.pacing = pacing
        self._welcomed: tuple[tuple[Service, ...], Pacing] = ((), pacing)
        self._diaries: dict[ServiceId, Diary] = {}
        self._calls = Calls()
        self._shared_at = _NEVER
        self.is_running = False
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> Never:
        """Probe until cancelled; first take up the paid probes that a former process left."""
        self.is_running = True
        try:
            async with asyncio.TaskGroup() as tasks, self._board.subscribe() as events:
                left = await self._left_under_way()
                while True:
                    await self._welcome()
                    self._share_out()
                    while left and self._diaries:
                        attempt = left.pop()
                        tasks.create_task(self._resumed(attempt))
                    self._hear(events)
                    for service, appointment in self._due():
                        tasks.create_task(self._keep(service, appointment.depth))
                    await self._clock.sleep(_LOOK)
        finally:
            self.is_running = False

    def forget(self) -> None:
        """Forget what this process knows of former probes: another has probed meanwhile."""
        self._diaries, self._calls = {}, Calls()
        self._welcomed = ((), self.pacing)

    async def probe(self, service: Service, depth: Depth) -> Evidence:
        """Send one probe now and report it to the board; return what it found.

        Raises:
            BudgetError: if a generation would exceed a budget; nothing was sent.
            ValueError: if it has no price to reckon with.
            StorageError: if the database is away.
        """
        diary = await self._diary(service.id)
        if depth is Depth.GENERATION:
            return await self._spend(service, diary)
        try:
            if depth is Depth.REACH:
                found = await free_probes.reach(service, self._sender, self._clock)
            else:
                found = await free_probes.credentials(service, self._sender, self._clock)
        finally:
            diary.last[depth] = self._clock.now()  # a probe that breaks waits for its turn too
        diary.enter(found)
        if service.id in self._board:  # else it has left the catalogue meanwhile
            await self._board.report(found.evidence)
        await self._pay_for(service, depth, found, diary)
        return found.evidence

    async def may_repeat(self, service: ServiceId, depth: Depth) -> bool:
        """Tell whether a free probe may be sent at will: not if it has cost money, or may have."""
        diary = await self._diary(service)
        if depth in diary.off:
            return False
        return depth is not Depth.CREDENTIALS or diary.unanswered == 0

    async def off(self, service: ServiceId) -> Collection[Depth]:
        """Return the depths of a service that were switched off, because they cost money."""
        return (await self._diary(service)).off

    def withheld(self) -> Mapping[ServiceId, str]:
        """Return why a budget keeps a service's generation from being sent, where one does."""
        return {id_: diary.withheld for id_, diary in self._diaries.items() if diary.withheld}

    def next_appointments(self, id_: ServiceId) -> tuple[Appointment, ...]:
        """Return the probes to come of one service, soonest first."""
        diary = self._diaries.get(id_)
        if diary is None or id_ not in self._board:
            return ()
        watch = watch_of(self._board.service(id_), diary, self._board, self._clock)
        return appointments(watch, self.pacing)

    async def _spend(self, service: Service, diary: Diary) -> Evidence:
        try:
            attempt = await self._generations.place(service)
        except Exception as error:
            # Whatever is in the way, it is not asked for again at once.
            budget = str(error) if isinstance(error, BudgetError) else ""
            diary.put_off(self._clock.now(), budget)
            raise
        before = diary.last.get(Depth.GENERATION)
        diary.placed(attempt.intended_at)
        found = await self._generations.carry_out(service, attempt)
        if service.id in self._board:
            self._book(service, diary, attempt.intended_at, before, found)
        return found

    def _book(
        self,
        service: Service,
        diary: Diary,
        placed_at: datetime,
        before: datetime | None,
        found: Evidence,
    ) -> None:
        accepted = self._board.newest(service.id, Source.ACCEPTANCE) if found.failure else None
        is_billed = found.failure is None or (accepted is not None and accepted.at >= placed_at)
        price = estimate(service) or Decimal(0)
        diary.ended(placed_at, before, float(price) if is_billed else 0.0)

    def _share_out(self) -> None:
        """Reckon anew, now and then, how often each service is worth a paid probe."""
        now = self._clock.now()
        if now - self._shared_at < SHARED_OUT_EACH:
            return
        self._shared_at = now
        wishes: dict[ServiceId, Wish] = {}
        for id_, diary in self._diaries.items():
            if id_ not in self._board:
                continue  # it has left the catalogue meanwhile
            standing, policy = self._board.standing(id_)
            wish = wish_of(self._board.service(id_), diary, standing, now, policy)
            if wish is not None:
                wishes[id_] = wish
        shared = rhythms(wishes, self._generations.total)
        for id_, diary in self._diaries.items():
            diary.rhythm = shared.get(id_)

    async def _pay_for(self, service: Service, depth: Depth, found: Shallow, diary: Diary) -> None:
        if found.billed is not None:
            diary.off |= {depth}  # first of all, whatever the database says
            await self._generations.book_accident(service, depth, found.billed)
        elif found.is_doubtful:
            log.warning("probe.unanswered", service=service.id, depth=depth, times=diary.unanswered)

    async def _left_under_way(self) -> list[Attempt]:
        while True:
            try:
                return list(await self._generations.unfinished())
            except StorageError as error:
                log.warning("probe.waits", error=str(error))
                await self._clock.sleep(_DATABASE_AWAY)

    async def _welcome(self) -> None:
        """Take in which services there are now, and how they are to be probed."""
        services = self._board.services()
        if (services, self.pacing) == self._welcomed:
            return
        newcomers = [service for service in services if service.id not in self._diaries]
        try:
            memories = await self._generations.memories() if newcomers else {}
        except StorageError as error:
            log.warning("probe.waits", error=str(error))
            await self._clock.sleep(_DATABASE_AWAY)
            return
        now = self._clock.now()
        for position, service in enumerate(services):
            if service.id not in self._diaries:
                pace = service.pace.reach or service.pace.credentials or timedelta(minutes=1)
                opening = now + opening_round(position, len(services), pace)
                memory = memories.get(service.id, Memory())
                self._diaries[service.id] = _recalled(Diary(opening), memory)
        for id_ in self._diaries.keys() - {service.id for service in services}:
            del self._diaries[id_]
            self._calls.forget(id_)
        self._welcomed = (services, self.pacing)
        self._shared_at = _NEVER  # newcomers take their share at once
        for service in services:
            self._call(service.id)

    async def _diary(self, id_: ServiceId) -> Diary:
        """Return a service's diary, from the history if this process has none yet."""
        if id_ not in self._diaries:
            memories = await self._generations.memories()
            fresh = Diary(self._clock.now())
            self._diaries.setdefault(id_, _recalled(fresh, memories.get(id_, Memory())))
        return self._diaries[id_]

    def _hear(self, events: asyncio.Queue[Event]) -> None:
        while not events.empty():
            event = events.get_nowait()
            is_ours = isinstance(event, Evidence) and event.source in _OWN
            if isinstance(event, Evidence | Transition) and not is_ours:
                self._call(event.service)

    def _call(self, id_: ServiceId) -> None:
        """See to it that a service is looked at when its next appointment is due, or earlier."""
        diary = self._diaries.get(id_)
        if diary is None:
            return
        for appointment in self.next_appointments(id_):
            if appointment.depth not in diary.under_way:
                self._calls.call(id_, appointment.at)
                return

    def _due(self) -> list[tuple[Service, Appointment]]:
        now = self._clock.now()
        due = []
        for id_ in self._calls.due(now):
            diary = self._diaries.get(id_)
            for appointment in self.next_appointments(id_):
                if diary is None or appointment.depth in diary.under_way:
                    continue
                if appointment.at > now:
                    self._calls.call(id_, appointment.at)
                    break
                self._begin(id_, appointment.depth)
                due.append((self._board.service(id_), appointment))
        return due

    async def _keep(self, service: Service, depth: Depth) -> None:
        if depth is Depth.GENERATION:
            await self._end(service.id, depth, self.probe(service, depth))
            return
        async with self._places:
            await self._end(service.id, depth, self.probe(service, depth))

    def _resumed(self, attempt: Attempt) -> Coroutine[object, object, None]:
        # At once, before anything else of this service is looked at.
        self._begin(attempt.service, Depth.GENERATION)
        work = self._generations.follow(attempt)
        return self._end(attempt.service, Depth.GENERATION, work)

    def _begin(self, id_: ServiceId, depth: Depth) -> None:
        if id_ in self._diaries:
            self._diaries[id_].under_way.add(depth)

    async def _end(self, id_: ServiceId, depth: Depth, work: Awaitable[object]) -> None:
        try:
            await work
        except BudgetError as error:
            log.info("probe.withheld", service=id_, reason=str(error))
        except Exception:
            # The root of a probe's task: a defect of ours in one probe must not end all others.
            log.exception("probe.failed", service=id_, depth=depth)
        finally:
            diary = self._diaries.get(id_)
            if diary is not None:
                diary.under_way.discard(depth)
                self._call(id_)


def _recalled(diary: Diary, memory: Memory) -> Diary:
    last = {} if memory.placed_at is None else {Depth.GENERATION: memory.placed_at}
    return replace(diary, last=last, off=memory.off)
