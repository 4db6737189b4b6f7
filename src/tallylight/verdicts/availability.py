"""Availability of a service within its monitored time (rules 7 to 9)."""

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
"""Counts neither as up nor as down. So does UNKNOWN, which also lowers the coverage."""

_MAX_DIGITS = 3
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class StatusTotals:
    """The sums of a time window, which replace its status intervals.

    Args:
        seconds: Seconds in each status, from the first look on.
        outages: Seconds down in each outage.
        first_look: When monitoring began, if that was inside the window.
    """

    seconds: Mapping[Status, float] = field(default_factory=dict)
    outages: tuple[float, ...] = ()
    first_look: datetime | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """How available a service was.

    Formatted, as in f"{availability:.2f}", it is the uptime in percent.

    Args:
        uptime: Up / (up + down), however little was monitored; not a number if nothing was.
        low: Lower end of the 95 % interval of `uptime`.
        high: Its upper end.
        coverage: (up + down) / (up + down + unknown); None if all three are zero.
        degraded: Share of up and down time in DEGRADED, which is up; 0 if nothing was monitored.
        first_look: When monitoring began, if that was inside the window; what came before counts
            nowhere.
        up: Time operational or degraded.
        down: Time under risk control or suspended.
        excluded: Time in maintenance or after retirement.
        mttr: Mean duration of an outage; None without an outage.
        mtbf: Mean time up between outages; None without an outage.
        mtbf_low: Lower end of the 95 % interval of `mtbf`; None if the service was never up.
        mtbf_high: Its upper end; None for infinity, which it is without an outage.
    """

    uptime: float
    low: float
    high: float
    coverage: float | None
    degraded: float
    first_look: datetime | None
    up: timedelta
    down: timedelta
    unknown: timedelta
    excluded: timedelta
    outages: int
    mttr: timedelta | None
    mtbf: timedelta | None
    mtbf_low: timedelta | None
    mtbf_high: timedelta | None

    def __format__(self, spec: str) -> str:
        """Return the uptime in percent."""
        return format(_WHOLE * self.uptime, spec)

    @property
    def monitored(self) -> timedelta:
        """Return the time in which the service was known to be up or down."""
        return self.up + self.down


@dataclass(frozen=True, slots=True)
class DayBar:
    """One day (UTC) of an uptime bar: the share of each status. The shares sum to 1."""

    day: date
    shares: Mapping[Status, float]

    @property
    def is_monitored(self) -> bool:
        """Tell whether the status was known for any part of the day."""
        return self.shares.get(Status.UNKNOWN, 0.0) < 1.0


def availability(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> Availability:
    """Return the availability of a window; time between its intervals is unknown.

    The first interval begins at the first look, or before the window.

    Source:
        "Time-based availability", Site Reliability Engineering, chapter 3.
    """
    return availability_from_totals(status_totals(intervals, start, end))


def status_totals(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> StatusTotals:
    """Return the sums of a window; see `availability`."""
    first_look = intervals[0].start if intervals else end
    seconds: dict[Status, float] = {}
    outages: list[float] = []
    is_down = False  # an outage continues through UNKNOWN until the service is up again
    for interval in intervals:
        status = interval.status
        length = (min(interval.end, end) - max(interval.start, start)).total_seconds()
        if length <= 0:
            continue
        seconds[status] = seconds.get(status, 0.0) + length
        if status in DOWN and is_down:
            outages[-1] += length
        elif status in DOWN:
            outages.append(length)
        is_down = is_down if status is Status.UNKNOWN else status in DOWN
    covered = math.fsum(seconds.values())
    gap = (end - max(start, first_look)).total_seconds() - covered
    if gap > 0:
        seconds[Status.UNKNOWN] = seconds.get(Status.UNKNOWN, 0.0) + gap
    is_inside = start < first_look < end
    return StatusTotals(seconds, tuple(outages), first_look if is_inside else None)


def availability_from_totals(totals: StatusTotals) -> Availability:
    """Return the availability from sums, such as those of daily rollups."""
    up, down, excluded = (_seconds_in(totals, group) for group in (UP, DOWN, EXCLUDED))
    unknown = totals.seconds.get(Status.UNKNOWN, 0.0)
    known, count = up + down, len(totals.outages)
    coverage = known / (known + unknown) if known + unknown else None
    unavailability = unavailability_interval(totals.outages, known) if known else None
    between = mean_time_between_interval(count, up) if up else None
    return Availability(
        uptime=up / known if known else math.nan,
        low=1 - unavailability.high if unavailability else 0.0,
        high=1 - unavailability.low if unavailability else 1.0,
        coverage=coverage,
        degraded=totals.seconds.get(Status.DEGRADED, 0.0) / known if known else 0.0,
        first_look=totals.first_look,
        up=timedelta(seconds=up),
        down=timedelta(seconds=down),
        unknown=timedelta(seconds=unknown),
        excluded=timedelta(seconds=excluded),
        outages=count,
        mttr=timedelta(seconds=math.fsum(totals.outages) / count) if count else None,
        mtbf=timedelta(seconds=up / count) if count else None,
        mtbf_low=timedelta(seconds=between.low) if between else None,
        mtbf_high=timedelta(seconds=between.high) if between and count else None,
    )


def day_bars(
    intervals: Sequence[StatusInterval], start: datetime, end: datetime
) -> tuple[DayBar, ...]:
    """Return one bar for each day (UTC) of a window from the first look on, oldest first."""
    bars, at = [], max(start, intervals[0].start if intervals else end)
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        until = min(midnight, end)
        seconds = status_totals(intervals, at, until).seconds
        whole = math.fsum(seconds.values())
        shares = {status: length / whole for status, length in seconds.items() if length}
        bars.append(DayBar(at.date(), shares))
        at = until
    return tuple(bars)


def uptime_text(result: Availability) -> str:
    """Return the uptime with as many digits as its interval justifies, "" without one.

    A service that was down at all is never shown at 100 %.
    """
    if math.isnan(result.uptime):
        return ""
    width = 100 * (result.high - result.low)
    digits = _MAX_DIGITS if width <= 0 else min(_MAX_DIGITS, max(0, -math.floor(math.log10(width))))
    shown = round(100 * result.uptime, digits)
    if shown >= _WHOLE and result.uptime < 1:
        shown = _WHOLE - 10.0**-digits
    return f"{shown:.{digits}f} %"


def _seconds_in(totals: StatusTotals, statuses: frozenset[Status]) -> float:
    return math.fsum(length for s, length in totals.seconds.items() if s in statuses)
