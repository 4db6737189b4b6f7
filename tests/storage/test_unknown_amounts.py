"""Amounts that are not known are stored as such, and count against no budget."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.ledger import LedgerEntry, Purpose, SpendingLimit, SpendingTotal, payer_scope
from tallylight.model.money import Budget
from tallylight.model.video import Video
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId, connect
from tallylight.storage.transaction import NewAttempt, NewVideo, Write, WriteOutcome
from tests.builders import NOON, attempt_of, new_video

from .test_upgrade import make_revision_0002

DAY = timedelta(days=1)
_NO_PRICE = "UPDATE ledger SET purpose = 'traffic', estimate_micro_usd = 0, amount_micro_usd = 0"


@pytest.fixture
async def upgraded(empty_address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    """Return the storage of an older release, whose only attempt had no price to reserve."""
    connections = connect(empty_address)
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.run_sync(make_revision_0002)
        await connection.execute(text(_NO_PRICE))
        await connection.execute(text("UPDATE videos SET cost_micro_usd = 0"))
    await connections.close()
    async with open_storage(empty_address, clock) as history:
        yield history


async def record(
    history: Storage, amount: Decimal | None, *limits: SpendingLimit
) -> tuple[Video, LedgerEntry]:
    """Record a video whose attempt has this estimate."""
    video = new_video()
    attempt, entry = attempt_of(video)
    entry = replace(entry, estimate=amount, amount=amount)
    new = NewVideo("token", video, NewAttempt(attempt, entry, limits))
    written = await history.group_commit.write(Write(video.id, new=new))
    assert written.outcome is WriteOutcome.WRITTEN
    return video, entry


async def test_an_unknown_amount_reads_back_as_unknown(history: Storage) -> None:
    video, entry = await record(history, None)

    assert await history.ledger.entries() == (entry,)
    stored = await history.videos.get(video.id)
    assert stored is not None
    assert stored.cost is None


async def test_it_counts_against_no_budget(history: Storage) -> None:
    video, _ = await record(history, None)
    limit = SpendingLimit(Budget(per_hour=Decimal("0.4")), payer_scope(video.key), "key")

    _, entry = await record(history, Decimal("0.4"), limit)

    assert entry.amount == Decimal("0.4")


async def test_totals_tell_how_many_amounts_are_not_known(history: Storage) -> None:
    await record(history, None)
    (unknown,) = await history.ledger.totals(DAY, NOON)
    await record(history, Decimal("0.4"))
    (partial,) = await history.ledger.totals(DAY, NOON)

    assert (unknown.entry_count, unknown.unknown_count, unknown.known_amount) == (1, 1, None)
    assert (partial.entry_count, partial.unknown_count) == (2, 1)
    assert partial.known_amount == Decimal("0.4")


async def test_an_upgrade_tells_unknown_amounts_from_zero(upgraded: Storage) -> None:
    (entry,) = await upgraded.ledger.entries()
    video = await upgraded.videos.get(VideoId("video_1"))

    assert (entry.estimate, entry.amount) == (None, None)
    assert video is not None
    assert video.cost is None


async def test_what_a_free_probe_cost_may_be_unknown(history: Storage) -> None:
    charge = history.ledger.charge
    await charge(ServiceId("a"), Purpose.UNEXPECTED_CHARGE, None, at=NOON, note="reach")

    (total,) = await history.ledger.totals(DAY, NOON)

    assert total == SpendingTotal(
        Purpose.UNEXPECTED_CHARGE, total.payer, ServiceId("a"), 1, Decimal(0), 1
    )
