"""Upcoming probes and their budgets, as the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tallylight.i18n import Translator
from tallylight.i18n.labels import depth_label
from tallylight.i18n.prices import format_usd
from tallylight.model.evidence import Depth
from tallylight.status.views.timestamps import Timestamp, timestamp


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


def probe_views(
    probes: Sequence[UpcomingProbe], now: datetime, to: Translator
) -> tuple[ProbeView, ...]:
    """Return the upcoming probes as text, soonest first."""
    return tuple(ProbeView(depth_label(a.depth, to), timestamp(a.at, now, to)) for a in probes)


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
