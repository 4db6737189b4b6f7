"""Uptime over the windows that pages and APIs offer, from status intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.i18n import Translator
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
        match self:
            case UptimeWindow.HOUR:
                return timedelta(hours=1)
            case UptimeWindow.DAY:
                return timedelta(hours=24)
            case UptimeWindow.WEEK:
                return timedelta(days=7)
            case UptimeWindow.MONTH:
                return timedelta(days=30)
            case UptimeWindow.QUARTER:
                return timedelta(days=90)

    def label(self, to: Translator) -> str:
        """Return its name."""
        match self:
            case UptimeWindow.HOUR:
                return to.gettext("1 hour")
            case UptimeWindow.DAY:
                return to.gettext("24 hours")
            case UptimeWindow.WEEK:
                return to.gettext("7 days")
            case UptimeWindow.MONTH:
                return to.gettext("30 days")
            case UptimeWindow.QUARTER:
                return to.gettext("90 days")


@dataclass(frozen=True, slots=True)
class UptimeView:
    """The uptime over one window.

    Args:
        window: The window.
        label: Its name.
        text: The uptime with its coverage: "99.2% uptime (monitored 87% of the time)".
        uptime: Usable share of the monitored time, 0.0 to 1.0; None if too little was monitored.
        coverage: Monitored share of the time, 0.0 to 1.0, without maintenance and retirement.
        coverage_text: The coverage as text.
        low: Lower end of the uptime's 95% interval; None if the uptime is.
        high: Upper end of the uptime's 95% interval; None if the uptime is.
        interval: The 95% interval as text, or "".
        degraded: Usable but degraded share of the monitored time; None if the uptime is.
        outages: Number of periods in which the service was not usable.
        seconds: Seconds spent in each status.
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
    seconds: Mapping[Status, float]


def uptime_view(
    intervals: Sequence[StatusInterval], window: UptimeWindow, now: datetime, to: Translator
) -> UptimeView:
    """Return the uptime over a window that ends now."""
    start = now - window.length
    totals = status_totals(intervals, start, now)
    availability = availability_from_totals(totals)
    coverage = availability.coverage or 0.0
    return UptimeView(
        window=window,
        label=window.label(to),
        text=format_uptime(uptime_text(availability), coverage, to),
        uptime=availability.uptime,
        coverage=coverage,
        coverage_text=format_percent(coverage, to, digits=0),
        low=availability.low,
        high=availability.high,
        interval=_interval(availability, to),
        degraded=availability.degraded,
        outages=availability.outages,
        seconds=totals.seconds,
    )


def _interval(availability: Availability, to: Translator) -> str:
    if availability.low is None or availability.high is None:
        return ""
    return to.gettext("%(low)s to %(high)s") % {
        "low": format_percent(availability.low, to),
        "high": format_percent(availability.high, to),
    }
