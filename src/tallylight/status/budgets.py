"""What may be spent, and what was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.services import Budget, Service
from tallylight.history.ledger import Ledger
from tallylight.terms import ServiceId

_WINDOWS = (
    ("1h", timedelta(hours=1)),
    ("24h", timedelta(hours=24)),
    ("30d", timedelta(days=30)),
)

TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Spending:
    """One limit and how far it is used up.

    Args:
        scope: A service's id, or "total".
        window: "1h", "24h" or "30d", rolling.
        limit: In USD.
        spent: Settled and reserved, in USD.
    """

    scope: str
    window: str
    limit: Decimal
    spent: Decimal


async def spendings(
    ledger: Ledger, services: Sequence[Service], total: Budget | None, now: datetime
) -> tuple[Spending, ...]:
    """Return every limit that is set, the total's first."""
    found = [] if total is None else await _of(ledger, None, total, now)
    for service in services:
        found += await _of(ledger, service.id, service.budget, now)
    return tuple(found)


async def _of(
    ledger: Ledger, service: ServiceId | None, budget: Budget, now: datetime
) -> list[Spending]:
    limits = (budget.per_hour, budget.per_day, budget.per_month)
    return [
        Spending(service or TOTAL, name, limit, await ledger.spent(window, now, service))
        for (name, window), limit in zip(_WINDOWS, limits, strict=True)
        if limit is not None
    ]
