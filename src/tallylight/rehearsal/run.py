"""The rehearsal of our rules: the real plan probes a trace, the real judge gets the evidence.

This module decides nothing. Virtual time is a heap of events.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.evidence import FREE_SOURCES, Depth, Evidence, Fault, Source
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ALLOCATION_INTERVAL, allocate_schedules
from tallylight.probes.free_probes import FreeProbeResult
from tallylight.probes.plan import ProbeTiming, initial_delay, next_probe
from tallylight.probes.probe_state import ProbeState, plan_input, probe_candidate
from tallylight.rehearsal.budget_tracker import BudgetTracker
from tallylight.rehearsal.catalogue_service import TYPICAL_PACE, catalogue_service
from tallylight.rehearsal.score import RuleResult
from tallylight.rehearsal.world import (
    STALLED_AFTER,
    START,
    JobResult,
    RehearsedService,
    ShownStatus,
)
from tallylight.verdicts.judge import advance_time, initial_state, jobs_are_uncertain, judge
from tallylight.verdicts.options import PolicyOptions, service_policy
from tallylight.verdicts.overdue import overdue_after, overdue_failure
from tallylight.verdicts.own_network import Call, OwnNetwork, Ruling, as_ours, was_reached
from tallylight.verdicts.rate_limit import OWN_PACE_AFTER, attribute_to_pace, is_refused_order
from tallylight.verdicts.state import ServiceState

_ALL_DEPTHS, _PAID_DEPTHS = tuple(Depth), (Depth.GENERATION,)
_SOURCES = {Depth.REACH: Source.REACH, Depth.CREDENTIALS: Source.CREDENTIALS}


@dataclass(frozen=True, slots=True)
class RehearsalOptions:
    """Intervals, budgets and settings of our rules."""

    pace: ProbeIntervals = TYPICAL_PACE
    total_budget: Budget = field(default_factory=Budget)
    service_budget: Budget = field(default_factory=Budget)
    pacing: ProbeTiming = field(default_factory=ProbeTiming)
    policy_options: PolicyOptions = field(default_factory=PolicyOptions)


_Event = tuple[datetime, int, "MonitoredService", Depth | Evidence | None]
"""Time, sequence number, service, and what happens: a probe at a depth is due, evidence arrives, or
(None) a caller sends a job."""


class MonitoredService:
    """One service, with its state and its probes."""

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
        self.open_jobs: list[datetime] = []
        self.accepted_at: datetime | None = None
        self.plan_input = plan_input(
            self.service, self.probe_state, self.state, None, self.policy, jobs_undecided=False
        )
        self.arrivals: Iterator[datetime] = rehearsed.caller_job_times()
        self.budget = BudgetTracker(options.service_budget)
        self.changes = [ShownStatus(START, Status.UNKNOWN)]
        self.paid_probes = self.withheld = 0

    def record_accepted(self, job: JobResult, now: datetime) -> None:
        """Record a job that was accepted."""
        self.accepted_at = now
        self.open_jobs = [*(end for end in self.open_jobs if end > now), job.ends_at]

    def may_be_own_pace(self, now: datetime) -> bool:
        """Tell whether our own pace may be the cause of an order that is refused now."""
        has_open = any(end > now for end in self.open_jobs)
        return has_open or (
            self.accepted_at is not None and now - self.accepted_at < OWN_PACE_AFTER
        )

    def apply_state(self, state: ServiceState, now: datetime) -> None:
        """Set the state, and record a change of status."""
        self.state = state
        if state.verdict.status is not self.changes[-1].status:
            self.changes.append(ShownStatus(now, state.verdict.status))


class RehearsalRun:
    """Virtual time: probes of the services, and the evidence that they bring."""

    def __init__(
        self, services: Iterable[RehearsedService], days: float, options: RehearsalOptions
    ) -> None:
        self._options = options
        self._end = START + timedelta(days=days)
        self._heap: list[_Event] = []
        self._sequence = 0
        self._network = OwnNetwork()
        self._total = BudgetTracker(options.total_budget)
        self._allocated_at = START - ALLOCATION_INTERVAL
        rehearsed = tuple(services)
        pace = options.pace.reach or options.pace.credentials or timedelta(minutes=1)
        self.services = [
            MonitoredService(each, options, START + initial_delay(position, len(rehearsed), pace))
            for position, each in enumerate(rehearsed)
        ]
        self._by_id = {each.service.id: each for each in self.services}

    def run(self) -> None:
        """Process all events up to the end."""
        for service in self.services:
            self._schedule_start(service)
        heap, end = self._heap, self._end
        while heap and heap[0][0] < end:
            now, _, service, event = heapq.heappop(heap)
            if isinstance(event, Depth):
                if service.due.get(event) == now:  # else it was replanned since
                    self._run_probe(service, event, now)
            elif isinstance(event, Evidence):
                if event.source is Source.GENERATION:
                    # A job that is overdue is no longer waited for.
                    service.probe_state.in_progress.discard(Depth.GENERATION)
                self._receive(service, event, None)
            else:
                self._receive_caller_job(service, now)

    def _schedule_start(self, service: MonitoredService) -> None:
        id_ = service.rehearsed.id
        for change in service.rehearsed.feed_changes():
            evidence = Evidence(id_, change.at, Source.FEED, claimed_status=change.status)
            self._push(change.at, service, evidence)
        self._schedule_next_arrival(service)
        self._replan(service, _ALL_DEPTHS, START)

    def _push(
        self, at: datetime, service: MonitoredService, event: Depth | Evidence | None
    ) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, service, event))

    def _replan(self, service: MonitoredService, depths: tuple[Depth, ...], now: datetime) -> None:
        """Plan the next probes of these depths from the current state."""
        service.plan_input = plan_input(
            service.service,
            service.probe_state,
            service.state,
            service.last_traffic_at,
            service.policy,
            jobs_undecided=service.is_uncertain,
        )
        for depth in depths:
            self._schedule_probe(service, depth, now)

    def _schedule_probe(self, service: MonitoredService, depth: Depth, now: datetime) -> None:
        planned = next_probe(service.plan_input, self._options.pacing, depth)
        if planned is None:
            service.due.pop(depth, None)
            return
        at = max(now, planned.at)
        if service.due.get(depth) != at:
            service.due[depth] = at
            self._push(at, service, depth)

    def _run_probe(self, service: MonitoredService, depth: Depth, now: datetime) -> None:
        del service.due[depth]
        if depth is Depth.GENERATION:
            self._run_paid_probe(service, now)
            return
        failure = service.rehearsed.free_probe(depth, now)
        evidence = Evidence(service.rehearsed.id, now, _SOURCES[depth], failure)
        probe_state = service.probe_state
        probe_state.last_probed_at[depth] = now
        if failure is None and not probe_state.failures_in_a_row:
            self._receive(service, evidence, depth)  # the probe state does not change
        else:
            probe_state.record_free_probe(FreeProbeResult(evidence))
            self._receive(service, evidence, None)

    def _allocate_budget(self, now: datetime) -> None:
        if now - self._allocated_at < ALLOCATION_INTERVAL:
            return
        self._allocated_at = now
        candidates = {
            each.service.id: candidate
            for each in self.services
            if (
                candidate := probe_candidate(
                    each.service, each.probe_state, each.state, now, each.policy
                )
            )
        }
        schedules = allocate_schedules(candidates, self._options.total_budget)
        for each in self.services:
            each.probe_state.schedule = schedules.get(each.service.id)

    def _run_paid_probe(self, service: MonitoredService, now: datetime) -> None:
        self._allocate_budget(now)
        service.is_uncertain = jobs_are_uncertain(service.state, now, service.policy)
        self._replan(service, _PAID_DEPTHS, now)
        if service.due.get(Depth.GENERATION) != now:
            return  # it is due later now, because evidence has aged
        del service.due[Depth.GENERATION]
        price = service.rehearsed.price
        if not (service.budget.allows(price, now) and self._total.allows(price, now)):
            service.withheld += 1
            service.probe_state.record_withheld(now, "budget")
            self._replan(service, _PAID_DEPTHS, now)
            return
        job = service.rehearsed.submit_job(now)
        service.paid_probes += 1
        before = service.probe_state.last_probed_at.get(Depth.GENERATION)
        if job.is_accepted:
            service.budget.spend(price, now)
            self._total.spend(price, now)
        service.probe_state.record_intended(now)
        cost = float(price) if job.is_accepted else 0.0
        service.probe_state.record_paid(service.plan_input, now, before, cost)
        service.probe_state.in_progress.add(Depth.GENERATION)
        self._push_result(service, job, Source.GENERATION, now)

    def _receive_caller_job(self, service: MonitoredService, now: datetime) -> None:
        job = service.rehearsed.submit_job(now)
        if job.is_accepted:
            self._receive(service, Evidence(service.rehearsed.id, now, Source.ACCEPTANCE), None)
        self._push_result(service, job, Source.TRAFFIC, now)
        self._schedule_next_arrival(service)

    def _push_result(
        self, service: MonitoredService, job: JobResult, source: Source, sent_at: datetime
    ) -> None:
        duration = job.ends_at - sent_at
        overdue_at = overdue_after(service.state.job_history, service.policy, STALLED_AFTER)
        if overdue_at is not None and overdue_at < duration:
            failure, at = overdue_failure(overdue_at), sent_at + overdue_at
            self._push(at, service, Evidence(service.rehearsed.id, at, source, failure, overdue_at))
        evidence = Evidence(service.rehearsed.id, job.ends_at, source, job.failure, duration)
        if job.is_accepted:
            service.record_accepted(job, sent_at)
        elif is_refused_order(evidence) and service.may_be_own_pace(sent_at):
            evidence = attribute_to_pace(evidence)
        self._push(job.ends_at, service, evidence)

    def _schedule_next_arrival(self, service: MonitoredService) -> None:
        at = next(service.arrivals, None)
        if at is not None:
            self._push(at, service, None)

    def _receive(self, service: MonitoredService, evidence: Evidence, depth: Depth | None) -> None:
        """Let evidence count as on the board: at once, later together with others, or never.

        `depth` is the depth of a successful free probe, None for any other evidence.
        """
        now = evidence.at
        if evidence.source is Source.TRAFFIC:
            service.last_traffic_at = now
        ruling = self._ruling(service, evidence)
        for piece in ruling.ours:
            self._judge(self._by_id[piece.service], as_ours(piece), None, now)
        for piece in ruling.counted:
            self._judge(self._by_id[piece.service], piece, depth, now)
        for host in ruling.witnesses:
            self._probe_witness(host, now)
        if not ruling.counted and not ruling.ours:
            self._replan(service, _ALL_DEPTHS, now)

    def _ruling(self, service: MonitoredService, evidence: Evidence) -> Ruling:
        is_reached = was_reached(evidence)
        if is_reached is None:
            return Ruling((evidence,))
        provider, flow = service.service.upstream.provider, f"{evidence.service} {evidence.source}"
        call = Call(provider, provider, flow, evidence.began_at, evidence.at, not is_reached)
        return self._network.observe(call, evidence)

    def _probe_witness(self, host: str, now: datetime) -> None:
        """Send a free probe to a host now, if it has one planned."""
        for service in self.services:
            if service.service.upstream.provider == host and Depth.REACH in service.due:
                service.due[Depth.REACH] = now
                self._push(now, service, Depth.REACH)
                return

    def _judge(
        self, service: MonitoredService, evidence: Evidence, depth: Depth | None, now: datetime
    ) -> None:
        """Judge evidence as the board does, and replan the probes that it may affect."""
        policy = service.policy
        before = service.state
        if (
            before.next_change_at is not None
            and before.next_change_at <= evidence.at
            and not self._is_frozen(evidence)
        ):
            while (later := advance_time(service.state, evidence.at, policy)) is not service.state:
                service.apply_state(later, now)
        service.apply_state(judge(service.state, evidence, policy), now)
        after, was_uncertain = service.state, service.is_uncertain
        if after.jobs is not before.jobs or depth is not Depth.REACH:
            # Aging evidence makes jobs uncertain over hours: checking less often suffices.
            service.is_uncertain = jobs_are_uncertain(after, now, policy)
        is_unchanged = after.verdict is before.verdict and after.jobs is before.jobs
        if depth is not None and is_unchanged and was_uncertain is service.is_uncertain:
            # The other inputs of the plan are unchanged.
            self._schedule_probe(service, depth, now)
        elif evidence.source in FREE_SOURCES or after.verdict.status is not before.verdict.status:
            self._replan(service, _ALL_DEPTHS, now)
        else:
            # The plan of free probes does not depend on jobs.
            self._replan(service, _PAID_DEPTHS, now)

    def _is_frozen(self, evidence: Evidence) -> bool:
        """Tell whether verdicts are frozen, because our own network is down."""
        failure = evidence.failure
        return failure is not None and failure.fault is Fault.OURS and self._network.is_down


def run_rehearsal(
    services: Iterable[RehearsedService], days: float, options: RehearsalOptions
) -> tuple[RuleResult, ...]:
    """Return what our rules show for each service."""
    run = RehearsalRun(services, days, options)
    run.run()
    return tuple(
        RuleResult(
            service=each.rehearsed,
            changes=tuple(each.changes),
            paid_probes=each.paid_probes,
            spent=each.budget.total_spent,
            withheld=each.withheld,
        )
        for each in run.services
    )
