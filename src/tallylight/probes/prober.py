"""Runs the plan: sends each probe when it is due and hands the board what it finds."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Never

import structlog

from tallylight.board import Board, BoardEvent
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError, StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition
from tallylight.probes import free_probes
from tallylight.probes.budget_allocation import (
    ALLOCATION_INTERVAL,
    ProbeCandidate,
    allocate_schedules,
)
from tallylight.probes.estimates import estimated_cost
from tallylight.probes.free_probes import FreeProbeResult, RequestSender
from tallylight.probes.paid_probes import ProbeHistory
from tallylight.probes.plan import PlannedProbe, ProbeTiming, initial_delay, planned_probes
from tallylight.probes.ports import PaidProbes
from tallylight.probes.probe_state import ProbeState, current_plan_input, probe_candidate
from tallylight.probes.timers import Timers

log = structlog.get_logger()

_TICK = timedelta(milliseconds=250)
"""How often the calls are looked at: evidence can bring an appointment forward at any time."""

_NEVER = datetime.min.replace(tzinfo=UTC)

_DATABASE_RETRY_DELAY = timedelta(seconds=5)

_MAX_CONCURRENT_FREE_PROBES = 512
"""How many shallow probes may be under way; a thousand hanging services must not take all files."""

_OWN_SOURCES = frozenset({Source.REACH, Source.CREDENTIALS})
"""What the prober finds itself: whoever ends a probe looks at the plan anyway."""


class Prober:
    """Keeps every service's appointments."""

    def __init__(
        self,
        board: Board,
        sender: RequestSender,
        paid_probes: PaidProbes,
        clock: Clock,
        timing: Callable[[], ProbeTiming],
    ) -> None:
        self._board = board
        self._sender = sender
        self._paid_probes = paid_probes
        self._clock = clock
        self._timing = timing
        self._synced_with: tuple[tuple[Service, ...], ProbeTiming] = ((), timing())
        self._states: dict[ServiceId, ProbeState] = {}
        self._timers = Timers()
        self._allocated_at = _NEVER
        self.is_running = False
        self._free_probe_slots = asyncio.Semaphore(_MAX_CONCURRENT_FREE_PROBES)

    async def run(self) -> Never:
        """Probe until cancelled; first take up the paid probes that a former process left."""
        self.is_running = True
        try:
            async with asyncio.TaskGroup() as tasks, self._board.subscribe() as events:
                left = await self._load_open_attempts()
                while True:
                    await self._sync_services()
                    self._allocate()
                    while left and self._states:
                        attempt = left.pop()
                        tasks.create_task(self._resume(attempt))
                    self._handle_events(events)
                    for service, appointment in self._start_due():
                        tasks.create_task(self._run_probe(service, appointment.depth))
                    await self._clock.sleep(_TICK)
        finally:
            self.is_running = False

    def reset(self) -> None:
        """Forget what this process knows of former probes: another has probed meanwhile."""
        self._states, self._timers = {}, Timers()
        self._synced_with = ((), self._timing())

    async def probe(self, service: Service, depth: Depth) -> Evidence:
        """Send one probe now and report it to the board; return what it found.

        Raises:
            BudgetError: if a generation would exceed a budget; nothing was sent.
            ValueError: if it has no price to reckon with.
            StorageError: if the database is away.
        """
        diary = await self._state_of(service.id)
        if depth is Depth.GENERATION:
            return await self._probe_paid(service, diary)
        try:
            if depth is Depth.REACH:
                found = await free_probes.probe_reach(service, self._sender, self._clock)
            else:
                found = await free_probes.probe_credentials(service, self._sender, self._clock)
        finally:
            diary.last_probed_at[depth] = (
                self._clock.now()
            )  # a probe that breaks waits for its turn too
        diary.record_free_probe(found)
        if service.id in self._board:  # else it has left the catalogue meanwhile
            await self._board.report(found.evidence)
        await self._record_billed_free_probe(service, depth, found, diary)
        return found.evidence

    async def may_repeat(self, service: ServiceId, depth: Depth) -> bool:
        """Tell whether a free probe may be sent at will: not if it has cost money, or may have."""
        diary = await self._state_of(service)
        if depth in diary.disabled_depths:
            return False
        return depth is not Depth.CREDENTIALS or diary.unanswered_count == 0

    async def disabled_depths(self, service: ServiceId) -> Collection[Depth]:
        """Return the depths of a service that were switched off, because they cost money."""
        return (await self._state_of(service)).disabled_depths

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        """Return why a budget keeps a service's generation from being sent, where one does."""
        return {
            id_: diary.withheld_reason
            for id_, diary in self._states.items()
            if diary.withheld_reason
        }

    def planned_probes(self, id_: ServiceId) -> tuple[PlannedProbe, ...]:
        """Return the probes to come of one service, soonest first."""
        diary = self._states.get(id_)
        if diary is None or id_ not in self._board:
            return ()
        watch = current_plan_input(self._board.service(id_), diary, self._board, self._clock)
        return planned_probes(watch, self._timing())

    async def _probe_paid(self, service: Service, probe_state: ProbeState) -> Evidence:
        try:
            attempt = await self._paid_probes.prepare(service)
        except Exception as error:
            # Whatever is in the way, it is not asked for again at once.
            budget = str(error) if isinstance(error, BudgetError) else ""
            probe_state.record_withheld(self._clock.now(), budget)
            raise
        before = probe_state.last_probed_at.get(Depth.GENERATION)
        probe_state.record_intended(attempt.intended_at)
        found = await self._paid_probes.run(service, attempt)
        if service.id in self._board:
            self._record_cost(service, probe_state, attempt.intended_at, before, found)
        return found

    def _record_cost(
        self,
        service: Service,
        probe_state: ProbeState,
        intended_at: datetime,
        previous_intended_at: datetime | None,
        evidence: Evidence,
    ) -> None:
        accepted = (
            self._board.latest_evidence(service.id, Source.ACCEPTANCE) if evidence.failure else None
        )
        is_billed = evidence.failure is None or (
            accepted is not None and accepted.at >= intended_at
        )
        price = estimated_cost(service) or Decimal(0)
        probe_state.record_cost(
            intended_at, previous_intended_at, float(price) if is_billed else 0.0
        )

    def _allocate(self) -> None:
        """Reckon anew, now and then, how often each service is worth a paid probe."""
        now = self._clock.now()
        if now - self._allocated_at < ALLOCATION_INTERVAL:
            return
        self._allocated_at = now
        wishes: dict[ServiceId, ProbeCandidate] = {}
        for id_, diary in self._states.items():
            if id_ not in self._board:
                continue  # it has left the catalogue meanwhile
            standing, policy = self._board.state(id_)
            wish = probe_candidate(self._board.service(id_), diary, standing, now, policy)
            if wish is not None:
                wishes[id_] = wish
        shared = allocate_schedules(wishes, self._paid_probes.total_budget)
        for id_, diary in self._states.items():
            diary.schedule = shared.get(id_)

    async def _record_billed_free_probe(
        self, service: Service, depth: Depth, result: FreeProbeResult, probe_state: ProbeState
    ) -> None:
        if result.billed_job is not None:
            probe_state.disabled_depths |= {depth}  # first of all, whatever the database says
            await self._paid_probes.record_unexpected_charge(service, depth, result.billed_job)
        elif result.may_be_billed:
            log.warning(
                "probe.unanswered",
                service=service.id,
                depth=depth,
                times=probe_state.unanswered_count,
            )

    async def _load_open_attempts(self) -> list[Attempt]:
        while True:
            try:
                return list(await self._paid_probes.open_attempts())
            except StorageError as error:
                log.warning("probe.waits", error=str(error))
                await self._clock.sleep(_DATABASE_RETRY_DELAY)

    async def _sync_services(self) -> None:
        """Take in which services there are now, and how they are to be probed."""
        services = self._board.services()
        if (services, self._timing()) == self._synced_with:
            return
        newcomers = [service for service in services if service.id not in self._states]
        try:
            memories = await self._paid_probes.load_histories() if newcomers else {}
        except StorageError as error:
            log.warning("probe.waits", error=str(error))
            await self._clock.sleep(_DATABASE_RETRY_DELAY)
            return
        now = self._clock.now()
        for position, service in enumerate(services):
            if service.id not in self._states:
                pace = (
                    service.probe_intervals.reach
                    or service.probe_intervals.credentials
                    or timedelta(minutes=1)
                )
                opening = now + initial_delay(position, len(services), pace)
                memory = memories.get(service.id, ProbeHistory())
                self._states[service.id] = _with_history(ProbeState(opening), memory)
        for id_ in self._states.keys() - {service.id for service in services}:
            del self._states[id_]
            self._timers.cancel(id_)
        self._synced_with = (services, self._timing())
        self._allocated_at = _NEVER  # newcomers take their share at once
        for service in services:
            self._schedule(service.id)

    async def _state_of(self, id_: ServiceId) -> ProbeState:
        """Return a service's diary, from the history if this process has none yet."""
        if id_ not in self._states:
            memories = await self._paid_probes.load_histories()
            fresh = ProbeState(self._clock.now())
            self._states.setdefault(id_, _with_history(fresh, memories.get(id_, ProbeHistory())))
        return self._states[id_]

    def _handle_events(self, events: asyncio.Queue[BoardEvent]) -> None:
        while not events.empty():
            event = events.get_nowait()
            is_ours = isinstance(event, Evidence) and event.source in _OWN_SOURCES
            if isinstance(event, Evidence | Transition) and not is_ours:
                self._schedule(event.service)

    def _schedule(self, id_: ServiceId) -> None:
        """See to it that a service is looked at when its next appointment is due, or earlier."""
        diary = self._states.get(id_)
        if diary is None:
            return
        for appointment in self.planned_probes(id_):
            if appointment.depth not in diary.in_progress:
                self._timers.schedule(id_, appointment.at)
                return

    def _start_due(self) -> list[tuple[Service, PlannedProbe]]:
        now = self._clock.now()
        due = []
        for id_ in self._timers.due(now):
            diary = self._states.get(id_)
            for appointment in self.planned_probes(id_):
                if diary is None or appointment.depth in diary.in_progress:
                    continue
                if appointment.at > now:
                    self._timers.schedule(id_, appointment.at)
                    break
                self._mark_started(id_, appointment.depth)
                due.append((self._board.service(id_), appointment))
        return due

    async def _run_probe(self, service: Service, depth: Depth) -> None:
        if depth is Depth.GENERATION:
            await self._finish(service.id, depth, self.probe(service, depth))
            return
        async with self._free_probe_slots:
            await self._finish(service.id, depth, self.probe(service, depth))

    def _resume(self, attempt: Attempt) -> Coroutine[object, object, None]:
        # At once, before anything else of this service is looked at.
        self._mark_started(attempt.service, Depth.GENERATION)
        work = self._paid_probes.resume(attempt)
        return self._finish(attempt.service, Depth.GENERATION, work)

    def _mark_started(self, id_: ServiceId, depth: Depth) -> None:
        if id_ in self._states:
            self._states[id_].in_progress.add(depth)

    async def _finish(self, id_: ServiceId, depth: Depth, work: Awaitable[object]) -> None:
        try:
            await work
        except BudgetError as error:
            log.info("probe.withheld", service=id_, reason=str(error))
        except Exception:
            # The root of a probe's task: a defect of ours in one probe must not end all others.
            log.exception("probe.failed", service=id_, depth=depth)
        finally:
            diary = self._states.get(id_)
            if diary is not None:
                diary.in_progress.discard(depth)
                self._schedule(id_)


def _with_history(probe_state: ProbeState, history: ProbeHistory) -> ProbeState:
    last = {} if history.last_intended_at is None else {Depth.GENERATION: history.last_intended_at}
    return replace(probe_state, last_probed_at=last, disabled_depths=history.disabled_depths)
