"""The report on a service: its figures over a window, its stars, and what it is fit for.

The rule for stars and recommendations is written in `docs/report.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from statistics import median

from tallylight.model.job_totals import JobTotals
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.availability import Availability, availability_from_totals, status_totals

MIN_MONITORED = timedelta(days=1)
MIN_COVERAGE = 0.5
MIN_JOBS = 5
MAX_STARS = 5

_WEEK = timedelta(weeks=1)

_Scale = tuple[tuple[float, float], ...]
"""Points from 0 to 5 at ascending values; between them the points are interpolated."""

_AVAILABILITY: _Scale = (
    (0.5, 0.0),
    (0.75, 1.0),
    (0.85, 2.0),
    (0.95, 3.0),
    (0.99, 4.0),
    (0.998, 5.0),
)
_SUCCESS: _Scale = ((0.5, 0.0), (0.8, 2.0), (0.9, 3.0), (0.97, 4.0), (0.99, 5.0))
_STEADINESS: _Scale = ((1.5, 5.0), (2.0, 4.5), (3.0, 3.5), (5.0, 2.0), (10.0, 0.0))
"""By the 95th percentile of the time to a video, divided by its median."""


class Fitness(StrEnum):
    """What a service is recommended for."""

    FIRST_CHOICE = "first_choice"
    BACKUP = "backup"
    TEST_ONLY = "test_only"
    NOT_RECOMMENDED = "not_recommended"


_BY_STARS: Mapping[int, Fitness] = {
    5: Fitness.FIRST_CHOICE,
    4: Fitness.BACKUP,
    3: Fitness.TEST_ONLY,
    2: Fitness.TEST_ONLY,
    1: Fitness.NOT_RECOMMENDED,
}


@dataclass(frozen=True, slots=True)
class Spells:
    """The spells of one status in a window; one that reaches beyond it counts with what is inside.

    Args:
        per_week: Spells in a week of monitored time.
        typical: The median length; None without a spell.
        longest: None without a spell.
    """

    count: int
    per_week: float
    total: timedelta
    typical: timedelta | None
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The figures of one service over a window.

    Args:
        spells: By status; those that did not occur are left out.
        longest_outage: The longest time without a usable service; None without an outage.
        cost_per_video: What was spent in USD divided by the videos delivered; None if nothing was
            delivered or an amount is not known.
        score: From 0 to 5; None where too little was seen.
        stars: From 1 to 5; None where too little was seen.
        fitness: None where too little was seen.
    """

    availability: Availability
    jobs: JobTotals
    spells: Mapping[Status, Spells]
    longest_outage: timedelta | None
    cost_per_video: Decimal | None
    score: float | None
    stars: int | None
    fitness: Fitness | None

    def spells_of(self, status: Status) -> Spells:
        """Return the spells of a status, also if there was none."""
        return self.spells.get(status, Spells(0, 0.0, timedelta(), None, None))


def service_figures(
    intervals: Sequence[StatusInterval],
    start: datetime,
    end: datetime,
    jobs: JobTotals,
    spent: Decimal | None,
) -> ServiceFigures:
    """Return the figures of one service over a window.

    Args:
        intervals: Its status over the window, from its first look on.
        start: The start of the window.
        end: Its end.
        jobs: Its jobs in the window.
        spent: What they cost in USD; None if an amount is not known.
    """
    totals = status_totals(intervals, start, end)
    found = availability_from_totals(totals)
    score = _score(found, jobs)
    stars = None if score is None else max(1, min(MAX_STARS, int(score + 0.5)))
    is_retired = bool(intervals) and intervals[-1].status is Status.RETIRED
    fitness = None if stars is None else _BY_STARS[stars]
    return ServiceFigures(
        availability=found,
        jobs=jobs,
        spells=_spells(intervals, start, end, found.monitored),
        longest_outage=timedelta(seconds=max(totals.outages)) if totals.outages else None,
        cost_per_video=spent / jobs.delivered if jobs.delivered and spent is not None else None,
        score=score,
        stars=stars,
        fitness=Fitness.NOT_RECOMMENDED if is_retired else fitness,
    )


def _score(found: Availability, jobs: JobTotals) -> float | None:
    """Return the score: half availability, a quarter success rate, a quarter steadiness.

    It is never higher than what the availability alone would earn: quick videos between two
    outages do not make up for the outages.
    """
    is_seen = (
        found.monitored >= MIN_MONITORED
        and (found.coverage or 0.0) >= MIN_COVERAGE
        and jobs.ended >= MIN_JOBS
    )
    if not is_seen:
        return None
    available = _points(_AVAILABILITY, found.uptime)
    success = _points(_SUCCESS, jobs.delivered / jobs.ended)
    steady = _points(_STEADINESS, jobs.p95 / jobs.median) if jobs.median and jobs.p95 else 0.0
    return min(available, available / 2 + success / 4 + steady / 4)


def _points(scale: _Scale, value: float) -> float:
    if value <= scale[0][0]:
        return scale[0][1]
    for (low, low_points), (high, high_points) in pairwise(scale):
        if value <= high:
            return low_points + (value - low) / (high - low) * (high_points - low_points)
    return scale[-1][1]


def median_length(lengths: Sequence[timedelta]) -> timedelta:
    """Return the median of some lengths."""
    return timedelta(seconds=median(each.total_seconds() for each in lengths))


def _spells(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime, monitored: timedelta
) -> Mapping[Status, Spells]:
    lengths: dict[Status, list[timedelta]] = {}
    for each in intervals:
        length = min(each.end, end) - max(each.start, start)
        if length > timedelta():
            lengths.setdefault(each.status, []).append(length)
    return {
        status: Spells(
            count=len(found),
            per_week=len(found) * (_WEEK / monitored) if monitored else 0.0,
            total=sum(found, timedelta()),
            typical=median_length(found),
            longest=max(found),
        )
        for status, found in lengths.items()
    }
