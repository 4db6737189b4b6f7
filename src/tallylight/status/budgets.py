"""Budget limits and what was spent against them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.services import Service
from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ledger import Purpose, SpendingTotal
from tallylight.model.money import Budget
from tallylight.status.views.probes import BudgetUsage
from tallylight.storage.ledger import Ledger

_WINDOWS = (
    ("1h", timedelta(hours=1)),
    ("24h", timedelta(hours=24)),
    ("30d", timedelta(days=30)),
)

TOTAL_SCOPE = "total"
VIDEOS_SCOPE = "videos"
KEY_SCOPE_PREFIX = "key:"
"""Scopes other than a service's id: all probes, all callers' videos, one key by its name."""


async def budget_usage(
    ledger: Ledger, services: Sequence[Service], total: Budget | None, now: datetime
) -> tuple[BudgetUsage, ...]:
    """Return every limit that is set for probes, the total first."""
    by_window = {name: await ledger.spent_by_service(window, now) for name, window in _WINDOWS}
    totals = {name: sum(spent.values(), Decimal(0)) for name, spent in by_window.items()}
    usage = [] if total is None else list(_usage_of(TOTAL_SCOPE, total, totals))
    for service in services:
        spent = {name: sums.get(service.id, Decimal(0)) for name, sums in by_window.items()}
        usage += _usage_of(service.id, service.budget, spent)
    return tuple(usage)


async def traffic_budget_usage(
    ledger: Ledger, keys: Sequence[GatewayKey], total: Budget, now: datetime
) -> tuple[BudgetUsage, ...]:
    """Return every limit that is set for callers' videos, the total first."""
    by_window = {
        name: [each for each in await ledger.totals(window, now) if each.purpose is Purpose.TRAFFIC]
        for name, window in _WINDOWS
    }
    usage = list(
        _usage_of(VIDEOS_SCOPE, total, {name: _total(sums) for name, sums in by_window.items()})
    )
    for key in keys:
        own = {
            name: _total(each for each in sums if each.payer == key.id)
            for name, sums in by_window.items()
        }
        usage += _usage_of(f"{KEY_SCOPE_PREFIX}{key.name}", key.budget, own)
    return tuple(usage)


def _total(sums: Iterable[SpendingTotal]) -> Decimal:
    return sum((each.amount for each in sums), Decimal(0))


def _usage_of(scope: str, budget: Budget, spent: Mapping[str, Decimal]) -> Iterator[BudgetUsage]:
    limits = (budget.per_hour, budget.per_day, budget.per_month)
    for (name, _), limit in zip(_WINDOWS, limits, strict=True):
        if limit is not None:
            yield BudgetUsage(scope, name, limit, spent[name])
