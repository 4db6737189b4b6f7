"""Uptime over the windows that the faces show, from spells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tallylight.languages import Translator
from tallylight.languages.figures import share, watched_share
from tallylight.terms import Spell, Status
from tallylight.verdicts.intervals import gamma


class Window(StrEnum):
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
            case Window.HOUR:
                return timedelta(hours=1)
            case Window.DAY:
                return timedelta(hours=24)
            case Window.WEEK:
                return timedelta(days=7)
            case Window.MONTH:
                return timedelta(days=30)
            case Window.QUARTER:
                return timedelta(days=90)

    def words(self, to: Translator) -> str:
        """Return its name for people."""
        match self:
            case Window.HOUR:
                return to.gettext("1 hour")
            case Window.DAY:
                return to.gettext("24 hours")
            case Window.WEEK:
                return to.gettext("7 days")
            case Window.MONTH:
                return to.gettext("30 days")
            case Window.QUARTER:
                return to.gettext("90 days")


_USABLE = {Status.OPERATIONAL, Status.DEGRADED}
_DOWN = {Status.RISK_CONTROL, Status.SUSPENDED}
_SPEAKS_FROM = 0.5  # under half of the time watched, a percentage would mislead


@dataclass(frozen=True, slots=True)
class Uptime:
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
        degraded: Share of the watched time in which it was usable but degraded.
        outages: How many stretches of not being usable.
        seconds: How long it was what.
    """

    window: Window
    label: str
    text: str
    uptime: float | None
    watched: str
    coverage: float
    low: float | None
    high: float | None
    interval: str
    degraded: float
    outages: int
    seconds: Mapping[Status, float]


def uptime(spells: Sequence[Spell], window: Window, now: datetime, to: Translator) -> Uptime:
    """Return the uptime over a window that ends now."""
    inside = clipped(spells, now - window.length, now)
    seconds = _seconds(inside, window.length)
    up = sum(seconds.get(status, 0.0) for status in _USABLE)
    outages = outages_of(inside)
    watched = up + sum(outages)
    asked = watched + seconds.get(Status.UNKNOWN, 0.0)
    coverage = watched / asked if asked else 0.0
    speaks = coverage >= _SPEAKS_FROM
    ratio = up / watched if speaks else None
    unavailability = gamma(outages, watched) if speaks else None
    low = None if unavailability is None else max(0.0, 1 - unavailability.high)
    high = None if unavailability is None else min(1.0, 1 - unavailability.low)
    return Uptime(
        window=window,
        label=window.words(to),
        text=watched_share(ratio, coverage, to),
        uptime=ratio,
        watched=share(coverage, to, digits=0),
        coverage=coverage,
        low=low,
        high=high,
        interval=_interval(low, high, to),
        degraded=seconds.get(Status.DEGRADED, 0.0) / watched if watched else 0.0,
        outages=len(outages),
        seconds=seconds,
    )


def clipped(spells: Sequence[Spell], start: datetime, end: datetime) -> tuple[Spell, ...]:
    """Return the parts of spells that lie in [start, end)."""
    return tuple(
        Spell(spell.status, max(spell.start, start), min(spell.end, end))
        for spell in spells
        if spell.end > start and spell.start < end
    )


def outages_of(spells: Sequence[Spell]) -> tuple[float, ...]:
    """Return the lengths of the stretches of not being usable, in seconds."""
    lengths: list[float] = []
    last: datetime | None = None
    for spell in spells:
        if spell.status in _DOWN:
            length = (spell.end - spell.start).total_seconds()
            if spell.start == last:
                lengths[-1] += length
            else:
                lengths.append(length)
            last = spell.end
    return tuple(lengths)


def _seconds(spells: Sequence[Spell], whole: timedelta) -> dict[Status, float]:
    sums: dict[Status, float] = {}
    for spell in spells:
        length = (spell.end - spell.start).total_seconds()
        sums[spell.status] = sums.get(spell.status, 0.0) + length
    rest = whole.total_seconds() - sum(sums.values())
    if rest > 0:
        sums[Status.UNKNOWN] = sums.get(Status.UNKNOWN, 0.0) + rest
    return sums


def _interval(low: float | None, high: float | None, to: Translator) -> str:
    if low is None or high is None:
        return ""
    return to.gettext("%(low)s to %(high)s") % {
        "low": share(low, to, digits=1),
        "high": share(high, to, digits=1),
    }
