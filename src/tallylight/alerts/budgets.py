"""Decides at which shares of a budget a notification is due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules
from tallylight.model.ids import ServiceId


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """What is spent of one limit.

    Args:
        service: The service that it limits; None for all probes.
        window: "1h", "24h" or "30d", rolling.
        spent: In USD.
        limit: In USD.
    """

    service: ServiceId | None
    window: str
    spent: Decimal
    limit: Decimal

    @property
    def key(self) -> str:
        """Return the limit's name in the state."""
        return f"{self.service or ''}/{self.window}"

    @property
    def percent(self) -> int:
        """Return the share that is spent, rounded down."""
        return int(self.spent * 100 / self.limit) if self.limit else 0


def update_budgets(
    notified: Mapping[str, int], shares: Iterable[BudgetShare], now: datetime, rules: AlertRules
) -> tuple[Mapping[str, int], tuple[Notification, ...]]:
    """Return the notified shares after this call, and the notifications that are due.

    Each share is notified once, and again after the spending of a rolling window fell below it.
    """
    after: dict[str, int] = {}
    due = []
    for share in shares:
        reached = next((each for each in rules.budget_percent if share.percent >= each), None)
        if reached is None:
            continue
        after[share.key] = reached
        if reached > notified.get(share.key, 0):
            due.append(_budget_notification(share, now))
    return after, tuple(due)


def _budget_notification(share: BudgetShare, now: datetime) -> Notification:
    return Notification(
        NotificationKind.BUDGET_SPENT,
        now,
        () if share.service is None else (share.service,),
        facts={
            "scope": share.service or "",
            "window": share.window,
            "percent": share.percent,
            "spent": f"{share.spent:.2f}",
            "limit": f"{share.limit:.2f}",
        },
    )
