"""The proxy before PostgreSQL holds what it is told to hold, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from bench.chaos.interferences import (
    HeldCommits,
    HungPool,
    StopAfterIntent,
    StopInTransaction,
    UnheardCommits,
)
from bench.chaos.postgres import PostgresCluster, postgres_cluster
from bench.chaos.proxy import PostgresProxy, postgres_proxy

INTENT = b"INSERT INTO attempts VALUES ('one')"

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[PostgresCluster]:
    async with postgres_cluster(tmp_path) as cluster:
        await cluster.execute(
            "CREATE TABLE attempts (id text)", "CREATE TABLE processes (beat bigint)"
        )
        yield cluster


@pytest.fixture
async def proxy(cluster: PostgresCluster) -> AsyncIterator[PostgresProxy]:
    async with postgres_proxy(cluster.port) as proxy:
        yield proxy


async def count(cluster: PostgresCluster) -> object:
    async with await psycopg.AsyncConnection.connect(cluster.url()) as direct:
        row = await (await direct.execute("SELECT count(*) FROM attempts")).fetchone()
    return row and row[0]


async def connected(cluster: PostgresCluster, proxy: PostgresProxy) -> Connection:
    return await psycopg.AsyncConnection.connect(cluster.url(proxy.port))


async def until_held(held: HeldCommits | UnheardCommits) -> None:
    while not held.count:  # noqa: ASYNC110  # the proxy counts it
        await asyncio.sleep(0.01)  # noqa: TID251


async def test_held_commits_land_when_released(
    cluster: PostgresCluster, proxy: PostgresProxy
) -> None:
    held, unheard = HeldCommits(), UnheardCommits()
    async with await connected(cluster, proxy) as connection:
        proxy.interference = held
        await connection.execute(INTENT)
        commit = asyncio.create_task(connection.commit())
        await until_held(held)
        assert await count(cluster) == 0
        held.release()
        await commit
        assert await count(cluster) == 1

        proxy.interference = unheard
        await connection.execute(INTENT)
        commit = asyncio.create_task(connection.commit())
        await until_held(unheard)
        assert await count(cluster) == 2
        assert not commit.done()
        unheard.release()
        await commit


async def test_a_process_is_stopped_in_a_transaction_and_after_an_intent(
    cluster: PostgresCluster, proxy: PostgresProxy
) -> None:
    stops: list[str] = []
    async with await connected(cluster, proxy) as connection:
        proxy.interference = after = StopAfterIntent(lambda: stops.append("after"))
        await connection.execute("SELECT 1")
        await connection.commit()
        assert stops == []
        await connection.execute(INTENT)
        await connection.commit()
        assert stops == ["after"]
        assert after.is_stopped.is_set()

        proxy.interference = inside = StopInTransaction(lambda: stops.append("inside"))
        await connection.execute(INTENT)
        commit = asyncio.create_task(connection.commit())
        await inside.is_stopped.wait()
        assert stops == ["after", "inside"]
        assert await count(cluster) == 1
        inside.release()
        await commit
        assert await count(cluster) == 2


async def test_a_hung_pool_spares_the_heartbeat_and_a_partition_spares_nothing(
    cluster: PostgresCluster, proxy: PostgresProxy
) -> None:
    async with (
        await connected(cluster, proxy) as heart,
        await connected(cluster, proxy) as other,
    ):
        await heart.execute("UPDATE processes SET beat = beat + 1")
        proxy.interference = hung = HungPool()
        work = asyncio.create_task(other.execute("SELECT 1"))
        await heart.execute("UPDATE processes SET beat = beat + 1")
        assert not work.done()
        hung.release()
        await work

        proxy.partition()
        work = asyncio.create_task(other.execute("SELECT 2"))
        await cluster.execute("SELECT 1")
        assert not work.done()
        proxy.heal()
        await work
