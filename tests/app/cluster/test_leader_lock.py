"""One process judges a database at a time, and who was replaced writes nothing more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tallylight.app.cluster.leader_lock import LeaderLock
from tallylight.clock import VirtualClock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def address(new_postgres: Callable[[str | None], str]) -> str:
    return new_postgres(None)


@pytest.fixture
async def histories(address: str, clock: VirtualClock) -> AsyncIterator[tuple[Storage, Storage]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_storage(address, clock))
        two = await stack.enter_async_context(open_storage(address, clock))
        yield one, two


def cut_off(address: str) -> None:
    """End the sessions that hold a claim, as a network that breaks would, and see them gone."""
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


async def test_one_has_the_place_and_the_next_after_it(
    histories: tuple[Storage, Storage],
) -> None:
    one, two = (LeaderLock(history, None) for history in histories)

    assert await one.acquire()
    assert not await two.acquire()
    await one.release()
    async with asyncio.timeout(60):  # PostgreSQL sees the closed connection a little later
        while not await two.acquire():
            pass
    assert await two.is_held()
    await two.release()


async def test_a_claim_that_broke_is_renewed_if_nobody_was_faster(
    histories: tuple[Storage, Storage], address: str
) -> None:
    one, two = (LeaderLock(history, None) for history in histories)
    await one.acquire()

    cut_off(address)

    assert await one.is_held()
    assert not await two.acquire()
    await one.release()


async def test_who_was_replaced_learns_of_it_and_writes_nothing_more(
    histories: tuple[Storage, Storage], address: str, clock: VirtualClock
) -> None:
    former, judge = histories
    one, two = (LeaderLock(history, None) for history in histories)
    await one.acquire()
    former.add_evidence(Evidence(SORA, clock.now(), Source.TRAFFIC))

    cut_off(address)
    assert await two.acquire()

    for writing in (former.flush(), former.record_transitions(list), former.save_snapshots(dict)):
        with pytest.raises(StorageError, match="another process has become the leader"):
            await writing
    assert await judge.evidence() == ()
    assert not await one.is_held()

    # What it had found in the meantime is told to the one that judges now.
    await former.forward_buffered()
    await former.forwarded_evidence.buffer.flush()
    heard: list[Evidence] = []

    async def judged(piece: Evidence) -> None:
        heard.append(piece)

    await judge.forwarded_evidence.consume(judged)
    assert heard == [Evidence(SORA, clock.now(), Source.TRAFFIC)]
    await two.release()


async def test_who_judged_and_died_in_between_is_noticed(
    histories: tuple[Storage, Storage], address: str
) -> None:
    one, two = (LeaderLock(history, None) for history in histories)
    await one.acquire()
    cut_off(address)
    await two.acquire()
    await two.release()

    assert not await one.is_held()  # what the other has judged is unknown here


async def test_a_file_is_one_processs_alone(tmp_path: Path, clock: VirtualClock) -> None:
    file = tmp_path / "history.db"
    async with open_storage(f"sqlite:///{file}", clock) as history:
        one, two = LeaderLock(history, file), LeaderLock(history, file)

        assert await one.acquire()
        assert not await two.acquire()
        await one.release()
        assert await two.acquire()
        assert await two.is_held()
        await two.release()
    assert not one.is_shared
