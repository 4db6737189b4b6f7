"""The prober's state of one service, and what the plan and the allocation read from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tallylight.board import Board
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import PaceBasis, Service
from tallylight.clock import Clock
from tallylight.model.evidence import Depth, Source
from tallylight.model.ids import ServiceId
from tallylight.probes.budget_allocation import DecayingSpend, ProbeCandidate, ProbeSchedule
from tallylight.probes.free_probes import FreeProbeResult
from tallylight.probes.plan import PlanInput
from tallylight.verdicts.blocking import KeyPeriod, orders_refused_at, paid_probes_wait_until
from tallylight.verdicts.judge import (
    api_is_up,
    has_conflicting_evidence,
    jobs_are_uncertain,
    jobs_down_since,
)
from tallylight.verdicts.lifecycle import feed_ended_outage, feed_is_shown
from tallylight.verdicts.outage_history import expected_outages
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_ROUTINE_SHARE = 0.8  # a probe after less than this share of the routine interval is an extra one


@dataclass(slots=True)
class ProbeState:
    """The probes of one service so far.

    Args:
        first_due_at: When its first round is due.
        last_probed_at: When each depth was last probed.
        in_progress: The depths that are being probed now.
        finished: The depths of which a probe has ended.
        disabled_depths: Depths whose free probe was billed.
        failures_in_a_row: Bad free probes since the last good one.
        unanswered_count: Credentials probes in a row that may have been billed.
        key_checked_at: When the newest credentials probe began.
        withheld_at: When a generation could last not be sent.
        withheld_reason: Which budget did not allow it, "" if none prevents one.
        mends: By address, the other address that was tried, or "" if the API does not answer there.
        schedule: The allocated intervals; None until the first allocation.
        refusals_in_a_row: The newest generations that were refused and cost nothing.
        extra_spend: Recent spending outside the routine, on undecided services and recoveries.
        reported_spend: Recent spending because a believed page reports trouble.
    """

    first_due_at: datetime
    last_probed_at: dict[Depth, datetime] = field(default_factory=dict)
    in_progress: set[Depth] = field(default_factory=set)
    finished: set[Depth] = field(default_factory=set)
    disabled_depths: frozenset[Depth] = frozenset()
    failures_in_a_row: int = 0
    unanswered_count: int = 0
    key_checked_at: datetime | None = None
    withheld_at: datetime | None = None
    withheld_reason: str = ""
    mends: dict[str, str] = field(default_factory=dict)
    schedule: ProbeSchedule | None = None
    refusals_in_a_row: int = 0
    extra_spend: DecayingSpend | None = None
    reported_spend: DecayingSpend | None = None

    def may_probe(self, depth: Depth) -> bool:
        """Tell whether a depth may be probed now: it is neither disabled nor in progress.

        The first order waits for the first check of the key, which finds mistakes in the
        configuration: an order fails there as in an outage.
        """
        if depth in self.disabled_depths or depth in self.in_progress:
            return False
        is_first_check = Depth.CREDENTIALS in self.in_progress - self.finished
        return depth is not Depth.GENERATION or not is_first_check

    def record_finished(self, depth: Depth) -> None:
        """Record that a probe is over and its evidence reported."""
        self.in_progress.discard(depth)
        self.finished.add(depth)

    def record_end(self, depth: Depth, began_at: datetime, ended_at: datetime) -> None:
        """Record that a free probe has ended, whatever its result."""
        self.last_probed_at[depth] = ended_at
        if depth is Depth.CREDENTIALS:
            self.key_checked_at = began_at

    def record_free_probe(self, result: FreeProbeResult) -> None:
        """Record the result of a free probe."""
        if result.evidence.is_bad:
            self.failures_in_a_row += 1
        elif result.evidence.is_good:
            self.failures_in_a_row = 0
        if result.evidence.source is Source.CREDENTIALS:
            self.unanswered_count = self.unanswered_count + 1 if result.may_be_billed else 0

    def record_intended(self, at: datetime) -> None:
        """Record that a generation was sent."""
        self.last_probed_at[Depth.GENERATION] = at
        self.withheld_at, self.withheld_reason = None, ""

    def record_paid(
        self, facts: PlanInput, at: datetime, previous_at: datetime | None, cost: float
    ) -> None:
        """Record the cost of a generation that was sent for these facts; 0 if it was refused."""
        self.refusals_in_a_row = 0 if cost else self.refusals_in_a_row + 1
        if facts.feed_reports_since is not None:
            # A page raised it, so the service's own routine pays it.
            spend = self.reported_spend or DecayingSpend(0.0, at)
            self.reported_spend = spend.plus(cost, at)
            return
        if self.schedule is None or self.extra_spend is None or previous_at is None:
            return
        if at - previous_at < self.schedule.routine_interval * _ROUTINE_SHARE:
            self.extra_spend = self.extra_spend.plus(cost, at)

    def record_withheld(self, at: datetime, reason: str) -> None:
        """Record that a generation could not be sent, and which budget did not allow it."""
        self.withheld_at, self.withheld_reason = at, reason


def current_plan_input(
    service: Service, probe_state: ProbeState, board: Board, clock: Clock
) -> PlanInput:
    """Return the facts about a service for the plan, as of now."""
    state, policy = board.state(service.id)
    traffic = board.latest_evidence(service.id, Source.TRAFFIC)
    traffic_at = None if traffic is None else traffic.at
    undecided = jobs_are_uncertain(state, clock.now(), policy)
    return plan_input(
        service,
        probe_state,
        state,
        traffic_at,
        policy,
        jobs_undecided=undecided,
        key_period=board.key_period(service.id),
    )


def plan_input(  # noqa: PLR0913  # the states of the prober, the judge and the board
    service: Service,
    probe_state: ProbeState,
    service_state: ServiceState,
    traffic_at: datetime | None,
    policy: Policy,
    *,
    jobs_undecided: bool,
    key_period: KeyPeriod | None = None,
) -> PlanInput:
    """Return the facts for the plan from the prober's and the judge's state of a service."""
    usual_seconds, intervals = service_state.job_history.median_seconds, service.probe_intervals
    if Depth.CREDENTIALS in probe_state.disabled_depths:
        intervals = replace(intervals, credentials=None)
    return PlanInput(
        service=service,
        first_due_at=probe_state.first_due_at,
        last_probed_at=probe_state.last_probed_at,
        failures_in_a_row=probe_state.failures_in_a_row,
        jobs_undecided=jobs_undecided,
        has_conflicting_evidence=has_conflicting_evidence(service_state),
        jobs_down_since=jobs_down_since(service_state),
        jobs_recovering=not service_state.jobs.is_failing
        or feed_ended_outage(service_state, policy),
        feed_reports_since=service_state.feed.at if feed_is_shown(service_state, policy) else None,
        refusals_in_a_row=probe_state.refusals_in_a_row,
        refused_at=orders_refused_at(service_state),
        schedule=probe_state.schedule,
        api_is_up=api_is_up(service_state),
        status=service_state.verdict.status,
        key_refused_until=paid_probes_wait_until(service_state, intervals),
        key_replaced_at=None if key_period is None else key_period.replaced_at,
        key_checked_at=probe_state.key_checked_at,
        last_traffic_at=traffic_at,
        usual_job_time=None if usual_seconds is None else timedelta(seconds=usual_seconds),
        has_open_attempt=Depth.GENERATION in probe_state.in_progress,
        withheld_at=probe_state.withheld_at,
        disabled_depths=probe_state.disabled_depths,
        unanswered_count=probe_state.unanswered_count,
    )


def probe_candidate(
    service: Service,
    probe_state: ProbeState,
    service_state: ServiceState,
    now: datetime,
    policy: Policy,
) -> ProbeCandidate | None:
    """Return a service's facts for the allocation; None if its probes cost nothing."""
    interval, cost = service.probe_intervals.generation, probe_cost(service)
    if interval is None or not cost:
        return None
    is_at_least = service.probe_intervals.generation_basis is PaceBasis.AT_LEAST
    between, length = expected_outages(service_state, now, policy)
    if probe_state.extra_spend is None:
        probe_state.extra_spend = DecayingSpend.expected(interval, float(cost), now)
    extra = probe_state.extra_spend.per_day(now)
    reported = probe_state.reported_spend
    return ProbeCandidate(
        interval,
        float(cost),
        between,
        length,
        extra,
        service.budget,
        is_at_least=is_at_least,
        reported_per_day=0.0 if reported is None else reported.per_day(now),
    )


def probe_candidates(
    states: Mapping[ServiceId, ProbeState], board: Board, now: datetime
) -> dict[ServiceId, ProbeCandidate]:
    """Return what the allocation needs to know of the services that are on the board."""
    found = {}
    for id_, state in states.items():
        if id_ in board:
            service_state, policy = board.state(id_)
            candidate = probe_candidate(board.service(id_), state, service_state, now, policy)
            if candidate is not None:
                found[id_] = candidate
    return found
