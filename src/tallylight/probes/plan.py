"""Plans which probe of a service is due when, and why; pure.

Free probes run at their intervals and are repeated soon after a first bad result. A paid generation
is sent soon where the evidence on jobs is undecided, and otherwise at a long interval that keeps
the evidence fresh. The figures are rule 5 of `docs/verdicts.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zlib import crc32

from tallylight.catalogue.services import PaceBasis, Service
from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ProbeSchedule

_MAX_DOUBLINGS = 20


class ProbeReason(StrEnum):
    """Why a probe is sent."""

    FIRST = "first"  # there is no evidence yet
    ROUTINE = "routine"  # the evidence expires
    CONFIRM = "confirm"  # a bad free probe is repeated
    UNDECIDED = "undecided"  # the evidence on jobs does not decide, or jobs are failing
    REFUSED = "refused"  # our key, balance or rate of orders is refused, which costs nothing


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    """The timing that applies to the probes of all services.

    Args:
        retry_delays: The delay after the first, second, … bad free probe in a row; after that the
            configured interval applies.
        undecided_interval: The shortest interval between two paid probes of one service.
        outage_backoff: While jobs fail, the next probe comes after this fraction of the outage so
            far: an outage of a day is unlikely to end within a minute.
        refusal_factor: That delay is multiplied by this factor while orders are refused, which
            costs nothing.
        refusal_delays: The delay after the first, second, … refusal in a row of our key, balance or
            rate of orders; the last applies to all further ones.
        reported_interval: The shortest interval while jobs pass and a believed page reports
            trouble.
        conflict_interval: The delay after a result that contradicts earlier ones. It adds no
            probe and decides minutes earlier.
        traffic_wait: A paid probe waits this long after the end of a caller's job, whose
            successors may decide for free.
        job_time_factor: If callers' jobs contradict the state, the wait is at most this multiple
            of the usual job time.
        jitter: The fraction by which an interval is randomly lengthened or shortened, so that the
            probes of many services are not sent at once.
        key_check_spread: After a key was replaced, its services are checked within this time.
        rare_interval: How often the key of a retired service is still checked; also the longest
            interval of a free probe that may have been billed.
    """

    retry_delays: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=20),
        timedelta(seconds=5),
    )
    undecided_interval: timedelta = timedelta(minutes=5)
    outage_backoff: float = 1 / 8
    refusal_factor: float = 1 / 4
    refusal_delays: tuple[timedelta, ...] = tuple(
        timedelta(minutes=minutes) for minutes in (5, 5, 5, 10, 20, 40, 60)
    )
    reported_interval: timedelta = timedelta(minutes=25)
    conflict_interval: timedelta = timedelta(minutes=1)
    traffic_wait: timedelta = timedelta(minutes=2)
    job_time_factor: float = 2.0
    jitter: float = 0.1
    key_check_spread: timedelta = timedelta(seconds=5)
    rare_interval: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PlanInput:
    """The facts about one service from which its probes are planned.

    Args:
        service: The service.
        first_due_at: When its first round is due; first rounds are spread over the services.
        last_probed_at: When each depth was last probed: the end of a free probe, the start of a
            generation.
        failures_in_a_row: Bad free probes since the last good one.
        jobs_undecided: The judge cannot tell whether jobs succeed.
        has_conflicting_evidence: The newest jobs contradict the judge's state.
        jobs_down_since: Since when jobs fail; None while they do not.
        jobs_recovering: Jobs fail, but the newest succeeded, or a believed page says that the
            outage is over.
        feed_reports_since: Since when a believed page reports trouble although jobs pass.
        refusals_in_a_row: The newest paid probes that were refused and cost nothing; the next may
            be too.
        refused_at: When an order was last refused because of our key, balance or rate of orders;
            None while none of these keeps us out.
        schedule: The allocated intervals; None applies the service's own interval.
        api_is_up: The API responds.
        status: The current status.
        key_refused_until: Until when credentials probes, which find our key refused, are expected
            to find it accepted again; None if the key is not left to them.
        key_replaced_at: When a reload replaced the key; None if none did.
        key_checked_at: When the newest credentials probe of this process began.
        last_traffic_at: The newest end of a caller's job, which gives evidence for free.
        usual_job_time: The usual duration of a job; None if it is not known.
        has_open_attempt: A generation of this service is still running.
        withheld_at: When a generation could last not be sent, mostly for lack of budget.
        disabled_depths: Depths whose free probe was billed.
        unanswered_count: Credentials probes in a row that were sent as a POST without a response,
            so they may have been billed.
    """

    service: Service
    first_due_at: datetime
    last_probed_at: Mapping[Depth, datetime] = field(default_factory=dict)
    failures_in_a_row: int = 0
    jobs_undecided: bool = False
    has_conflicting_evidence: bool = False
    jobs_down_since: datetime | None = None
    jobs_recovering: bool = False
    refusals_in_a_row: int = 0
    refused_at: datetime | None = None
    feed_reports_since: datetime | None = None
    schedule: ProbeSchedule | None = None
    api_is_up: bool = True
    status: Status = Status.UNKNOWN
    key_refused_until: datetime | None = None
    key_replaced_at: datetime | None = None
    key_checked_at: datetime | None = None
    last_traffic_at: datetime | None = None
    usual_job_time: timedelta | None = None
    has_open_attempt: bool = False
    withheld_at: datetime | None = None
    disabled_depths: frozenset[Depth] = frozenset()
    unanswered_count: int = 0


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """The next probe of one depth."""

    depth: Depth
    at: datetime
    reason: ProbeReason


def planned_probes(facts: PlanInput, timing: ProbeTiming) -> tuple[PlannedProbe, ...]:
    """Return the next probe of each depth that has one, soonest first."""
    planned = (next_probe(facts, timing, depth) for depth in Depth)
    return tuple(sorted((p for p in planned if p is not None), key=lambda p: p.at))


def next_probe(facts: PlanInput, timing: ProbeTiming, depth: Depth) -> PlannedProbe | None:
    """Return the next probe of one depth; None if there is none."""
    intervals = facts.service.probe_intervals
    match depth:
        case Depth.REACH:
            return _free_probe(facts, timing, depth, intervals.reach)
        case Depth.CREDENTIALS:
            return _free_probe(facts, timing, depth, intervals.credentials)
        case Depth.GENERATION:
            return _paid_probe(facts, timing)


def initial_delay(position: int, services: int, interval: timedelta) -> timedelta:
    """Return the delay of a service's first probe after the start.

    A few services are probed within a second or two, thousands are spread evenly over three
    quarters of an interval. The last quarter leaves time for starting, so that all are checked
    within one interval of a restart.
    """
    spread = min(interval * 3 / 4, timedelta(milliseconds=100) * services)
    return spread * position / max(services, 1)


def _free_probe(
    facts: PlanInput, timing: ProbeTiming, depth: Depth, interval: timedelta | None
) -> PlannedProbe | None:
    if interval is None or depth in facts.disabled_depths:
        return None
    if facts.status is Status.RETIRED:
        if depth is Depth.REACH:
            return None
        interval = max(interval, timing.rare_interval)
    if depth is Depth.CREDENTIALS and facts.unanswered_count:
        doubled = interval * 2 ** min(facts.unanswered_count, _MAX_DOUBLINGS)
        interval = max(interval, min(doubled, timing.rare_interval))
    last = facts.last_probed_at.get(depth)
    if last is None:
        return PlannedProbe(depth, facts.first_due_at, ProbeReason.FIRST)
    if depth is Depth.REACH and 0 < facts.failures_in_a_row <= len(timing.retry_delays):
        delay = min(interval, timing.retry_delays[facts.failures_in_a_row - 1])
        return PlannedProbe(depth, last + delay, ProbeReason.CONFIRM)
    due_at = last + _jittered(interval, facts, last, timing)
    if depth is Depth.CREDENTIALS and (check_at := _key_check_at(facts, timing)) is not None:
        return PlannedProbe(depth, min(due_at, check_at), ProbeReason.FIRST)
    return PlannedProbe(depth, due_at, ProbeReason.ROUTINE)


def _key_check_at(facts: PlanInput, timing: ProbeTiming) -> datetime | None:
    """Return when a replaced key is checked: soon, unless each check may be billed."""
    replaced_at, checked_at = facts.key_replaced_at, facts.key_checked_at
    if replaced_at is None or facts.unanswered_count:
        return None
    if checked_at is not None and checked_at >= replaced_at:
        return None
    return replaced_at + timing.key_check_spread * _share(facts, replaced_at)


def _paid_probe(facts: PlanInput, timing: ProbeTiming) -> PlannedProbe | None:
    interval = facts.service.probe_intervals.generation
    if interval is None or not _may_spend(facts):
        return None
    last_probe, last_traffic = facts.last_probed_at.get(Depth.GENERATION), facts.last_traffic_at
    last = max((at for at in (last_probe, last_traffic) if at is not None), default=None)
    if last is None:
        reason, due_at = ProbeReason.FIRST, facts.first_due_at
    elif _is_undecided(facts):
        reason, since = ProbeReason.UNDECIDED, last_probe or last
        due_at = since + min(interval, _retry_delay(facts, timing, since))
        if last_traffic is not None:
            due_at = max(due_at, last_traffic + min(interval, _traffic_wait(facts, timing)))
    else:
        reason = ProbeReason.ROUTINE
        routine = interval if facts.schedule is None else facts.schedule.routine_interval
        if facts.service.probe_intervals.generation_basis is PaceBasis.AT_LEAST:
            routine /= 1 + timing.jitter  # the longest one, too, is no longer than that
        due_at = last + _jittered(routine, facts, last, timing)
    if (again_at := _refused_until(facts, timing)) is not None and again_at < due_at:
        reason, due_at = ProbeReason.REFUSED, again_at
    # After a long downtime everything is overdue; it must not be sent at once.
    due_at = max(due_at, facts.first_due_at)
    if facts.key_refused_until is not None:
        due_at = max(due_at, facts.key_refused_until)
    if facts.withheld_at is not None:
        due_at = max(due_at, facts.withheld_at + min(interval, timing.undecided_interval))
    return PlannedProbe(Depth.GENERATION, due_at, reason)


def _refused_until(facts: PlanInput, timing: ProbeTiming) -> datetime | None:
    """Return when a refused order is repeated; None if none was, or if the refusal cost money.

    A refused order is free, and often the only way to see that a balance was topped up.
    """
    refused_at, delays = facts.refused_at, timing.refusal_delays
    last_probe, times = facts.last_probed_at.get(Depth.GENERATION), facts.refusals_in_a_row
    if refused_at is None:
        return None
    if last_probe is None or refused_at - last_probe > delays[0]:
        return refused_at + delays[0]  # an order of a caller was refused
    return last_probe + delays[min(times, len(delays)) - 1] if times else None


def _is_undecided(facts: PlanInput) -> bool:
    return (
        facts.jobs_undecided
        or facts.jobs_down_since is not None
        or facts.feed_reports_since is not None
    )


def _retry_delay(facts: PlanInput, timing: ProbeTiming, last_probe: datetime) -> timedelta:
    """Return the delay before the next paid probe while jobs fail or are undecided."""
    backoff, down_since = timing.outage_backoff, facts.jobs_down_since
    if facts.feed_reports_since is not None and facts.jobs_recovering:
        # A job that passes is expected in a partial outage, so it is no cause to hurry.
        delay = (last_probe - (down_since or facts.feed_reports_since)) * backoff
        return _limited(delay, facts, timing.reported_interval)
    if facts.has_conflicting_evidence:
        return timing.conflict_interval
    if down_since is None or facts.jobs_recovering:
        return timing.undecided_interval
    backoff *= timing.refusal_factor if facts.refusals_in_a_row else 1
    return _limited((last_probe - down_since) * backoff, facts, timing.undecided_interval)


def _limited(delay: timedelta, facts: PlanInput, shortest: timedelta) -> timedelta:
    """Return a delay that is at least the shortest, and no longer than the allocated one."""
    longest = delay if facts.schedule is None else facts.schedule.recovery_interval
    return max(shortest, min(delay, longest))


def _traffic_wait(facts: PlanInput, timing: ProbeTiming) -> timedelta:
    if facts.usual_job_time is None or not facts.has_conflicting_evidence:
        return timing.traffic_wait
    return min(timing.traffic_wait, facts.usual_job_time * timing.job_time_factor)


def _may_spend(facts: PlanInput) -> bool:
    # A blocked service is probed all the same: a refusal costs nothing, and is often the only way
    # to see that a balance was topped up.
    return (
        facts.service.probe_order is not None
        and facts.api_is_up
        and not facts.has_open_attempt
        and Depth.GENERATION not in facts.disabled_depths
        and facts.status not in {Status.RETIRED, Status.MAINTENANCE}
    )


def _jittered(
    interval: timedelta, facts: PlanInput, last: datetime, timing: ProbeTiming
) -> timedelta:
    share = _share(facts, last)
    return timedelta(0, interval.total_seconds() * (1 + timing.jitter * (2 * share - 1)))


def _share(facts: PlanInput, at: datetime) -> float:
    """Return a ratio from 0.0 to 1.0 that differs from service to service."""
    # A hash instead of a random number, so that the plan stays pure and repeatable.
    return crc32(f"{facts.service.id}/{at.timestamp()}".encode()) / 2**32
