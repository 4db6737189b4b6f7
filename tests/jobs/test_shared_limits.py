"""Limits hold for writes of one group, and for groups of several processes at one moment."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tallylight.clock import VirtualClock
from tallylight.model.ledger import ALL_TRAFFIC, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transaction import WriteOutcome, write_group
from tests.builders import NOON, new_video
from tests.storage.writes import creation

if TYPE_CHECKING:
    from tests.conftest import NewDatabase

LIMIT_OF_ALL = Budget(per_hour=Decimal("2.4"))
LIMIT_OF_KEY = Budget(per_hour=Decimal("1.6"))
WRITTEN, REFUSED = WriteOutcome.WRITTEN, WriteOutcome.REFUSED


async def outcomes_of_creates(storage: Storage, number: int) -> Sequence[WriteOutcome]:
    """Create some videos of one key in one group; return what became of them."""
    videos = [new_video() for _ in range(number)]
    limits = (
        SpendingLimit(LIMIT_OF_ALL, ALL_TRAFFIC, "all"),
        SpendingLimit(LIMIT_OF_KEY, payer_scope(videos[0].key), "key"),
    )
    writes = [creation(video, *limits) for video in videos]
    written = await storage.connections.run_in_thread(
        lambda connection: write_group(connection, writes), is_durable=False
    )
    return [each.outcome for each in written]


async def test_the_writes_of_one_group_share_a_limit(tmp_path: Path) -> None:
    async with open_storage(f"sqlite:///{tmp_path}/group.db", VirtualClock(NOON)) as storage:
        outcomes = await outcomes_of_creates(storage, 6)

    assert outcomes == [WRITTEN] * 4 + [REFUSED] * 2


async def test_processes_that_reserve_at_the_same_moment_share_a_limit(
    new_postgres: "NewDatabase",
) -> None:
    address, clock = new_postgres(None), VirtualClock(NOON)
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(open_storage(address, clock)) for _ in range(3)]
        found = await asyncio.gather(*(outcomes_of_creates(each, 2) for each in storages))

    assert Counter(outcome for each in found for outcome in each) == {WRITTEN: 4, REFUSED: 2}
