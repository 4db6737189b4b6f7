"""What the prober remembers of one service."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tallylight.board import Board
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.evidence import Depth, FailureKind, Source
from tallylight.probes.budget_allocation import DecayingSpend, ProbeCandidate, ProbeSchedule
from tallylight.probes.free_probes import FreeProbeResult
from tallylight.probes.plan import PlanInput
from tallylight.verdicts.judge import (
    api_is_up,
    has_conflicting_evidence,
    jobs_are_uncertain,
    jobs_down_since,
)
from tallylight.verdicts.outage_history import expected_outages
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_FREE_SOURCES = frozenset({Source.REACH, Source.CREDENTIALS})

_ROUTINE_SHARE = 0.8  # what comes sooner than this share of the routine is out of its turn


@dataclass(slots=True)
class ProbeState:
    """One service's probes so far.

    Args:
        opening: When its first round is due.
        last: When each depth was last probed.
        under_way: What is being probed now.
        off: What turned out to be billed though it was meant to be free.
        bad_in_a_row: Bad shallow results since the last good one.
        unanswered: Free questions in a row that may have been billed.
        put_off_at: When a generation could last not be placed.
        withheld: Which budget did not allow it, "" if none is in the way.
        rhythm: How often a generation is worth its money; None until that was reckoned.
        is_refused: Whether the newest generation was refused, hence cost nothing.
        beyond: What probes out of their turn cost lately: doubts and recoveries.
    """

    first_due_at: datetime
    last_probed_at: dict[Depth, datetime] = field(default_factory=dict)
    in_progress: set[Depth] = field(default_factory=set)
    disabled_depths: frozenset[Depth] = frozenset()
    failures_in_a_row: int = 0
    unanswered_count: int = 0
    withheld_at: datetime | None = None
    withheld_reason: str = ""
    schedule: ProbeSchedule | None = None
    was_refused: bool = False
    extra_spend: DecayingSpend | None = None

    def record_free_probe(self, result: FreeProbeResult) -> None:
        """Take in what a free probe found."""
        if result.evidence.is_bad:
            self.failures_in_a_row += 1
        elif result.evidence.is_good:
            self.failures_in_a_row = 0
        if result.evidence.source is Source.CREDENTIALS:
            self.unanswered_count = self.unanswered_count + 1 if result.may_be_billed else 0

    def record_intended(self, at: datetime) -> None:
        """Take in that a generation was placed."""
        self.last_probed_at[Depth.GENERATION] = at
        self.withheld_at, self.withheld_reason = None, ""

    def record_cost(
        self, intended_at: datetime, previous_intended_at: datetime | None, cost: float
    ) -> None:
        """Take in what a generation cost; 0 if it was refused."""
        self.was_refused = not cost
        if self.schedule is None or self.extra_spend is None or previous_intended_at is None:
            return
        if intended_at - previous_intended_at < self.schedule.routine_interval * _ROUTINE_SHARE:
            self.extra_spend = self.extra_spend.plus(cost, intended_at)

    def record_withheld(self, at: datetime, reason: str) -> None:
        """Take in that a generation could not be placed, and which budget did not allow it."""
        self.withheld_at, self.withheld_reason = at, reason


def current_plan_input(
    service: Service, probe_state: ProbeState, board: Board, clock: Clock
) -> PlanInput:
    """Return all that the plan needs to know about a service now."""
    standing, policy = board.state(service.id)
    traffic = board.latest_evidence(service.id, Source.TRAFFIC)
    traffic_at = None if traffic is None else traffic.at
    in_doubt = jobs_are_uncertain(standing, clock.now(), policy)
    return plan_input(service, probe_state, standing, traffic_at, jobs_undecided=in_doubt)


def plan_input(
    service: Service,
    probe_state: ProbeState,
    service_state: ServiceState,
    traffic_at: datetime | None,
    *,
    jobs_undecided: bool,
) -> PlanInput:
    """Return what the plan needs to know, from a diary and a standing."""
    blocked, usual = service_state.blocked, service_state.job_history.median_seconds
    return PlanInput(
        service=service,
        first_due_at=probe_state.first_due_at,
        last_probed_at=probe_state.last_probed_at,
        failures_in_a_row=probe_state.failures_in_a_row,
        jobs_undecided=jobs_undecided,
        has_conflicting_evidence=has_conflicting_evidence(service_state),
        jobs_down_since=jobs_down_since(service_state),
        jobs_recovering=not service_state.jobs.is_failing,
        was_refused=probe_state.was_refused,
        schedule=probe_state.schedule,
        api_is_up=api_is_up(service_state),
        status=service_state.verdict.status,
        is_key_refused=(
            blocked is not None
            and blocked.kind is FailureKind.AUTH
            and blocked.source in _FREE_SOURCES
            and service.probe_intervals.credentials is not None
            and Depth.CREDENTIALS not in probe_state.disabled_depths
        ),
        last_traffic_at=traffic_at,
        usual_job_time=None if usual is None else timedelta(seconds=usual),
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
    """Return what sharing the money out needs to know of a service; None if it takes none."""
    pace, price = service.probe_intervals.generation, probe_cost(service)
    if pace is None or not price:
        return None
    between, length = expected_outages(service_state, now, policy)
    usual = DecayingSpend.expected(pace, float(price), now)
    probe_state.extra_spend = probe_state.extra_spend or usual
    return ProbeCandidate(
        pace, float(price), between, length, probe_state.extra_spend.per_day(now), service.budget
    )
