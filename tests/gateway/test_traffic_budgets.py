"""Spending limits of callers' videos, by key and in total."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.money import Budget
from tallylight.status.budgets import traffic_budget_usage
from tallylight.status.views.probes import BudgetUsage
from tallylight.storage.database import Storage
from tallylight.storage.transaction import WriteBatch
from tests.group_commit import running_group_commit

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora")


def entry(name: str, payer: str, amount: str, hours_ago: int = 0) -> LedgerEntry:
    return LedgerEntry(
        id=EntryId(name),
        service=SORA,
        purpose=Purpose.TRAFFIC,
        note="",
        state=EntryState.RESERVED,
        estimate=Decimal(amount),
        amount=Decimal(amount),
        at=NOON - timedelta(hours=hours_ago),
        payer=KeyId(payer),
    )


async def test_the_limits_of_keys_and_of_all_videos_show_their_usage(
    history: Storage,
) -> None:
    async with running_group_commit(history):
        for each in (
            entry("1", "k1", "0.5"),
            entry("2", "k1", "2", hours_ago=3),
            entry("3", "k2", "0.25"),
        ):
            await history.group_commit.write(WriteBatch(new_entry=each))
    await history.ledger.charge(SORA, Purpose.PROBE, Decimal(9), at=NOON, note="")
    keys = [
        GatewayKey(KeyId("k1"), "film", "d1", "1111", NOON, budget=Budget(per_day=Decimal(5))),
        GatewayKey(KeyId("k2"), "test", "d2", "2222", NOON),
    ]

    found = await traffic_budget_usage(history.ledger, keys, Budget(per_hour=Decimal(3)), NOON)
    (first, *_) = await history.ledger.totals(timedelta(days=1), NOON)

    assert found == (
        BudgetUsage("videos", "1h", Decimal(3), Decimal("0.75")),
        BudgetUsage("key:film", "24h", Decimal(5), Decimal("2.5")),
    )
    assert (first.purpose, first.payer, first.amount) == (Purpose.PROBE, "", Decimal(9))
