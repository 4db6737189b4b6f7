"""Which probe of a service is due when, and why; pure.

Free probes run at their pace and come back quickly after a first bad result. A paid generation is
placed where it buys knowledge: where the jobs are in doubt, and else at a slow pace that keeps the
evidence fresh. The figures are rule 5 of `docs/verdicts.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zlib import crc32

from tallylight.catalogue.services import Service
from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.probes.budget_allocation import ProbeSchedule

_MAX_DOUBLINGS = 20


class ProbeReason(StrEnum):
    """What a probe is to find out."""

    FIRST = "first"  # nothing is known yet
    ROUTINE = "pace"  # the evidence grows stale
    CONFIRM = "confirm"  # a bad shallow result is looked at again
    UNDECIDED = "doubt"  # the evidence on jobs is contradictory


@dataclass(frozen=True, slots=True)
class ProbeTiming:
    """What holds for the probes of all services.

    Args:
        confirmations: After the first, second, … bad shallow result in a row, how soon to look
            again; after that the ordinary pace holds.
        doubt_pace: The shortest time between two paid probes of one service …
        patience: While jobs are known to fail, the next look comes after so much of the time that
            they have failed already: an outage of a day is not over a minute from now …
        refused: … and sooner by this factor where the newest order was refused: that is free.
        odds_pace: … but so soon is a first result that contradicts the rest looked at again: it
            costs no probe more, and decides minutes earlier.
        traffic_rest: While callers' jobs end this often, their results are waited for instead …
        quicker: … but where they contradict what is held of them, no longer than so many times
            what a job of our own would take.
        jitter: By which share of itself a pace is stretched or shortened, so that probes of many
            services do not march in step.
        rare_pace: How often a retired service's key is still tried, for free; and the rarest that
            a free question is asked which may have been billed.
    """

    retry_delays: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=20),
        timedelta(seconds=5),
    )
    undecided_interval: timedelta = timedelta(minutes=5)
    outage_backoff: float = 1 / 8
    refusal_factor: float = 1 / 4
    conflict_interval: timedelta = timedelta(minutes=1)
    traffic_wait: timedelta = timedelta(minutes=2)
    job_time_factor: float = 2.0
    jitter: float = 0.1
    rare_interval: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PlanInput:
    """All that the plan needs to know about one service at one moment.

    Args:
        service: Whose probes are planned.
        opening: When the first round reaches it; the round is spread over the services.
        last: When each depth was last probed: shallow ones ended, a generation was placed.
        bad_in_a_row: Bad shallow results since the last good one.
        jobs_in_doubt: The judge cannot tell whether jobs are done.
        jobs_at_odds: The newest jobs contradict what the judge holds of them.
        jobs_down_from: Since when the jobs are held to fail, None while they are not.
        jobs_recover: They are, but the newest of them went well.
        is_refused: The newest paid probe was refused, hence cost nothing, as the next may.
        rhythm: How often it is worth its money; None: as the service's own pace has it.
        door_is_up: Whether the door counts as open.
        status: The status that stands.
        is_key_refused: The free question for credentials finds our key refused, and will find it
            accepted again.
        traffic_at: The newest end of a caller's job; live traffic tells for nothing.
        usual_job: How long a job usually takes; None while that is not known.
        is_following: A generation of this service is still under way.
        withheld_at: When a generation could last not be placed, for want of a budget mostly.
        off: Depths that were switched off because a free probe turned out to be billed.
        unanswered: Free questions in a row that were sent as an order is and never answered:
            nobody knows whether they were billed.
    """

    service: Service
    first_due_at: datetime
    last_probed_at: Mapping[Depth, datetime] = field(default_factory=dict)
    failures_in_a_row: int = 0
    jobs_undecided: bool = False
    has_conflicting_evidence: bool = False
    jobs_down_since: datetime | None = None
    jobs_recovering: bool = False
    was_refused: bool = False
    schedule: ProbeSchedule | None = None
    api_is_up: bool = True
    status: Status = Status.UNKNOWN
    is_key_refused: bool = False
    last_traffic_at: datetime | None = None
    usual_job_time: timedelta | None = None
    has_open_attempt: bool = False
    withheld_at: datetime | None = None
    disabled_depths: frozenset[Depth] = frozenset()
    unanswered_count: int = 0


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """One probe to come."""

    depth: Depth
    at: datetime
    reason: ProbeReason


def planned_probes(service_input: PlanInput, timing: ProbeTiming) -> tuple[PlannedProbe, ...]:
    """Return the next probe of each depth that is worth one, soonest first."""
    planned = (next_probe(service_input, timing, depth) for depth in Depth)
    return tuple(sorted((p for p in planned if p is not None), key=lambda p: p.at))


def next_probe(service_input: PlanInput, timing: ProbeTiming, depth: Depth) -> PlannedProbe | None:
    """Return the next probe of one depth, None if none is worth it."""
    match depth:
        case Depth.REACH:
            return _free_probe(
                service_input, timing, depth, service_input.service.probe_intervals.reach
            )
        case Depth.CREDENTIALS:
            return _free_probe(
                service_input, timing, depth, service_input.service.probe_intervals.credentials
            )
        case Depth.GENERATION:
            return _paid_probe(service_input, timing)


def initial_delay(position: int, services: int, interval: timedelta) -> timedelta:
    """Return how long after the start the first probe of a service is due.

    A few services are probed within a second or two of the start, thousands evenly over most of
    one interval; the rest of it is for starting, so that all are checked within one interval of a
    restart.
    """
    spread = min(interval * 3 / 4, timedelta(milliseconds=100) * services)
    return spread * position / max(services, 1)


def _free_probe(
    service_input: PlanInput, timing: ProbeTiming, depth: Depth, interval: timedelta | None
) -> PlannedProbe | None:
    if interval is None or depth in service_input.disabled_depths:
        return None
    if service_input.status is Status.RETIRED:
        if depth is Depth.REACH:
            return None
        interval = max(interval, timing.rare_interval)
    if depth is Depth.CREDENTIALS and service_input.unanswered_count:
        interval = max(
            interval,
            min(
                interval * 2 ** min(service_input.unanswered_count, _MAX_DOUBLINGS),
                timing.rare_interval,
            ),
        )
    last = service_input.last_probed_at.get(depth)
    if last is None:
        return PlannedProbe(depth, service_input.first_due_at, ProbeReason.FIRST)
    if depth is Depth.REACH and 0 < service_input.failures_in_a_row <= len(timing.retry_delays):
        soon = min(interval, timing.retry_delays[service_input.failures_in_a_row - 1])
        return PlannedProbe(depth, last + soon, ProbeReason.CONFIRM)
    return PlannedProbe(
        depth, last + _jittered(interval, service_input, last, timing), ProbeReason.ROUTINE
    )


def _paid_probe(service_input: PlanInput, timing: ProbeTiming) -> PlannedProbe | None:
    pace = service_input.service.probe_intervals.generation
    if pace is None or not _may_spend(service_input):
        return None
    routine = pace if service_input.schedule is None else service_input.schedule.routine_interval
    placed = service_input.last_probed_at.get(Depth.GENERATION)
    told = max(
        (at for at in (placed, service_input.last_traffic_at) if at is not None), default=None
    )
    if told is None:
        wanted = PlannedProbe(Depth.GENERATION, service_input.first_due_at, ProbeReason.FIRST)
    elif service_input.jobs_undecided or service_input.jobs_down_since is not None:
        rest = _retry_delay(service_input, timing, placed or told)
        soon = (placed or told) + min(pace, rest)
        if service_input.last_traffic_at is not None:
            soon = max(
                soon,
                service_input.last_traffic_at + min(pace, _traffic_wait(service_input, timing)),
            )
        wanted = PlannedProbe(Depth.GENERATION, soon, ProbeReason.UNDECIDED)
    else:
        due = told + _jittered(routine, service_input, told, timing)
        wanted = PlannedProbe(Depth.GENERATION, due, ProbeReason.ROUTINE)
    # A restart after a long time must not place all that is overdue at once.
    if wanted.at < service_input.first_due_at:
        wanted = replace(wanted, at=service_input.first_due_at)
    if service_input.withheld_at is None:
        return wanted
    again = service_input.withheld_at + min(pace, timing.undecided_interval)
    return replace(wanted, at=max(wanted.at, again))


def _retry_delay(
    service_input: PlanInput, timing: ProbeTiming, last_intended_at: datetime
) -> timedelta:
    """Return how long to wait before jobs that are not known to be well are looked at again."""
    if service_input.has_conflicting_evidence:
        return timing.conflict_interval
    if service_input.jobs_down_since is None or service_input.jobs_recovering:
        return timing.undecided_interval
    patience = timing.outage_backoff * (timing.refusal_factor if service_input.was_refused else 1)
    patient = (last_intended_at - service_input.jobs_down_since) * patience
    if service_input.schedule is not None:
        patient = min(patient, service_input.schedule.recovery_interval)
    return max(timing.undecided_interval, patient)


def _traffic_wait(service_input: PlanInput, timing: ProbeTiming) -> timedelta:
    if service_input.usual_job_time is None or not service_input.has_conflicting_evidence:
        return timing.traffic_wait
    return min(timing.traffic_wait, service_input.usual_job_time * timing.job_time_factor)


def _may_spend(service_input: PlanInput) -> bool:
    # A refusal costs nothing, and is often the only way to see a wallet filled or a key accepted
    # again; what the free question for credentials has found, it will find to be over.
    return (
        service_input.service.probe_order is not None
        and service_input.api_is_up
        and not service_input.has_open_attempt
        and Depth.GENERATION not in service_input.disabled_depths
        and service_input.status not in {Status.RETIRED, Status.MAINTENANCE}
        and not service_input.is_key_refused
    )


def _jittered(
    interval: timedelta, service_input: PlanInput, last: datetime, timing: ProbeTiming
) -> timedelta:
    # A hash in place of chance: the plan stays pure and a test can repeat it.
    share = crc32(f"{service_input.service.id}/{last.timestamp()}".encode()) / 2**32
    return timedelta(0, interval.total_seconds() * (1 + timing.jitter * (2 * share - 1)))
