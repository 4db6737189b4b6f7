"""The driver: the real plan sends probes into a world, the real judge hears what they find.

Nothing is decided here. Virtual time is a heap of what happens next.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.evidence import Depth, Evidence, Fault, Source
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ALLOCATION_INTERVAL, allocate_schedules
from tallylight.probes.free_probes import FreeProbeResult
from tallylight.probes.plan import ProbeTiming, initial_delay, next_probe
from tallylight.probes.probe_state import ProbeState, plan_input, probe_candidate
from tallylight.rehearsal.budget_tracker import BudgetTracker
from tallylight.rehearsal.network_monitor import NetworkMonitor
from tallylight.rehearsal.record import RuleResult, StatusChange
from tallylight.rehearsal.setup import TYPICAL_PACE, catalogue_service
from tallylight.rehearsal.world import START, RehearsedService
from tallylight.verdicts.evidence_ttl import service_policy
from tallylight.verdicts.judge import advance_time, initial_state, jobs_are_uncertain, judge
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.state import ServiceState

_ALL_DEPTHS, _PAID_DEPTHS = tuple(Depth), (Depth.GENERATION,)
_SOURCES = {Depth.REACH: Source.REACH, Depth.CREDENTIALS: Source.CREDENTIALS}
_FREE_SOURCES = frozenset(_SOURCES.values())


@dataclass(frozen=True, slots=True)
class RehearsalOptions:
    """What the watching may use.

    Args:
        pace: How often each depth is probed.
        total: What all paid probes together may spend.
        each: What those of one service may.
        pacing: What else the plan holds to.
        options: What the operator wrote of the judging.
    """

    pace: ProbeIntervals = TYPICAL_PACE
    total_budget: Budget = field(default_factory=Budget)
    service_budget: Budget = field(default_factory=Budget)
    pacing: ProbeTiming = field(default_factory=ProbeTiming)
    policy_options: PolicyOptions = field(default_factory=PolicyOptions)


_Event = tuple[datetime, int, "_MonitoredService", Depth | Evidence | None]
"""A probe is due at a depth, evidence is heard, or a caller's job arrives; and in which order."""


class _MonitoredService:
    """One service under watch."""

    def __init__(
        self, rehearsed: RehearsedService, options: RehearsalOptions, first_probe_at: datetime
    ) -> None:
        self.rehearsed = rehearsed
        self.service = catalogue_service(rehearsed, options.pace, options.service_budget)
        self.policy = service_policy(self.service, options.policy_options)
        self.state: ServiceState = initial_state(rehearsed.id, START)
        self.probe_state = ProbeState(first_probe_at)
        self.due: dict[Depth, datetime] = {}
        self.is_uncertain = False
        self.last_traffic_at: datetime | None = None
        self.plan_input = plan_input(
            self.service, self.probe_state, self.state, None, jobs_undecided=False
        )
        self.arrivals: Iterator[datetime] = rehearsed.caller_job_times()
        self.budget = BudgetTracker(options.service_budget)
        self.changes = [StatusChange(START, Status.UNKNOWN)]
        self.paid_probes = self.withheld = 0

    def apply_state(self, state: ServiceState, now: datetime) -> None:
        """Let a standing stand."""
        self.state = state
        if state.verdict.status is not self.changes[-1].status:
            self.changes.append(StatusChange(now, state.verdict.status))


