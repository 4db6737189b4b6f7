"""Uptime over the windows that the faces show, from spells."""

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
    """How far back."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"

    @property
    def length(self) -> timedelta:
        """Return that length."""
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
        """Return its name for people."""
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
    """One window.

    Args:
        window: How far back.
        label: That in words.
        text: The uptime beside its coverage: "99.2 % of the 87 % watched".
        uptime: Usable share of the watched time; None where too little was watched to say.
        watched: The coverage in words.
        coverage: Watched share of the time that was no planned maintenance and not retired.
        low: Lower end of the interval of the uptime (95 %), None with it.
        high: Its upper end.
        interval: The interval in words, "" where there is none.
        degraded: Share of the watched time in which it was usable but degraded; None as the uptime.
        outages: How many stretches of not being usable.
        seconds: How long it was what.
    """

    window: UptimeWindow
    label: str
    text: str
    uptime: float | None
    watched: str
    coverage: float
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
    summed = status_totals(intervals, start, now)
    found = availability_from_totals(summed)
    coverage = found.coverage or 0.0
    return UptimeView(
        window=window,
        label=window.label(to),
        text=format_uptime(uptime_text(found), coverage, to),
        uptime=found.uptime,
        watched=format_percent(coverage, to, digits=0),
        coverage=coverage,
        low=found.low,
        high=found.high,
        interval=_interval(found, to),
        degraded=found.degraded,
        outages=found.outages,
        seconds=summed.seconds,
    )


def _interval(found: Availability, to: Translator) -> str:
    if found.low is None or found.high is None:
        return ""
    return to.gettext("%(low)s to %(high)s") % {
        "low": format_percent(found.low, to),
        "high": format_percent(found.high, to),
    }
