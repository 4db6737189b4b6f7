"""Uptime over the windows that pages and APIs offer, from status intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import format_percent, format_uptime
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.verdicts.availability import (
    Availability,
    availability_from_totals,
    status_totals,
    uptime_text,
)


class UptimeWindow(StrEnum):
    """A period that ends now."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"

    @property
    def length(self) -> timedelta:
        """Return its length."""
        return _WINDOWS[self][0]


_WINDOWS: Mapping[UptimeWindow, tuple[timedelta, str]] = {
    UptimeWindow.HOUR: (timedelta(hours=1), gettext_noop("1 hour")),
    UptimeWindow.DAY: (timedelta(hours=24), gettext_noop("24 hours")),
    UptimeWindow.WEEK: (timedelta(days=7), gettext_noop("7 days")),
    UptimeWindow.MONTH: (timedelta(days=30), gettext_noop("30 days")),
    UptimeWindow.QUARTER: (timedelta(days=90), gettext_noop("90 days")),
}


@dataclass(frozen=True, slots=True)
class UptimeView:
    """The uptime over one window.

    Args:
        text: The uptime with its coverage: "99.2% uptime (monitored 87% of the time)".
        uptime: Usable share of the monitored time, 0.0 to 1.0; None if nothing was monitored.
        coverage: Monitored share of the time, 0.0 to 1.0, without maintenance and retirement.
        low: Lower end of the uptime's 95% interval; None if the uptime is.
        high: Upper end of the uptime's 95% interval; None if the uptime is.
        interval: The 95% interval as text, or "".
        degraded: Usable but degraded share of the monitored time; None if the uptime is.
        outages: Number of periods in which the service was not usable.
        first_look: When monitoring began, if that was inside the window.
    """

    window: UptimeWindow
    label: str
    text: str
    uptime: float | None
    coverage: float
    coverage_text: str
    low: float | None
    high: float | None
    interval: str
    degraded: float | None
    outages: int
    first_look: datetime | None
    seconds: Mapping[Status, float]


def uptime_view(
    intervals: Sequence[StatusInterval], window: UptimeWindow, now: datetime, to: Translator
) -> UptimeView:
    """Return the uptime over a window that ends now."""
    start = now - window.length
    totals = status_totals(intervals, start, now)
    availability = availability_from_totals(totals)
    coverage = availability.coverage or 0.0
    is_known = not math.isnan(availability.uptime)
    return UptimeView(
        window=window,
        label=to.gettext(_WINDOWS[window][1]),
        text=uptime_sentence(availability, to),
        uptime=availability.uptime if is_known else None,
        coverage=coverage,
        coverage_text=format_percent(coverage, to, digits=0),
        low=availability.low if is_known else None,
        high=availability.high if is_known else None,
        interval=_interval(availability, to) if is_known else "",
        degraded=availability.degraded if is_known else None,
        outages=availability.outages,
        first_look=availability.first_look,
        seconds=totals.seconds,
    )


def uptime_sentence(availability: Availability, to: Translator) -> str:
    """Return the uptime as text, with how much of the time it is of."""
    monitored = None if availability.first_look is None else availability.monitored
    return format_uptime(uptime_text(availability), availability.coverage or 0.0, monitored, to)


def _interval(availability: Availability, to: Translator) -> str:
    return to.gettext("%(low)s to %(high)s") % {
        "low": format_percent(availability.low, to),
        "high": format_percent(availability.high, to),
    }
