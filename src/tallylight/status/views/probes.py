"""Upcoming probes and their budgets, as the page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import PaceBasis
from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import format_duration, format_percent
from tallylight.i18n.labels import depth_label
from tallylight.i18n.prices import format_usd
from tallylight.model.evidence import Depth
from tallylight.status.views.timestamps import Timestamp, timestamp

_SHOWN_OUTAGE = timedelta(hours=3)


class UpcomingProbe(Protocol):
    """A planned probe."""

    @property
    def depth(self) -> Depth:
        """Its depth."""
        ...

    @property
    def at(self) -> datetime:
        """When it is due."""
        ...

    @property
    def reason(self) -> str:
        """Why it is due then."""
        ...


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """One limit and how much of it is used.

    Args:
        scope: A service's id, "total", "videos", or "key:" with a key's name.
        window: "1h", "24h" or "30d", rolling.
        limit: In USD.
        spent: Settled and reserved, in USD.
    """

    scope: str
    window: str
    limit: Decimal
    spent: Decimal


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A planned probe as text."""

    depth: str
    at: Timestamp
    reason: str


def probe_views(
    probes: Sequence[UpcomingProbe], now: datetime, to: Translator
) -> tuple[ProbeView, ...]:
    """Return the upcoming probes as text, soonest first."""
    return tuple(
        ProbeView(
            depth_label(a.depth, to), timestamp(a.at, now, to), to.gettext(_REASONS[a.reason])
        )
        for a in probes
    )


_REASONS: Mapping[str, str] = {
    "first": gettext_noop("the first of its kind"),
    "routine": gettext_noop("routine"),
    "confirm": gettext_noop("repeats a failed check"),
    "undecided": gettext_noop("jobs fail, or contradict each other"),
    "refused": gettext_noop("tries again what was refused, which costs nothing"),
}


def pace_json(pace: PaceInForce | None) -> dict[str, object] | None:
    """Return the pace of paid probes as JSON; None without paid probes."""
    if pace is None:
        return None
    return {
        "basis": pace.basis.value,
        "configured_seconds": pace.configured.total_seconds(),
        "interval_seconds": round(pace.interval.total_seconds(), 1),
        "sees_of_3h": round(pace.share_seen(_SHOWN_OUTAGE), 3),
    }


def pace_text(pace: PaceInForce | None, to: Translator) -> str:
    """Return how often paid probes are sent and how much that sees; "" without paid probes."""
    if pace is None:
        return ""
    configured = format_duration(pace.configured, to)
    facts = {
        "configured": configured,
        "actual": format_duration(pace.interval, to),
        "share": format_percent(pace.share_seen(_SHOWN_OUTAGE), to, digits=0),
        "length": format_duration(_SHOWN_OUTAGE, to),
    }
    if pace.basis is PaceBasis.ABOUT:
        text = to.gettext(
            "A paid probe every %(actual)s on average (the money of one every %(configured)s, "
            "spent where it finds the most outages); sees %(share)s of outages of %(length)s."
        )
    elif pace.interval > pace.configured:
        text = to.gettext(
            "A paid probe every %(actual)s, as the budget does not allow one every %(configured)s; "
            "sees %(share)s of outages of %(length)s."
        )
    else:
        text = to.gettext(
            "A paid probe at least every %(configured)s; sees %(share)s of outages of %(length)s."
        )
    return text % facts


def budget_views(usage: Sequence[BudgetUsage], to: Translator) -> dict[str, str]:
    """Return the use of each limit of one service as text, by the name of its window."""
    labels = {
        "1h": to.gettext("Last hour"),
        "24h": to.gettext("Last 24 hours"),
        "30d": to.gettext("Last 30 days"),
    }
    return {
        labels[each.window]: to.gettext("%(spent)s of %(limit)s")
        % {"spent": format_usd(each.spent), "limit": format_usd(each.limit)}
        for each in usage
    }
