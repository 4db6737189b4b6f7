"""How available a service was, of the time that somebody watched it (rules 7 to 9)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.intervals import mean_time_between_interval, unavailability_interval

UP = frozenset({Status.OPERATIONAL, Status.DEGRADED})
DOWN = frozenset({Status.RISK_CONTROL, Status.SUSPENDED})
EXCLUDED = frozenset({Status.MAINTENANCE, Status.RETIRED})
"""Neither side: planned, or over; like UNKNOWN it counts for nothing, unlike it it is explained."""

MIN_COVERAGE = 0.5
_MAX_DIGITS = 3
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class StatusTotals:
    """What a window holds, already summed; as good as its spells, and thousands of them smaller.

    Args:
        seconds: By status.
        outages: The seconds down of each outage.
    """

    seconds: Mapping[Status, float] = field(default_factory=dict)
    outages: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Availability:
    """How available a service was.

    Args:
        uptime: Up / (up + down); None where less than half the time was watched, or none.
        low: Lower end of its 95 % interval; None with it.
        high: Upper end.
        coverage: Known / (all but maintenance and retired); None of an empty window.
        degraded: The share of known time that was degraded, though usable; None with `uptime`.
        up: Time operational or degraded.
        down: Time under risk control or suspended.
        unknown: Time that nobody watched.
        out: Time in maintenance or after retirement.
        outages: How many.
        mttr: Mean length of an outage; None without one.
        mtbf: Mean time up between outages; None without one.
        mtbf_low: Lower end of its 95 % interval; None if it was never up.
        mtbf_high: Upper end; None for "no end", which is so without an outage.
    """

    uptime: float | None
    low: float | None
    high: float | None
    coverage: float | None
    degraded: float | None
    up: timedelta
    down: timedelta
    unknown: timedelta
    excluded: timedelta
    outages: int
    mttr: timedelta | None
    mtbf: timedelta | None
    mtbf_low: timedelta | None
    mtbf_high: timedelta | None


@dataclass(frozen=True, slots=True)
class DayBar:
    """One bar of a 90-day row: the shares of one day (UTC) by status; they sum to 1."""

    day: date
    shares: Mapping[Status, float]


def availability(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> Availability:
    """Return the availability of a window.

    Args:
        spells: Stretches of one status each, oldest first, not overlapping; a gap is unknown.
        start: Of the window, inclusive.
        end: Of the window, exclusive.

    Source:
        "Time-based availability", Site Reliability Engineering, chapter 3.
    """
    return availability_from_totals(status_totals(intervals, start, end))


def status_totals(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> StatusTotals:
    """Return the sums of a window; what no spell covers is unknown."""
    seconds: dict[Status, float] = {}
    outages: list[float] = []
    is_out = False  # an outage lasts over what nobody saw of it, until the service is up again
    for spell in intervals:
        length = (min(spell.end, end) - max(spell.start, start)).total_seconds()
        if length <= 0:
            continue
        seconds[spell.status] = seconds.get(spell.status, 0.0) + length
        if spell.status in DOWN and is_out:
            outages[-1] += length
        elif spell.status in DOWN:
            outages.append(length)
        is_out = is_out if spell.status is Status.UNKNOWN else spell.status in DOWN
    covered = math.fsum(seconds.values())
    gap = (end - start).total_seconds() - covered
    if gap > 0:
        seconds[Status.UNKNOWN] = seconds.get(Status.UNKNOWN, 0.0) + gap
    return StatusTotals(seconds, tuple(outages))


def availability_from_totals(sums: StatusTotals) -> Availability:
    """Return the availability of what is already summed, such as daily rollups."""
    up, down, out = (_seconds_in(sums, group) for group in (UP, DOWN, EXCLUDED))
    unknown = sums.seconds.get(Status.UNKNOWN, 0.0)
    known, count = up + down, len(sums.outages)
    coverage = known / (known + unknown) if known + unknown else None
    is_told = coverage is not None and coverage >= MIN_COVERAGE
    away = unavailability_interval(sums.outages, known) if is_told else None
    between = mean_time_between_interval(count, up) if up else None
    return Availability(
        uptime=up / known if is_told else None,
        low=1 - away.high if away else None,
        high=1 - away.low if away else None,
        coverage=coverage,
        degraded=sums.seconds.get(Status.DEGRADED, 0.0) / known if is_told else None,
        up=timedelta(seconds=up),
        down=timedelta(seconds=down),
        unknown=timedelta(seconds=unknown),
        excluded=timedelta(seconds=out),
        outages=count,
        mttr=timedelta(seconds=math.fsum(sums.outages) / count) if count else None,
        mtbf=timedelta(seconds=up / count) if count else None,
        mtbf_low=timedelta(seconds=between.low) if between else None,
        mtbf_high=timedelta(seconds=between.high) if between and count else None,
    )


def day_bars(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> tuple[DayBar, ...]:
    """Return one bar for each day (UTC) that a window touches, oldest first."""
    bars, at = [], start
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        until = min(midnight, end)
        bars.append(day_bar(at.date(), status_totals(intervals, at, until)))
        at = until
    return tuple(bars)


def day_bar(day: date, sums: StatusTotals) -> DayBar:
    """Return the bar of a day that is already summed."""
    whole = math.fsum(sums.seconds.values())
    return DayBar(day, {s: length / whole for s, length in sums.seconds.items() if length})


def uptime_text(found: Availability) -> str:
    """Return the uptime with no more digits than its interval has, "" where none is told.

    A service that was down for a moment is never shown at 100 %.
    """
    if found.uptime is None or found.low is None or found.high is None:
        return ""
    width = 100 * (found.high - found.low)
    digits = _MAX_DIGITS if width <= 0 else min(_MAX_DIGITS, max(0, -_order_of_magnitude(width)))
    shown = round(100 * found.uptime, digits)
    if shown >= _WHOLE and found.uptime < 1:
        shown = _WHOLE - 10.0**-digits
    return f"{shown:.{digits}f} %"


def _seconds_in(sums: StatusTotals, statuses: frozenset[Status]) -> float:
    return math.fsum(length for s, length in sums.seconds.items() if s in statuses)


def _order_of_magnitude(value: float) -> int:
    return math.floor(math.log10(value))
