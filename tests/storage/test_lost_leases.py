"""Of two processes, only the owner of an open video may add attempts to it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import Connection, event, text

from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry
from tallylight.model.money import Budget
from tallylight.model.video import Video, VideoError, VideoStatus
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.transaction import SpendingLimit, WriteBatch
from tests.builders import NOON, attempt_of, new_video
from tests.group_commit import running_group_commit

LEASE = timedelta(seconds=15)
LATE = NOON + timedelta(minutes=1)


@dataclass(slots=True)
class Pair:
    """Two processes on one database; the first owns a video that has not ended."""

    first: Storage
    second: Storage
    video: Video
    attempt: Attempt
    entry: LedgerEntry

    def further(self, **changes: object) -> WriteBatch:
        """Return the batch that the first process writes before a further attempt."""
        attempt, entry = attempt_of(self.video, 2)
        refused = replace(self.attempt, state=AttemptState.REFUSED, ended_at=NOON)
        released = replace(self.entry, state=EntryState.RELEASED, amount=Decimal(0))
        batch = WriteBatch(
            new_attempt=attempt,
            new_entry=entry,
            video=replace(self.video, attempts=2),
            attempts=(refused,),
            entries=(released,),
        )
        return replace(batch, **changes)  # type: ignore[arg-type]  # a test's shorthand

    def completion(self) -> WriteBatch:
        """Return the batch that completes the video by its first attempt."""
        done = replace(self.video, status=VideoStatus.COMPLETED, progress=100, ended_at=NOON)
        delivered = replace(self.attempt, state=AttemptState.DELIVERED, ended_at=NOON)
        settled = replace(self.entry, state=EntryState.SETTLED)
        return WriteBatch(video=done, attempts=(delivered,), entries=(settled,))

    async def states(self) -> list[AttemptState]:
        return [each.state for each in await self.first.attempts.for_video(self.video.id)]

    async def reserved(self) -> list[EntryId]:
        """Return the entries that are reserved."""
        entries = await self.first.ledger.entries()
        return [each.id for each in entries if each.state is EntryState.RESERVED]


@asynccontextmanager
async def opened(address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(address, clock) as history, running_group_commit(history):
        yield history


@pytest.fixture
async def pair(address: str, clock: VirtualClock) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(opened(address, clock))
        second = await stack.enter_async_context(opened(address, clock))
        video = replace(new_video(), owner="first", attempts=1)
        attempt, entry = attempt_of(video)
        await first.group_commit.write(
            WriteBatch(
                new_video=video, leased_until=NOON + LEASE, new_attempt=attempt, new_entry=entry
            )
        )
        yield Pair(first, second, video, attempt, entry)


async def test_the_owner_of_an_open_video_may_add_an_attempt(pair: Pair) -> None:
    assert await pair.first.group_commit.write(pair.further())

    assert await pair.states() == [AttemptState.REFUSED, AttemptState.INTENDED]
    assert await pair.reserved() == [EntryId(f"{pair.video.id}.2")]


async def test_after_a_lost_lease_no_attempt_is_added_and_no_money_reserved(pair: Pair) -> None:
    await pair.second.videos.claim_expired("second", LATE, LATE + LEASE)

    assert not await pair.first.group_commit.write(pair.further())

    assert await pair.states() == [AttemptState.REFUSED]  # ended rows are written all the same
    assert await pair.reserved() == []
    stands = await pair.first.videos.get(pair.video.id)
    assert stands is not None
    assert (stands.owner, stands.attempts) == ("second", 1)


async def test_no_attempt_is_added_to_a_video_without_an_owner(pair: Pair) -> None:
    await pair.second.videos.release_leases([pair.video.id], NOON)

    assert not await pair.first.group_commit.write(pair.further())


async def test_no_attempt_is_added_to_a_video_that_has_ended(pair: Pair) -> None:
    error = VideoError("x", "over")
    failed = replace(pair.video, status=VideoStatus.FAILED, error=error, ended_at=NOON)
    await pair.first.group_commit.write(WriteBatch(video=failed))

    assert not await pair.first.group_commit.write(pair.further())

    assert await pair.reserved() == []


async def test_after_a_lost_lease_no_budget_error_is_raised(pair: Pair) -> None:
    limit = SpendingLimit(Budget(per_day=Decimal("0.1")), None, "of all")
    with pytest.raises(BudgetError):
        await pair.first.group_commit.write(pair.further(limits=(limit,)))
    await pair.second.videos.claim_expired("second", LATE, LATE + LEASE)

    assert not await pair.first.group_commit.write(pair.further(limits=(limit,)))


async def test_a_lost_lease_does_not_stop_other_batches_of_its_group(pair: Pair) -> None:
    other = replace(new_video(), owner="second")
    attempt, entry = attempt_of(other)
    await pair.first.group_commit.write(
        WriteBatch(new_video=other, leased_until=NOON, new_attempt=attempt, new_entry=entry)
    )
    further, reserved = attempt_of(other, 2)
    lost = WriteBatch(new_attempt=further, new_entry=reserved, video=replace(other, owner="first"))

    results = await asyncio.gather(
        *(pair.first.group_commit.write(each) for each in (lost, pair.further(), lost))
    )

    assert results == [False, True, False]


async def test_a_new_attempt_waits_for_a_take_over_in_progress(pair: Pair) -> None:
    take = text("UPDATE videos SET owner = 'second' WHERE id = :id")
    async with pair.second.connections.relaxed_transaction(LockId.VIDEO) as connection:
        await connection.execute(take, {"id": pair.video.id})
        intending = asyncio.create_task(pair.first.group_commit.write(pair.further()))
        await until_locked(connection.dialect.name, pair)
        assert not intending.done()

    assert not await intending
    assert await pair.states() == [AttemptState.REFUSED]


async def test_a_take_over_skips_a_video_whose_attempt_is_being_written(
    pair: Pair,
) -> None:
    loop = asyncio.get_running_loop()
    take_over = pair.second.videos.claim_expired("second", LATE, LATE + LEASE)
    locks: list[str] = []
    passed: list[object] = []

    def meanwhile(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT videos") and not locks:
            locks.append(statement)
            if (
                connection.dialect.name == "postgresql"
            ):  # SQLite has one writer at a time: it would wait
                passed.append(asyncio.run_coroutine_threadsafe(take_over, loop).result(20))

    event.listen(pair.first.connections._thread_engine, "after_cursor_execute", meanwhile)
    assert await pair.first.group_commit.write(pair.further())

    assert len(locks) == 1
    assert passed in ([], [()])
    if not passed:
        await take_over
    ((_, tried),) = await pair.second.videos.claim_expired(
        "third", LATE + 2 * LEASE, LATE + 3 * LEASE
    )
    assert [each.state for each in tried.attempts] == [AttemptState.REFUSED, AttemptState.INTENDED]


async def test_no_video_ends_between_its_take_over_and_the_read_of_its_attempts(
    pair: Pair, address: str
) -> None:
    reached: list[str] = []

    def meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT attempts") and not reached:
            reached.append(statement)
            with suppress(sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
                end_at_once(address)

    engine = pair.second.connections._engine.sync_engine
    event.listen(engine, "before_cursor_execute", meanwhile)
    ((video, tried),) = await pair.second.videos.claim_expired("second", LATE, LATE + LEASE)

    assert len(reached) == 1
    assert [each.state for each in tried.attempts] == [AttemptState.INTENDED]
    assert list(tried.entries) == [pair.entry.id]
    await pair.first.group_commit.write(pair.completion())
    assert await pair.states() == [AttemptState.DELIVERED]
    further, entry = attempt_of(video, 2)
    assert not await pair.second.group_commit.write(
        WriteBatch(new_attempt=further, new_entry=entry, video=video)
    )


async def test_a_video_that_is_being_ended_is_not_taken_over(pair: Pair) -> None:
    end = text("UPDATE videos SET ended_at_us = 1 WHERE id = :id")
    async with pair.first.connections.relaxed_transaction(LockId.KEY) as connection:
        await connection.execute(end, {"id": pair.video.id})
        taking = asyncio.create_task(pair.second.videos.claim_expired("second", LATE, LATE + LEASE))
        if connection.dialect.name == "postgresql":
            assert await taking == ()

    assert await taking == ()


async def until_locked(dialect: str, pair: Pair) -> None:
    """Return once a statement waits for another transaction's row; SQLite has no such wait."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while dialect == "postgresql":
            async with pair.second.connections.read_transaction() as connection:
                if await connection.scalar(waiting):
                    return


def end_at_once(address: str) -> None:
    """Deliver the only video as its former owner; fail if that would have to wait."""
    delivered = "UPDATE attempts SET state = 'delivered', ended_at_us = 1"
    completed = "UPDATE videos SET status = 'completed', ended_at_us = 1"
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"), timeout=0)) as file, file:
            file.execute(delivered)
            file.execute(completed)
        return
    with psycopg.connect(address) as connection:
        connection.execute("SET lock_timeout = '100ms'")
        connection.execute(delivered)
        connection.execute(completed)
