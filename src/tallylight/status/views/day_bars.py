"""The last days as a stacked bar: the share of each day spent in each status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_percent
from tallylight.i18n.labels import status_label
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.availability import DayBar, day_bars

#: From the bottom of the bar to its top, which is also from best to worst.
_STACK = (
    Status.OPERATIONAL,
    Status.MAINTENANCE,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
    Status.RETIRED,
)

# In units of the SVG:
PITCH = 8  # width of a day with its gap
WIDTH = 6  # width of a day
HEIGHT = 34  # height of a whole day
_MARKS_HEIGHT = 9  # of the marks below the bar, which distinguish bad days without colour

#: SVG paths relative to the bottom left of a day: a cross, a triangle, a square, a dash.
_MARKS = {
    Status.SUSPENDED: "m0 4l1-1l2 2l2-2l1 1l-2 2l2 2l-1 1l-2-2l-2 2l-1-1l2-2z",
    Status.RISK_CONTROL: "m0 8.5l3-5.5l3 5.5z",
    Status.DEGRADED: "m1 4h4v4h-4z",
    Status.MAINTENANCE: "m0 5.25h6v1.5h-6z",
}

_MIN_HEIGHT = 3.0  # a minute of outage must be visible


@dataclass(frozen=True, slots=True)
class DayColumn:
    """A day's position in the bar and its text."""

    x: int
    title: str


@dataclass(frozen=True, slots=True)
class UptimeBar:
    """A bar as SVG.

    Args:
        paths: SVG path data by status, to be filled with the status's colour.
        text: A text alternative for screen readers.
    """

    width: int
    height: int
    paths: Mapping[Status, str]
    text: str


def daily_shares(
    intervals: Sequence[StatusInterval], now: datetime, count: int
) -> tuple[DayBar, ...]:
    """Return the last days from the first look to today, oldest first.

    Today counts as far as it has passed.
    """
    today = datetime.combine(now.date(), time(), now.tzinfo)
    first = today - timedelta(days=count - 1)
    days = day_bars(intervals, first, now)
    if days and days[-1].day == now.date():
        return days
    # At midnight no part of today has passed; or there was no look yet.
    return (*days, DayBar(now.date(), {Status.UNKNOWN: 1.0}))


def uptime_bar(days: Sequence[DayBar], to: Translator, count: int) -> UptimeBar:
    """Return the bar of the last `count` days; it is empty before the first look."""
    outlines: dict[Status, list[str]] = {}
    for number, each in enumerate(days, start=count - len(days)):
        x = number * PITCH
        for status, y, height in _stacked(each):
            outlines.setdefault(status, []).append(f"M{x} {y:g}h{WIDTH}v{height:g}h-{WIDTH}z")
        worst = _worst(each)
        if each.is_monitored and worst in _MARKS:
            outlines.setdefault(worst, []).append(f"M{x} {HEIGHT}{_MARKS[worst]}")
    return UptimeBar(
        width=count * PITCH - (PITCH - WIDTH),
        height=HEIGHT + _MARKS_HEIGHT,
        paths={status: "".join(parts) for status, parts in outlines.items()},
        text=_text_summary(days, to),
    )


def day_columns(days: Sequence[DayBar], to: Translator, count: int) -> tuple[DayColumn, ...]:
    """Return the hover areas of the bar of the last `count` days, one for each day."""
    first = count - len(days)
    return tuple(DayColumn(n * PITCH, day_title(day, to)) for n, day in enumerate(days, first))


def day_title(day: DayBar, to: Translator) -> str:
    """Return a day as text: "3 November 2026: Operational 98%, Suspended 2%"."""
    if not day.is_monitored:
        text = to.gettext("not monitored")
    elif day.shares.get(Status.OPERATIONAL) == 1.0:
        text = status_label(Status.OPERATIONAL, to)
    else:
        text = to.gettext(", ").join(
            f"{status_label(status, to)} {format_percent(day.shares[status], to)}"
            for status in (*_STACK, Status.UNKNOWN)
            if day.shares.get(status)
        )
    return to.gettext("%(label)s: %(text)s") % {"label": format_day(day.day, to), "text": text}


def _stacked(day: DayBar) -> list[tuple[Status, float, float]]:
    """Return each status of a day with its y and its height; unknown time is left empty."""
    if not day.is_monitored:
        return [(Status.UNKNOWN, HEIGHT - 2.0, 2.0)]
    shares = {status: day.shares[status] for status in _STACK if day.shares.get(status)}
    heights = {
        status: max(_MIN_HEIGHT, round(share * HEIGHT, 1)) for status, share in shares.items()
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


def _worst(day: DayBar) -> Status:
    return next((s for s in reversed(_STACK) if day.shares.get(s)), Status.UNKNOWN)


def _text_summary(days: Sequence[DayBar], to: Translator) -> str:
    counts: dict[Status, int] = {}
    for each in days:
        counts[_worst(each)] = counts.get(_worst(each), 0) + 1
    statuses = to.gettext(", ").join(
        to.gettext("%(label)s: %(text)s")
        % {
            "label": to.gettext("not monitored") if s is Status.UNKNOWN else status_label(s, to),
            "text": to.ngettext("%d day", "%d days", counts[s]) % counts[s],
        }
        for s in (*_STACK, Status.UNKNOWN)
        if s in counts
    )
    return to.ngettext(
        "The last %(count)d day, by its worst status: %(statuses)s",
        "The last %(count)d days, each by its worst status: %(statuses)s",
        len(days),
    ) % {"count": len(days), "statuses": statuses}
