"""No connection to PostgreSQL waits, idles or works without a limit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from sqlalchemy import Connection, text

from tallylight.errors import StorageError
from tallylight.storage.engine import Connections, LockId, acquire_lock, connect

NewDatabase = Callable[[str | None], str]

WRITE = {"idle_in_transaction_session_timeout": "5s", "lock_timeout": "5s"}
_SETTINGS = text(
    "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name IN"
    " ('idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout')"
)
POOL_SIZE = 3


@pytest.fixture
def postgres(new_postgres: NewDatabase) -> str:
    return new_postgres(None)


@pytest.fixture
async def connections(postgres: str) -> AsyncIterator[Connections]:
    connections = connect(postgres, POOL_SIZE)
    yield connections
    await connections.close()


def settings(connection: Connection) -> Mapping[str, str]:
    return {row.name: row.value for row in connection.execute(_SETTINGS)}


async def test_a_write_waits_and_works_for_seconds(connections: Connections) -> None:
    for transaction in (connections.durable_transaction, connections.relaxed_transaction):
        async with transaction(LockId.LEDGER) as connection:
            assert await connection.run_sync(settings) == WRITE | {"statement_timeout": "10s"}


async def test_a_write_of_the_thread_waits_and_works_for_seconds(connections: Connections) -> None:
    for is_durable in (True, False):
        found = await connections.run_in_thread(settings, is_durable=is_durable)

        assert found == WRITE | {"statement_timeout": "10s"}


async def test_rollups_may_take_minutes(connections: Connections) -> None:
    async with connections.relaxed_transaction(LockId.ROLLUP) as connection:
        assert await connection.run_sync(settings) == WRITE | {"statement_timeout": "5min"}


async def test_a_read_may_take_minutes(connections: Connections) -> None:
    async with connections.durable_transaction(LockId.LEDGER):
        pass
    async with connections.read_transaction() as connection:
        assert await connection.run_sync(settings) == WRITE | {"statement_timeout": "5min"}


async def test_a_migration_has_no_limits(connections: Connections) -> None:
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        assert set((await connection.run_sync(settings)).values()) == {"0"}
    async with connections.read_transaction() as connection:
        assert "0" not in (await connection.run_sync(settings)).values()


async def test_a_vanished_machine_is_noticed_within_seconds(postgres: str) -> None:
    connections = connect(f"{postgres}{'&' if '?' in postgres else '?'}tcp_user_timeout=1234")
    async with connections.read_transaction() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        found = raw.info.get_parameters()
    await connections.close()

    assert found["tcp_user_timeout"] == "1234"  # the address has the last word
    assert found["keepalives_idle"] == "5"
    assert found["connect_timeout"] == "10"


async def test_a_lock_that_another_process_keeps_is_not_waited_for_without_end(
    connections: Connections,
) -> None:
    def hold(connection: Connection) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))  # the rule, sooner
        acquire_lock(connection, LockId.LEDGER)

    async with connections.durable_transaction(LockId.LEDGER):
        with pytest.raises(StorageError, match="lock timeout"):
            await connections.run_in_thread(hold, is_durable=True)


async def test_transactions_open_no_more_connections_than_the_pool_has(
    connections: Connections,
) -> None:
    counts: list[int] = []

    async def read() -> None:
        async with connections.read_transaction() as connection:
            found = await connection.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            )
            counts.append(found or 0)

    await asyncio.gather(*(read() for _ in range(4 * POOL_SIZE)))

    assert max(counts) == POOL_SIZE
