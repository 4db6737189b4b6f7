"""Ninety days as a bar: what share of each day a service was what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day as day_text
from tallylight.i18n.formatting import format_percent as share_text
from tallylight.i18n.labels import status_label
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.availability import day_bars

#: From the foot of the bar to its top; also, which status names a mixed day.
_STACK = (
    Status.OPERATIONAL,
    Status.MAINTENANCE,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
    Status.RETIRED,
)

PITCH = 8
"""Width of a day with its gap, in the bar's own units."""

WIDTH = 6
"""Width of a day."""

HEIGHT = 34
"""Height of a whole day."""

_MARKS_HEIGHT = 9
"""Below the bar stand the marks, which tell bad days apart without colour."""

#: Drawn from the foot of a day: a cross, a triangle, a square, a dash.
_MARKS = {
    Status.SUSPENDED: "m0 4l1-1l2 2l2-2l1 1l-2 2l2 2l-1 1l-2-2l-2 2l-1-1l2-2z",
    Status.RISK_CONTROL: "m0 8.5l3-5.5l3 5.5z",
    Status.DEGRADED: "m1 4h4v4h-4z",
    Status.MAINTENANCE: "m0 5.25h6v1.5h-6z",
}

_MIN_HEIGHT = 3.0  # a minute of outage must still be seen


@dataclass(frozen=True, slots=True)
class DayShares:
    """One day of UTC.

    Args:
        date: Which.
        shares: What share of the day, as far as it has passed, the service was what.
    """

    date: date
    shares: Mapping[Status, float]

    @property
    def is_monitored(self) -> bool:
        """Tell whether anything is known of it."""
        return self.shares.get(Status.UNKNOWN, 0.0) < 1.0

    @property
    def worst(self) -> Status:
        """Return the status that a reader should know of."""
        return next((s for s in reversed(_STACK) if self.shares.get(s)), Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class DayColumn:
    """A day as it is drawn and told."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class UptimeBar:
    """A bar as it is drawn.

    Args:
        width: In its own units.
        height: In its own units.
        paths: By status, the outline of all that is drawn in its colour (SVG path data).
        text: All of it in one sentence, for whoever does not see it.
    """

    width: int
    height: int
    paths: Mapping[Status, str]
    text: str


def daily_shares(
    intervals: Sequence[StatusInterval], now: datetime, count: int
) -> tuple[DayShares, ...]:
    """Return the last days up to today, oldest first.

    Args:
        spells: Oldest first, not overlapping; what they leave out is UNKNOWN.
        now: The day that has begun is counted as far as it has passed.
        count: How many days.
    """
    today = datetime.combine(now.date(), time(), now.tzinfo)
    first = today - timedelta(days=count - 1)
    days = [DayShares(each.day, each.shares) for each in day_bars(intervals, first, now)]
    if now == today:  # nothing of it has passed
        days.append(DayShares(now.date(), {Status.UNKNOWN: 1.0}))
    return tuple(days)


def uptime_bar(days: Sequence[DayShares], to: Translator) -> UptimeBar:
    """Return the bar of these days."""
    outlines: dict[Status, list[str]] = {}
    for number, each in enumerate(days):
        x = number * PITCH
        for status, y, height in _stacked(each):
            outlines.setdefault(status, []).append(f"M{x} {y:g}h{WIDTH}v{height:g}h-{WIDTH}z")
        if each.is_monitored and each.worst in _MARKS:
            outlines.setdefault(each.worst, []).append(f"M{x} {HEIGHT}{_MARKS[each.worst]}")
    return UptimeBar(
        width=len(days) * PITCH - (PITCH - WIDTH),
        height=HEIGHT + _MARKS_HEIGHT,
        paths={status: "".join(parts) for status, parts in outlines.items()},
        text=_text_summary(days, to),
    )


def day_columns(days: Sequence[DayShares], to: Translator) -> tuple[DayColumn, ...]:
    """Return the days one by one, where there is room to tell of each."""
    return tuple(DayColumn(n * PITCH, day_title(day, to)) for n, day in enumerate(days))


def day_title(day: DayShares, to: Translator) -> str:
    """Return a day in words: "3 November 2026: Operational 98 %, Suspended 2 %"."""
    if not day.is_monitored:
        told = to.gettext("not watched")
    elif day.shares.get(Status.OPERATIONAL) == 1.0:
        told = status_label(Status.OPERATIONAL, to)
    else:
        told = to.gettext(", ").join(
            f"{status_label(status, to)} {share_text(day.shares[status], to)}"
            for status in (*_STACK, Status.UNKNOWN)
            if day.shares.get(status)
        )
    return to.gettext("%(what)s: %(told)s") % {"what": day_text(day.date, to), "told": told}


def _stacked(day: DayShares) -> list[tuple[Status, float, float]]:
    """Return each status of a day with its top and its height; what is unknown stays hollow."""
    if not day.is_monitored:
        return [(Status.UNKNOWN, HEIGHT - 2.0, 2.0)]
    known = {status: day.shares[status] for status in _STACK if day.shares.get(status)}
    heights = {
        status: max(_MIN_HEIGHT, round(share * HEIGHT, 1)) for status, share in known.items()
    }
    excess = sum(heights.values()) - HEIGHT
    if excess > 0:
        largest = max(heights, key=lambda status: heights[status])
        heights[largest] = round(heights[largest] - excess, 1)
    stacked, top = [], float(HEIGHT)
    for status, height in heights.items():
        top = round(top - height, 1)
        stacked.append((status, top, height))
    return stacked


def _text_summary(days: Sequence[DayShares], to: Translator) -> str:
    counts: dict[Status, int] = {}
    for each in days:
        counts[each.worst] = counts.get(each.worst, 0) + 1
    told = to.gettext(", ").join(
        to.gettext("%(what)s: %(told)s")
        % {
            "what": to.gettext("not watched") if s is Status.UNKNOWN else status_label(s, to),
            "told": to.ngettext("%d day", "%d days", counts[s]) % counts[s],
        }
        for s in (*_STACK, Status.UNKNOWN)
        if s in counts
    )
    return to.ngettext(
        "The last %(count)d day, by its worst status: %(told)s",
        "The last %(count)d days, each by its worst status: %(told)s",
        len(days),
    ) % {"count": len(days), "told": told}
