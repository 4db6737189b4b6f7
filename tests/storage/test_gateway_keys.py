from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tallylight.errors import StorageError
from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tallylight.storage.database import Storage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = GatewayKey(
    id=KeyId("key_1"),
    name="影片組",
    digest="a" * 64,
    hint="wxyz",
    created_at=NOON,
    routes=frozenset({"sora", "veo"}),
    per_minute=60,
    budget=Budget(per_hour=Decimal("0.10"), per_month=Decimal(25)),
)
OPEN = GatewayKey(KeyId("key_2"), "all", "b" * 64, "0000", NOON + timedelta(hours=1))


async def test_a_key_reads_back_as_it_was_written(history: Storage) -> None:
    await history.keys.add(OPEN)
    await history.keys.add(KEY)

    assert await history.keys.list_all() == (KEY, OPEN)


async def test_active_keys_are_read_again_only_after_a_change(history: Storage) -> None:
    nothing = await history.keys.active_keys(None)
    assert nothing is not None
    assert not nothing.keys

    await history.keys.add(KEY)
    ring = await history.keys.active_keys(nothing.version)

    assert ring is not None
    assert ring.keys == {KEY.digest: KEY}
    assert await history.keys.active_keys(ring.version) is None


async def test_a_revoked_key_is_not_active_and_stays_in_the_list(history: Storage) -> None:
    await history.keys.add(KEY)
    await history.keys.add(OPEN)
    before = await history.keys.active_keys(None)
    assert before is not None

    revoked = await history.keys.revoke(KEY.id, NOON + timedelta(days=1))
    after = await history.keys.active_keys(before.version)

    assert revoked == replace(KEY, revoked_at=NOON + timedelta(days=1))
    assert after is not None
    assert after.keys == {OPEN.digest: OPEN}
    assert await history.keys.list_all() == (revoked, OPEN)


async def test_a_key_is_revoked_once(history: Storage) -> None:
    await history.keys.add(KEY)
    await history.keys.revoke(KEY.id, NOON)
    ring = await history.keys.active_keys(None)
    assert ring is not None

    assert await history.keys.revoke(KEY.id, NOON + timedelta(days=1)) is None
    assert await history.keys.revoke(KeyId("key_9"), NOON) is None
    assert await history.keys.active_keys(ring.version) is None


async def test_two_keys_never_share_a_digest(history: Storage) -> None:
    await history.keys.add(KEY)

    with pytest.raises(StorageError, match=r"(?i)unique"):
        await history.keys.add(replace(KEY, id=KeyId("key_3")))
