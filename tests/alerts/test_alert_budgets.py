"""At which shares of a budget a notification is due."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from tallylight.alerts.budgets import BudgetShare, update_budgets
from tallylight.alerts.state import AlertRules
from tallylight.model.ids import ServiceId

NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)
SERVICE = ServiceId("sora-2")


def spent(
    notified: Mapping[str, int], amount: str, service: ServiceId | None = None
) -> tuple[Mapping[str, int], list[object]]:
    share = BudgetShare(service, "24h", Decimal(amount), Decimal(10))
    after, due = update_budgets(notified, [share], NOW, AlertRules())
    return after, [each.facts["percent"] for each in due]


def test_each_share_is_notified_once() -> None:
    notified: Mapping[str, int] = {}
    sent = []
    for amount in ("1", "7.9", "8.1", "9", "9.6", "9.9", "10"):
        notified, percents = spent(notified, amount)
        sent += percents

    assert sent == [81, 96]


def test_a_share_is_notified_again_after_spending_fell_below_it() -> None:
    notified, _ = spent({}, "9.6")
    notified, percents = spent(notified, "8.5")
    assert percents == []

    _, percents = spent(notified, "9.6")

    assert percents == [96]


def test_a_notification_names_what_is_limited() -> None:
    share = BudgetShare(SERVICE, "24h", Decimal("8.104"), Decimal(10))

    _, (sent,) = update_budgets({}, [share], NOW, AlertRules())

    assert sent.services == (SERVICE,)
    assert (sent.facts["spent"], sent.facts["limit"]) == ("8.10", "10.00")
    assert update_budgets({}, [share], NOW, AlertRules(budget_percent=()))[1] == ()
