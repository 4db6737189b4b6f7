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
from tallylight.probes.budget_allocation import Rhythm
from tallylight.quick import quick

_MOST_DOUBLINGS = 20


class Why(StrEnum):
    """What a probe is to find out."""

    FIRST = "first"  # nothing is known yet
    PACE = "pace"  # the evidence grows stale
    CONFIRM = "confirm"  # a bad shallow result is looked at again
    DOUBT = "doubt"  # the evidence on jobs is contradictory


@dataclass(frozen=True, slots=True)
class Pacing:
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

    confirmations: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=20),
        timedelta(seconds=5),
    )
    doubt_pace: timedelta = timedelta(minutes=5)
    patience: float = 1 / 8
    refused: float = 1 / 4
    odds_pace: timedelta = timedelta(minutes=1)
    traffic_rest: timedelta = timedelta(minutes=2)
    quicker: float = 2.0
    jitter: float = 0.1
    rare_pace: timedelta = timedelta(days=1)


@quick
@dataclass(frozen=True, slots=True)
class Watch:
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
    opening: datetime
    last: Mapping[Depth, datetime] = field(default_factory=dict)
    bad_in_a_row: int = 0
    jobs_in_doubt: bool = False
    jobs_at_odds: bool = False
    jobs_down_from: datetime | None = None
    jobs_recover: bool = False
    is_refused: bool = False
    rhythm: Rhythm | None = None
    door_is_up: bool = True
    status: Status = Status.UNKNOWN
    is_key_refused: bool = False
    traffic_at: datetime | None = None
    usual_job: timedelta | None = None
    is_following: bool = False
    withheld_at: datetime | None = None
    off: frozenset[Depth] = frozenset()
    unanswered: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Appointment:
    """One probe to come."""

    depth: Depth
    at: datetime
    why: Why


def appointments(watch: Watch, pacing: Pacing) -> tuple[Appointment, ...]:
    """Return the next probe of each depth that is worth one, soonest first."""
    planned = (appointment(watch, pacing, depth) for depth in Depth)
    return tuple(sorted((p for p in planned if p is not None), key=lambda p: p.at))


def appointment(watch: Watch, pacing: Pacing, depth: Depth) -> Appointment | None:
    """Return the next probe of one depth, None if none is worth it."""
    match depth:
        case Depth.REACH:
            return _shallow(watch, pacing, depth, watch.service.pace.reach)
        case Depth.CREDENTIALS:
            return _shallow(watch, pacing, depth, watch.service.pace.credentials)
        case Depth.GENERATION:
            return _generation(watch, pacing)


def opening_round(position: int, services: int, interval: timedelta) -> timedelta:
    """Return how long after the start the first probe of a service is due.

    A few services are probed within a second or two of the start, thousands evenly over most of
    one interval; the rest of it is for starting, so that all are checked within one interval of a
    restart.
    """
    spread = min(interval * 3 / 4, timedelta(milliseconds=100) * services)
    return spread * position / max(services, 1)


def _shallow(
    watch: Watch, pacing: Pacing, depth: Depth, pace: timedelta | None
) -> Appointment | None:
    if pace is None or depth in watch.off:
        return None
    if watch.status is Status.RETIRED:
        if depth is Depth.REACH:
            return None
        pace = max(pace, pacing.rare_pace)
    if depth is Depth.CREDENTIALS and watch.unanswered:
        pace = max(pace, min(pace * 2 ** min(watch.unanswered, _MOST_DOUBLINGS), pacing.rare_pace))
    last = watch.last.get(depth)
    if last is None:
        return Appointment(depth, watch.opening, Why.FIRST)
    if depth is Depth.REACH and 0 < watch.bad_in_a_row <= len(pacing.confirmations):
        soon = min(pace, pacing.confirmations[watch.bad_in_a_row - 1])
        return Appointment(depth, last + soon, Why.CONFIRM)
    return Appointment(depth, last + _jittered(pace, watch, last, pacing), Why.PACE)


def _generation(watch: Watch, pacing: Pacing) -> Appointment | None:
    pace = watch.service.pace.generation
    if pace is None or not _may_spend(watch):
        return None
    routine = pace if watch.rhythm is None else watch.rhythm.routine
    placed = watch.last.get(Depth.GENERATION)
    told = max((at for at in (placed, watch.traffic_at) if at is not None), default=None)
    if told is None:
        wanted = Appointment(Depth.GENERATION, watch.opening, Why.FIRST)
    elif watch.jobs_in_doubt or watch.jobs_down_from is not None:
        rest = _rest(watch, pacing, placed or told)
        soon = (placed or told) + min(pace, rest)
        if watch.traffic_at is not None:
            soon = max(soon, watch.traffic_at + min(pace, _traffic_rest(watch, pacing)))
        wanted = Appointment(Depth.GENERATION, soon, Why.DOUBT)
    else:
        due = told + _jittered(routine, watch, told, pacing)
        wanted = Appointment(Depth.GENERATION, due, Why.PACE)
    # A restart after a long time must not place all that is overdue at once.
    if wanted.at < watch.opening:
        wanted = replace(wanted, at=watch.opening)
    if watch.withheld_at is None:
        return wanted
    again = watch.withheld_at + min(pace, pacing.doubt_pace)
    return replace(wanted, at=max(wanted.at, again))


def _rest(watch: Watch, pacing: Pacing, placed: datetime) -> timedelta:
    """Return how long to wait before jobs that are not known to be well are looked at again."""
    if watch.jobs_at_odds:
        return pacing.odds_pace
    if watch.jobs_down_from is None or watch.jobs_recover:
        return pacing.doubt_pace
    patience = pacing.patience * (pacing.refused if watch.is_refused else 1)
    patient = (placed - watch.jobs_down_from) * patience
    if watch.rhythm is not None:
        patient = min(patient, watch.rhythm.recovery)
    return max(pacing.doubt_pace, patient)


def _traffic_rest(watch: Watch, pacing: Pacing) -> timedelta:
    if watch.usual_job is None or not watch.jobs_at_odds:
        return pacing.traffic_rest
    return min(pacing.traffic_rest, watch.usual_job * pacing.quicker)


def _may_spend(watch: Watch) -> bool:
    # A refusal costs nothing, and is often the only way to see a wallet filled or a key accepted
    # again; what the free question for credentials has found, it will find to be over.
    return (
        watch.service.probe_order is not None
        and watch.door_is_up
        and not watch.is_following
        and Depth.GENERATION not in watch.off
        and watch.status not in {Status.RETIRED, Status.MAINTENANCE}
        and not watch.is_key_refused
    )


def _jittered(pace: timedelta, watch: Watch, last: datetime, pacing: Pacing) -> timedelta:
    # A hash in place of chance: the plan stays pure and a test can repeat it.
    share = crc32(f"{watch.service.id}/{last.timestamp()}".encode()) / 2**32
    return timedelta(0, pace.total_seconds() * (1 + pacing.jitter * (2 * share - 1)))