class _RehearsalRun:
    def __init__(
        self, services: Iterable[RehearsedService], days: float, options: RehearsalOptions
    ) -> None:
        self._options = options
        self._end = START + timedelta(days=days)
        self._heap: list[_Event] = []
        self._sequence = 0
        self._network = NetworkMonitor()
        self._total = BudgetTracker(options.total_budget)
        self._allocated_at = START - ALLOCATION_INTERVAL
        found = tuple(services)
        pace = options.pace.reach or options.pace.credentials or timedelta(minutes=1)
        self.services = [
            _MonitoredService(scene, options, START + initial_delay(position, len(found), pace))
            for position, scene in enumerate(found)
        ]

    def run(self) -> None:
        """Live through it."""
        for watched in self.services:
            self._schedule_start(watched)
        heap, end = self._heap, self._end
        while heap and heap[0][0] < end:
            now, _, watched, what = heapq.heappop(heap)
            if isinstance(what, Depth):
                if watched.due.get(what) == now:
                    self._run_probe(watched, what, now)
            elif isinstance(what, Evidence):
                if what.source is Source.GENERATION:
                    watched.probe_state.in_progress.discard(Depth.GENERATION)
                self._receive(watched, what, None)
            else:
                self._receive_caller_job(watched, now)

    def _schedule_start(self, service: _MonitoredService) -> None:
        for said in service.rehearsed.feed_changes():
            told = Evidence(service.rehearsed.id, said.at, Source.FEED, claimed_status=said.status)
            self._push(said.at, service, told)
        self._schedule_next_arrival(service)
        self._replan(service, _ALL_DEPTHS, START)

    def _push(
        self, at: datetime, service: _MonitoredService, what: Depth | Evidence | None
    ) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, service, what))

    def _replan(self, service: _MonitoredService, depths: tuple[Depth, ...], now: datetime) -> None:
        """Let the plan say when these depths are probed next, from what is known now."""
        service.plan_input = plan_input(
            service.service,
            service.probe_state,
            service.state,
            service.last_traffic_at,
            jobs_undecided=service.is_uncertain,
        )
        for depth in depths:
            self._schedule_probe(service, depth, now)

    def _schedule_probe(self, service: _MonitoredService, depth: Depth, now: datetime) -> None:
        planned = next_probe(service.plan_input, self._options.pacing, depth)
        if planned is None:
            service.due.pop(depth, None)
            return
        at = max(now, planned.at)
        if service.due.get(depth) != at:
            service.due[depth] = at
            self._push(at, service, depth)

    def _run_probe(self, service: _MonitoredService, depth: Depth, now: datetime) -> None:
        del service.due[depth]
        if depth is Depth.GENERATION:
            self._run_paid_probe(service, now)
            return
        failure = service.rehearsed.free_probe(depth, now)
        evidence = Evidence(service.rehearsed.id, now, _SOURCES[depth], failure)
        diary = service.probe_state
        diary.last_probed_at[depth] = now
        if failure is None and not diary.failures_in_a_row:
            self._receive(service, evidence, depth)  # nothing to enter
        else:
            diary.record_free_probe(FreeProbeResult(evidence))
            self._receive(service, evidence, None)

    def _allocate_budget(self, now: datetime) -> None:
        if now - self._allocated_at < ALLOCATION_INTERVAL:
            return
        self._allocated_at = now
        wishes = {
            watched.service.id: wish
            for watched in self.services
            if (
                wish := probe_candidate(
                    watched.service, watched.probe_state, watched.state, now, watched.policy
                )
            )
        }
        shared = allocate_schedules(wishes, self._options.total_budget)
        for watched in self.services:
            watched.probe_state.schedule = shared.get(watched.service.id)

    def _run_paid_probe(self, service: _MonitoredService, now: datetime) -> None:
        self._allocate_budget(now)
        service.is_uncertain = jobs_are_uncertain(service.state, now, service.policy)
        self._replan(service, _PAID_DEPTHS, now)
        if service.due.get(Depth.GENERATION) != now:
            return  # time alone has put it off
        del service.due[Depth.GENERATION]
        price = service.rehearsed.price
        if not (service.budget.allows(price, now) and self._total.allows(price, now)):
            service.withheld += 1
            service.probe_state.record_withheld(now, "budget")
            self._replan(service, _PAID_DEPTHS, now)
            return
        asked = service.rehearsed.submit_job(now)
        service.paid_probes += 1
        before = service.probe_state.last_probed_at.get(Depth.GENERATION)
        if asked.is_accepted:
            service.budget.spend(price, now)
            self._total.spend(price, now)
        service.probe_state.record_intended(now)
        service.probe_state.record_cost(now, before, float(price) if asked.is_accepted else 0.0)
        service.probe_state.in_progress.add(Depth.GENERATION)
        found = Evidence(
            service.rehearsed.id,
            asked.ends_at,
            Source.GENERATION,
            asked.failure,
            asked.ends_at - now,
        )
        self._push(asked.ends_at, service, found)

    def _receive_caller_job(self, service: _MonitoredService, now: datetime) -> None:
        asked = service.rehearsed.submit_job(now)
        if asked.is_accepted:
            accepted = Evidence(service.rehearsed.id, now, Source.ACCEPTANCE)
            self._receive(service, accepted, None)
        took = asked.ends_at - now
        ended = Evidence(service.rehearsed.id, asked.ends_at, Source.TRAFFIC, asked.failure, took)
        self._push(asked.ends_at, service, ended)
        self._schedule_next_arrival(service)

    def _schedule_next_arrival(self, service: _MonitoredService) -> None:
        at = next(service.arrivals, None)
        if at is not None:
            self._push(at, service, None)

    def _receive(self, service: _MonitoredService, evidence: Evidence, depth: Depth | None) -> None:
        """Let evidence count as the board does, and plan anew what it may have changed."""
        now, policy = evidence.at, service.policy
        evidence = self._network.attribute_fault(evidence)
        if evidence.source is Source.TRAFFIC:
            service.last_traffic_at = now
        before = service.state
        if (
            before.next_change_at is not None
            and before.next_change_at <= now
            and not self._is_frozen(evidence)
        ):
            while (settled := advance_time(service.state, now, policy)) is not service.state:
                service.apply_state(settled, now)
        service.apply_state(judge(service.state, evidence, policy), now)
        after, doubted = service.state, service.is_uncertain
        if after.jobs is not before.jobs or depth is not Depth.REACH:
            # By fading alone, over hours, doubt comes early enough at the pace of credentials.
            service.is_uncertain = jobs_are_uncertain(after, now, policy)
        is_as_before = after.verdict is before.verdict and after.jobs is before.jobs
        if depth is not None and is_as_before and doubted is service.is_uncertain:
            self._schedule_probe(
                service, depth, now
            )  # all else that the plan looks at is as it was
        elif evidence.source in _FREE_SOURCES or after.verdict.status is not before.verdict.status:
            self._replan(service, _ALL_DEPTHS, now)
        else:
            self._replan(
                service, _PAID_DEPTHS, now
            )  # of jobs alone the plan of free probes knows nothing

    def _is_frozen(self, evidence: Evidence) -> bool:
        """Tell whether our own network is away: verdicts freeze."""
        failure = evidence.failure
        return failure is not None and failure.fault is Fault.OURS and self._network.is_down


def run_rehearsal(
    services: Iterable[RehearsedService], days: float, options: RehearsalOptions
) -> tuple[RuleResult, ...]:
    """Return what our own rules make of a world."""
    run = _RehearsalRun(services, days, options)
    run.run()
    return tuple(
        RuleResult(
            service=watched.rehearsed,
            changes=tuple(watched.changes),
            paid_probes=watched.paid_probes,
            spent=watched.budget.total_spent,
            withheld=watched.withheld,
        )
        for watched in run.services
    )


NO_PAID_PROBES = Budget(per_day=Decimal(0))
"""A budget that allows no paid probe."""
