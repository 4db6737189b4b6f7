import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from tallylight.clock import SystemClock, VirtualClock
from tallylight.errors import StorageError
from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.gateway_keys import ActiveKeys, GatewayKeys

SECOND = timedelta(seconds=1)


class CountingKeys(GatewayKeys):
    """Stored keys that count their lookups."""

    lookups = 0
    is_unavailable = False

    async def active_keys(self, known: int | None) -> ActiveKeys | None:
        self.lookups += 1
        if self.is_unavailable:
            raise StorageError("database: it is away")
        return await super().active_keys(known)


@pytest.fixture
def keys(history: Storage, clock: VirtualClock) -> KeyRegistry:
    return KeyRegistry(history.keys, clock)


@asynccontextmanager
async def refreshing(keys: KeyRegistry) -> AsyncIterator[None]:
    """Refresh the keys within the block."""
    task = asyncio.create_task(keys.run())
    try:
        yield
    finally:
        task.cancel()


async def test_a_key_authenticates_its_caller(keys: KeyRegistry) -> None:
    budget = Budget(per_day=Decimal("2.50"))

    made, secret = await keys.create("films", ["sora"], 30, budget)

    assert await keys.authenticate(secret) == Caller(
        made.id, "films", frozenset({"sora"}), 30, budget
    )
    assert secret.startswith("tl-")
    assert secret.endswith(made.hint)


async def test_the_key_itself_is_nowhere_in_the_database(
    keys: KeyRegistry, history: Storage
) -> None:
    _, secret = await keys.create("films")

    async with history.keys._connections.read_transaction() as connection:
        rows = (await connection.execute(text("SELECT * FROM gateway_keys"))).all()

    assert len(rows) == 1
    assert secret not in str(rows)
    assert secret[3:-4] not in str(rows)


async def test_an_unknown_key_is_not_accepted(keys: KeyRegistry) -> None:
    _, secret = await keys.create("films")

    for other in ("", "tl-", secret[:-1], secret + "x", secret.upper(), "sk-\udcff", secret[3:]):
        assert await keys.authenticate(other) is None


async def test_a_key_created_by_another_process_is_accepted_at_once(
    keys: KeyRegistry, history: Storage, clock: VirtualClock
) -> None:
    elsewhere = KeyRegistry(history.keys, clock)
    async with refreshing(keys):
        await clock.advance(SECOND)

        _, secret = await elsewhere.create("films")
        await clock.advance(SECOND / 2)

        assert await keys.authenticate(secret) is not None


async def test_a_revocation_reaches_every_process_within_two_seconds(
    address: str, clock: VirtualClock
) -> None:
    async with open_storage(address, clock) as ours, open_storage(address, clock) as theirs:
        here, there = KeyRegistry(ours.keys, clock), KeyRegistry(theirs.keys, clock)
        made, secret = await here.create("films")
        _, other = await here.create("others")
        assert await there.authenticate(secret)

        revoked = await here.revoke(made.id)
        assert await here.authenticate(secret) is None
        assert await there.authenticate(secret)  # so the refresh above made the difference
        async with refreshing(there):
            await _until_refused(there, secret, clock)

        assert revoked is not None
        assert await there.authenticate(other)


async def _until_refused(keys: KeyRegistry, secret: str, clock: VirtualClock) -> None:
    until = clock.now() + 2 * SECOND
    async with asyncio.timeout(20):  # of real time, for the database
        while await keys.authenticate(secret):
            if clock.now() < until:
                await clock.advance(SECOND / 2)
            await asyncio.to_thread(lambda: None)


async def test_known_keys_cost_the_database_nothing(history: Storage, clock: VirtualClock) -> None:
    _, secret = await KeyRegistry(history.keys, clock).create("films")
    stored = CountingKeys(history.keys._connections)
    keys = KeyRegistry(stored, clock)

    for _ in range(100):
        assert await keys.authenticate(secret)

    assert stored.lookups == 1


async def test_a_flood_of_guesses_does_not_reach_the_database(
    history: Storage, clock: VirtualClock
) -> None:
    stored = CountingKeys(history.keys._connections)
    keys = KeyRegistry(stored, clock)

    for number in range(800):
        await keys.authenticate(f"tl-guess-{number}")
    lookups = stored.lookups
    await asyncio.gather(*(keys.authenticate(f"tl-guess-{number}") for number in range(100)))

    assert lookups == stored.lookups == 600
    _, secret = await KeyRegistry(history.keys, clock).create("films")
    async with refreshing(keys):
        await until_accepted(keys, secret, clock)


async def until_accepted(keys: KeyRegistry, secret: str, clock: VirtualClock) -> None:
    until = clock.now() + 2 * SECOND
    async with asyncio.timeout(20):  # of real time, for the database
        while not await keys.authenticate(secret):
            if clock.now() < until:
                await clock.advance(SECOND / 2)
            await asyncio.to_thread(lambda: None)


async def test_concurrent_guesses_share_one_lookup(history: Storage) -> None:
    stored = CountingKeys(history.keys._connections)
    keys = KeyRegistry(stored, SystemClock())

    await asyncio.gather(*(keys.authenticate(f"tl-guess-{number}") for number in range(100)))

    assert stored.lookups <= 2


async def test_a_key_created_right_after_a_lookup_is_accepted(history: Storage) -> None:
    keys, elsewhere = (KeyRegistry(history.keys, SystemClock()) for _ in range(2))

    for _ in range(5):
        await keys.authenticate("tl-guess")
        _, secret = await elsewhere.create("films")
        assert await keys.authenticate(secret)


async def test_known_keys_stay_valid_while_the_database_is_unavailable(
    history: Storage, clock: VirtualClock
) -> None:
    _, secret = await KeyRegistry(history.keys, clock).create("films")
    stored = CountingKeys(history.keys._connections)
    keys = KeyRegistry(stored, clock)
    await keys.authenticate(secret)

    stored.is_unavailable = True
    async with refreshing(keys):
        await clock.advance(5 * SECOND)

        assert await keys.authenticate(secret)
        with pytest.raises(StorageError):  # a new key must not be reported as unknown
            await keys.authenticate("tl-new")


async def test_each_key_has_a_rate_of_its_own(keys: KeyRegistry, clock: VirtualClock) -> None:
    slow, quick = (Caller(KeyId(name), per_minute=rate) for name, rate in (("a", 2), ("b", 3)))

    waits = [keys.check_rate_limit(slow) for _ in range(3)]

    assert waits == [None, None, timedelta(seconds=30)]
    assert [keys.check_rate_limit(quick) for _ in range(3)] == [None] * 3
    assert [keys.check_rate_limit(Caller(KeyId("c"))) for _ in range(100)] == [None] * 100
    await clock.advance(timedelta(seconds=30))
    assert keys.check_rate_limit(slow) is None


def test_a_caller_without_routes_may_use_all() -> None:
    assert Caller().may_use("sora")
    assert Caller(routes=frozenset({"sora"})).may_use("sora")
    assert not Caller(routes=frozenset({"sora"})).may_use("veo")
