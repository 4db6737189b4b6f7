"""Executes the plan: sends each probe when it is due and reports its evidence to the board."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Never

import structlog

from tallylight.board import Board, BoardEvent
from tallylight.board.network import upstream_host
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import (
    BudgetError,
    ProbeUnfinishedError,
    ProbeWithheldError,
    StorageError,
)
from tallylight.model.evidence import FREE_SOURCES, Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition
from tallylight.model.video import Video
from tallylight.probes.budget_allocation import (
    ALLOCATION_INTERVAL,
    allocate_schedules,
)
from tallylight.probes.free_probes import (
    FreeProbeResult,
    probe_credentials,
    probe_reach,
)
from tallylight.probes.pace import pace_in_force
from tallylight.probes.paid_probes import ProbeHistory
from tallylight.probes.plan import PlannedProbe, ProbeTiming, initial_delay, planned_probes
from tallylight.probes.ports import PaidProbes
from tallylight.probes.probe_state import ProbeState, current_plan_input, probe_candidates
from tallylight.probes.setup_mends import with_mend
from tallylight.probes.timers import Timers
from tallylight.upstreams.client import RequestSender
from tallylight.verdicts.overdue import is_overdue

log = structlog.get_logger()

_TICK = timedelta(milliseconds=250)
"""How often the timers are read: new evidence can bring a probe forward at any time."""

_NEVER = datetime.min.replace(tzinfo=UTC)

_DATABASE_RETRY_DELAY = timedelta(seconds=5)

_MAX_CONCURRENT_FREE_PROBES = 512
"""Limit of concurrent free probes, so that many hanging services do not use up all sockets."""


class Prober:
    """Sends the planned probes of all services."""

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
        self._witnesses_looked_at = _NEVER
        self.is_running = False
        self._free_probe_slots = asyncio.Semaphore(_MAX_CONCURRENT_FREE_PROBES)

    async def run(self) -> Never:
        """Send probes until cancelled."""
        self.is_running = True
        try:
            async with asyncio.TaskGroup() as tasks, self._board.subscribe() as events:
                while True:
                    await self._sync_services()
                    self._allocate()
                    self._handle_events(events)
                    for service, depth in (*self._start_due(), *self._start_witnesses()):
                        tasks.create_task(self._run_probe(service, depth))
                    await self._clock.sleep(_TICK)
        finally:
            self.is_running = False

    def reset(self) -> None:
        """Forget all earlier probes, because another process has probed meanwhile."""
        self._states, self._timers = {}, Timers()
        self._synced_with = ((), self._timing())

    async def probe(self, service: Service, depth: Depth) -> Evidence:
        """Send one probe now, report its evidence to the board and return it.

        Raises:
            BudgetError: if a generation would exceed a budget; nothing was sent.
            ProbeWithheldError: if a generation was not sent for another reason.
            ProbeUnfinishedError: if a generation has not ended in time.
            StorageError: if the database is unavailable.
        """
        state = await self._state_of(service.id)
        if depth is Depth.GENERATION:
            return await self._probe_paid(service, state)
        send = probe_reach if depth is Depth.REACH else probe_credentials
        began_at = self._clock.now()
        try:
            result = await send(service, self._sender, self._clock)
        finally:
            # Also after an error of ours: it must not be repeated at once.
            state.record_end(depth, began_at, self._clock.now())
        result = await with_mend(service, result, self._board, state.mends, self._sender)
        state.record_free_probe(result)
        if service.id in self._board:  # otherwise it was removed meanwhile
            await self._board.report(result.evidence, began_at)
        await self._record_billed_free_probe(service, depth, result, state)
        return result.evidence

    async def probe_witnesses(self) -> None:
        """Call the hosts that are to explain a missing answer, and wait for them."""
        witnesses = self._start_witnesses()
        async with asyncio.TaskGroup() as tasks:
            for service, depth in witnesses:
                tasks.create_task(self._run_probe(service, depth))

    async def may_repeat(self, service: ServiceId, depth: Depth) -> bool:
        """Tell whether a free probe may be repeated: not if one was billed, or may have been."""
        state = await self._state_of(service)
        if depth in state.disabled_depths:
            return False
        return depth is not Depth.CREDENTIALS or state.unanswered_count == 0

    async def disabled_depths(self, service: ServiceId) -> Collection[Depth]:
        """Return the depths of a service that are disabled because a free probe was billed."""
        return (await self._state_of(service)).disabled_depths

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        """Return, by service, which budget does not allow its generation; only where one does."""
        states = self._states.items()
        return {id_: each.withheld_reason for id_, each in states if each.withheld_reason}

    def planned_probes(self, id_: ServiceId) -> tuple[PlannedProbe, ...]:
        """Return the next probe of each depth of one service, soonest first."""
        state = self._states.get(id_)
        if state is None or id_ not in self._board:
            return ()
        facts = current_plan_input(self._board.service(id_), state, self._board, self._clock)
        return planned_probes(facts, self._timing())

    def paid_pace(self, id_: ServiceId) -> PaceInForce | None:
        """Return the pace of the paid probes of one service; None if it has none."""
        state = self._states.get(id_)
        if state is None or id_ not in self._board:
            return None
        return pace_in_force(self._board.service(id_), state.schedule)

    async def _probe_paid(self, service: Service, state: ProbeState) -> Evidence:
        try:
            probe = await self._paid_probes.start(service)
        except Exception as error:
            # Whatever the cause, the next try comes later, not at once.
            budget = str(error) if isinstance(error, BudgetError) else ""
            state.record_withheld(self._clock.now(), budget)
            raise
        previous = state.last_probed_at.get(Depth.GENERATION)
        facts = current_plan_input(service, state, self._board, self._clock)
        state.record_intended(probe.created_at)
        evidence = await self._paid_probes.result(probe)
        if service.id in self._board:
            was_accepted = evidence.failure is None or _was_accepted(self._board, service.id, probe)
            cost = float(probe_cost(service) or 0) if was_accepted else 0.0
            state.record_paid(facts, probe.created_at, previous, cost)
        return evidence

    def _allocate(self) -> None:
        """Compute the schedules of paid probes again, if the allocation is old enough."""
        now = self._clock.now()
        if now - self._allocated_at < ALLOCATION_INTERVAL:
            return
        self._allocated_at = now
        candidates = probe_candidates(self._states, self._board, now)
        schedules = allocate_schedules(candidates, self._paid_probes.total_budget)
        for id_, state in self._states.items():
            state.schedule = schedules.get(id_)

    async def _record_billed_free_probe(
        self, service: Service, depth: Depth, result: FreeProbeResult, state: ProbeState
    ) -> None:
        if result.billed_job is not None:
            state.disabled_depths |= {depth}  # first, because storing the charge may fail
            await self._paid_probes.record_unexpected_charge(service, depth, result.billed_job)
        elif result.may_be_billed:
            times = state.unanswered_count
            log.warning("probe.unanswered", service=service.id, depth=depth, times=times)

    async def _sync_services(self) -> None:
        """Follow changes of the services and the timing."""
        services = self._board.services()
        if (services, self._timing()) == self._synced_with:
            return
        has_new = any(service.id not in self._states for service in services)
        try:
            histories = await self._paid_probes.load_histories() if has_new else {}
        except StorageError as error:
            await _wait_for_database(self._clock, error)
            return
        now = self._clock.now()
        for position, service in enumerate(services):
            if service.id not in self._states:
                intervals = service.probe_intervals
                interval = intervals.reach or intervals.credentials or timedelta(minutes=1)
                first_due_at = now + initial_delay(position, len(services), interval)
                self._states[service.id] = _initial_state(first_due_at, histories.get(service.id))
        for id_ in self._states.keys() - {service.id for service in services}:
            del self._states[id_]
            self._timers.cancel(id_)
        self._synced_with = (services, self._timing())
        self._allocated_at = _NEVER  # new services get a schedule at once
        for service in services:
            self._schedule(service.id)

    async def _state_of(self, id_: ServiceId) -> ProbeState:
        """Return the state of a service; load its history if this process has none yet."""
        if id_ not in self._states:
            histories = await self._paid_probes.load_histories()
            # `setdefault`, because `run` may have added the state during the query.
            state = _initial_state(self._clock.now(), histories.get(id_))
            return self._states.setdefault(id_, state)
        return self._states[id_]

    def _handle_events(self, events: asyncio.Queue[BoardEvent]) -> None:
        while not events.empty():
            event = events.get_nowait()  # the end of our own probe plans the next one anyway
            is_ours = isinstance(event, Evidence) and event.source in FREE_SOURCES
            _stop_waiting_if_overdue(self._states, event)
            if isinstance(event, Evidence | Transition) and not is_ours:
                self._schedule(event.service)

    def _schedule(self, id_: ServiceId) -> None:
        """Set the timer of a service to its next probe, unless it is due earlier."""
        if waiting := self._waiting_probes(id_):
            self._timers.schedule(id_, waiting[0].at)

    def _start_due(self) -> list[tuple[Service, Depth]]:
        """Mark all probes that are due as started and return them."""
        now = self._clock.now()
        due = []
        for id_ in self._timers.due(now):
            for probe in self._waiting_probes(id_):
                if probe.at > now:
                    self._timers.schedule(id_, probe.at)
                    break
                if self._states[id_].may_probe(probe.depth):
                    self._mark_started(id_, probe.depth)
                    due.append((self._board.service(id_), probe.depth))
        return due

    def _start_witnesses(self) -> list[tuple[Service, Depth]]:
        """Mark a free probe of each host that is wanted as a witness as started; return them."""
        wanted = self._board.witnesses_wanted_since(self._witnesses_looked_at)
        if not wanted:
            return []
        self._witnesses_looked_at = self._clock.now()
        chosen = _witnesses(self._board.services(), wanted, self._states)
        for service in chosen:
            self._mark_started(service.id, Depth.REACH)
        return [(service, Depth.REACH) for service in chosen]

    def _waiting_probes(self, id_: ServiceId) -> list[PlannedProbe]:
        planned = self.planned_probes(id_)  # none without a state
        return [each for each in planned if self._states[id_].may_probe(each.depth)]

    async def _run_probe(self, service: Service, depth: Depth) -> None:
        if depth is Depth.GENERATION:
            await self._finish(service.id, depth, self.probe(service, depth))
            return
        async with self._free_probe_slots:
            service = self._board.current_service(service)  # a reload may have changed its key
            await self._finish(service.id, depth, self.probe(service, depth))

    def _mark_started(self, id_: ServiceId, depth: Depth) -> None:
        if id_ in self._states:
            self._states[id_].in_progress.add(depth)

    async def _finish(self, id_: ServiceId, depth: Depth, work: Awaitable[object]) -> None:
        try:
            await work
        except (BudgetError, ProbeWithheldError) as error:
            log.info("probe.withheld", service=id_, reason=str(error))
        except ProbeUnfinishedError as error:
            log.warning("probe.unfinished", service=id_, reason=str(error))
        except Exception:
            # The root of a probe's task: an internal error in one must not stop the others.
            log.exception("probe.failed", service=id_, depth=depth)
        finally:
            if (state := self._states.get(id_)) is not None:
                state.record_finished(depth)
                self._schedule(id_)


def _stop_waiting_if_overdue(states: Mapping[ServiceId, ProbeState], event: BoardEvent) -> None:
    """Let a second probe be sent beside one that is overdue, which is followed on."""
    if not isinstance(event, Evidence) or event.service not in states:
        return
    if event.source is Source.GENERATION and is_overdue(event):
        states[event.service].in_progress.discard(Depth.GENERATION)


def _initial_state(first_due_at: datetime, history: ProbeHistory | None) -> ProbeState:
    state = ProbeState(first_due_at)
    if history is not None:
        state.disabled_depths = history.disabled_depths
        if history.last_intended_at is not None:
            state.last_probed_at[Depth.GENERATION] = history.last_intended_at
    return state


def _witnesses(
    services: Iterable[Service], wanted: Collection[str], states: Mapping[ServiceId, ProbeState]
) -> list[Service]:
    """Return a service of each wanted host that may be probed now."""
    chosen: dict[str, Service] = {}
    for service in services:
        host, state = upstream_host(service.upstream), states.get(service.id)
        may_ask = state is None or state.may_probe(Depth.REACH)
        if host in wanted and may_ask and service.probe_intervals.reach is not None:
            chosen.setdefault(host, service)
    return list(chosen.values())


def _was_accepted(board: Board, id_: ServiceId, probe: Video) -> bool:
    acceptance = board.latest_evidence(id_, Source.ACCEPTANCE)
    return acceptance is not None and acceptance.at >= probe.created_at


async def _wait_for_database(clock: Clock, error: StorageError) -> None:
    log.warning("probe.database_unavailable", error=str(error))
    await clock.sleep(_DATABASE_RETRY_DELAY)
