"""Spending limits of callers' videos, by key and in total."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import Purpose
from tallylight.model.money import Budget
from tallylight.status.budgets import traffic_budget_usage
from tallylight.status.views.probes import BudgetUsage
from tallylight.storage.database import Storage
from tallylight.storage.transaction import NewAttempt, NewVideo, Write
from tests.storage.writes import new_attempt, recorded, video_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora")


async def spend(history: Storage, payer: str, usd: str, hours_ago: int = 0) -> None:
    """Reserve an amount for the video of a caller."""
    video = video_of(key=KeyId(payer))
    attempt, entry, _ = new_attempt(video, usd=usd)
    entry = replace(entry, at=NOON - timedelta(hours=hours_ago))
    new = NewVideo(video.id, video, NewAttempt(attempt, entry))
    await recorded(history, Write(video.id, new=new))


async def test_the_limits_of_keys_and_of_all_videos_show_their_usage(
    history: Storage,
) -> None:
    await spend(history, "k1", "0.5")
    await spend(history, "k1", "2", hours_ago=3)
    await spend(history, "k2", "0.25")
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
