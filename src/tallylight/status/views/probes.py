"""The probes to come and what they may cost, as the page shows them."""

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


class _UpcomingProbe(Protocol):
    @property
    def depth(self) -> Depth: ...

    @property
    def at(self) -> datetime: ...


class _BudgetUsage(Protocol):
    @property
    def window(self) -> str: ...

    @property
    def limit(self) -> Decimal: ...

    @property
    def spent(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A probe to come."""

    depth: str
    at: Timestamp


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A limit and how far it is used up."""

    label: str
    text: str


def probe_views(
    probes: Sequence[_UpcomingProbe], now: datetime, to: Translator
) -> tuple[ProbeView, ...]:
    """Return the probes to come, soonest first."""
    return tuple(ProbeView(depth_label(a.depth, to), timestamp(a.at, now, to)) for a in probes)


def budget_views(usage: Sequence[_BudgetUsage], to: Translator) -> tuple[BudgetView, ...]:
    """Return the limits of one service."""
    labels = {
        "1h": to.gettext("Last hour"),
        "24h": to.gettext("Last 24 hours"),
        "30d": to.gettext("Last 30 days"),
    }
    return tuple(
        BudgetView(
            labels[each.window],
            to.gettext("%(spent)s of %(limit)s")
            % {"spent": format_usd(each.spent), "limit": format_usd(each.limit)},
        )
        for each in usage
    )
