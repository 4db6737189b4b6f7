"""Facts are free; only the owner of a video decides about it, and from its present version."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import Connection, event, text, update

from tallylight.clock import VirtualClock
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.ledger import EntryState, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.model.video import Video, VideoRecord, VideoStatus
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.tables import processes_table
from tallylight.storage.transaction import Write, WriteOutcome
from tests.builders import NOON, SERVICE
from tests.storage.writes import (
    change,
    completed,
    created,
    creation,
    decision,
    enter,
    fact,
    failed,
    new_attempt,
    recorded,
    video_of,
)

WRITTEN, OUTDATED, LOST = WriteOutcome.WRITTEN, WriteOutcome.OUTDATED, WriteOutcome.LOST


@dataclass(slots=True)
class Pair:
    """Two processes on one database; the first owns a video that has not ended."""

    first: Storage
    second: Storage
    video: Video

    async def claim(self, storage: Storage, owner: str) -> VideoRecord:
        """Take the video over, as no living process owns it."""
        (record,) = await storage.videos.claim_orphans(owner, [SERVICE.id], NOON)
        return record

    async def outcome(self, write: Write) -> WriteOutcome:
        """Return what becomes of a write of the first process."""
        return (await self.first.group_commit.write(write)).outcome

    async def record(self) -> VideoRecord:
        """Return the video as it is."""
        record = await self.first.videos.record(self.video.id)
        assert record is not None
        return record

    async def states(self) -> list[AttemptState]:
        return [each.state for each in (await self.record()).attempts]


@pytest.fixture
async def pair(address: str, clock: VirtualClock) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_storage(address, clock))
        second = await stack.enter_async_context(open_storage(address, clock))
        video = (await created(first, video_of(owner="first"))).video
        for name in ("second", "third"):
            await enter(second, name)
        yield Pair(first, second, video)


async def test_the_owner_of_a_video_decides_about_it(pair: Pair) -> None:
    further = decision(pair.video, new=new_attempt(pair.video, 2))

    assert await pair.outcome(further) is WRITTEN

    record = await pair.record()
    assert [each.state for each in record.attempts] == [AttemptState.INTENDED] * 2
    assert (record.video.attempts, record.video.cost) == (2, Decimal("0.8"))


async def test_after_a_take_over_nothing_is_decided_and_no_money_is_reserved(pair: Pair) -> None:
    taken = await pair.claim(pair.second, "second")
    limit = SpendingLimit(Budget(per_day=Decimal("0.1")), payer_scope(pair.video.key), "of all")

    for attempt in (new_attempt(pair.video, 2), new_attempt(pair.video, 2, limit)):
        assert await pair.outcome(decision(pair.video, new=attempt)) is LOST
    assert await pair.outcome(decision(completed(pair.video))) is LOST

    assert await pair.record() == taken
    assert (taken.video.owner, taken.video.epoch) == ("second", pair.video.epoch + 1)
    assert await pair.outcome(creation(video_of(), usd="0.1")) is WRITTEN


async def test_after_a_take_over_facts_are_written_and_raise_the_revision(pair: Pair) -> None:
    taken = await pair.claim(pair.second, "second")

    heard = await recorded(pair.first, fact(pair.video, AttemptEvent.ACCEPTED, job="job"))

    assert heard.video.revision == taken.video.revision + 1
    assert (heard.video.owner, heard.video.epoch) == ("second", taken.video.epoch)
    assert heard.attempts[0].job_id == "job"
    stale = await pair.second.group_commit.write(
        decision(taken.video, change(pair.video, AttemptEvent.LEAVE))
    )
    assert stale.outcome is OUTDATED
    assert stale.record == heard
    again = await pair.second.group_commit.write(decision(heard.video))
    assert again.outcome is WRITTEN


async def test_facts_beside_a_lost_decision_are_written(pair: Pair) -> None:
    await pair.claim(pair.second, "second")
    accepted = change(pair.video, AttemptEvent.ACCEPTED, job="job")

    both = decision(completed(pair.video), facts=(accepted,))

    assert await pair.outcome(both) is LOST
    record = await pair.record()
    assert (record.video.status, record.video.service) == (VideoStatus.QUEUED, SERVICE.id)
    assert await pair.states() == [AttemptState.ACCEPTED]


async def test_a_process_that_takes_its_own_video_again_shuts_its_old_follower_out(
    pair: Pair,
) -> None:
    (again,) = await pair.first.videos.claim_again("first", [pair.video.id])

    assert again.video.epoch == pair.video.epoch + 1
    assert await pair.outcome(decision(pair.video)) is LOST
    assert await pair.outcome(decision(failed(again.video))) is WRITTEN


async def test_nobody_takes_a_video_of_another_process_again(pair: Pair) -> None:
    assert await pair.second.videos.claim_again("second", [pair.video.id]) == ()


async def test_a_video_of_a_living_process_is_no_orphan(pair: Pair) -> None:
    await enter(pair.first, "first")

    assert await pair.second.videos.claim_orphans("second", [SERVICE.id], NOON) == ()


async def test_a_process_that_was_declared_dead_takes_nothing_over(pair: Pair) -> None:
    """It would take over for ever: what it has taken belongs to a dead process."""
    await declare_dead(pair.second, "second")

    assert await pair.second.videos.claim_orphans("second", [SERVICE.id], NOON) == ()


async def test_a_video_is_taken_by_a_process_that_can_ask_its_service(pair: Pair) -> None:
    await recorded(pair.first, fact(pair.video, AttemptEvent.ACCEPTED, job="job"))
    claim = pair.second.videos.claim_orphans

    assert await claim("second", [ServiceId("another")], NOON) == ()
    assert len(await claim("second", [ServiceId("another")], NOON + timedelta(days=1))) == 1
    await declare_dead(pair.second, "second")
    assert len(await claim("third", [SERVICE.id], NOON)) == 1


async def test_a_video_that_was_handed_over_is_taken_by_another_process(pair: Pair) -> None:
    await enter(pair.first, "first")

    assert await pair.outcome(decision(replace(pair.video, owner=""))) is WRITTEN

    assert await pair.outcome(decision((await pair.record()).video)) is WRITTEN
    assert await pair.outcome(decision(replace(pair.video, owner="first"))) is LOST
    taken = await pair.claim(pair.second, "second")
    assert (taken.video.owner, taken.video.epoch) == ("second", pair.video.epoch + 1)


async def test_nothing_is_decided_about_a_video_that_has_ended(pair: Pair) -> None:
    over = await recorded(pair.first, decision(failed(pair.video)))

    later = decision(over.video, new=new_attempt(pair.video, 2))

    assert await pair.outcome(later) is LOST
    assert await pair.record() == over
    assert await pair.second.videos.claim_orphans("second", [SERVICE.id], NOON) == ()


async def test_a_video_that_is_not_there_is_lost(pair: Pair) -> None:
    written = await pair.first.group_commit.write(
        Write(VideoId("video_nowhere"), facts=(change(pair.video, AttemptEvent.DONE),))
    )

    assert (written.outcome, written.record) == (LOST, None)


async def test_a_decision_that_was_committed_unseen_is_found_by_its_token(pair: Pair) -> None:
    further = decision(pair.video, new=new_attempt(pair.video, 2))
    first = await recorded(pair.first, further)

    again = await recorded(pair.first, replace(further, is_repeated=True))

    assert again == first
    assert len(again.attempts) == 2


async def test_an_end_that_was_committed_unseen_is_found_by_its_token(pair: Pair) -> None:
    end = decision(completed(pair.video), change(pair.video, AttemptEvent.DONE))
    first = await recorded(pair.first, end)
    late = await recorded(pair.second, fact(pair.video, AttemptEvent.WORKING))

    assert await pair.outcome(replace(end, is_repeated=True)) is WRITTEN
    assert await pair.outcome(decision(completed(pair.video))) is LOST
    assert first.video.ended_at == late.video.ended_at == NOON


async def test_facts_that_were_committed_unseen_are_written_once(pair: Pair) -> None:
    heard = fact(pair.video, AttemptEvent.REFUSED)
    first = await recorded(pair.first, heard)

    again = await recorded(pair.first, replace(heard, is_repeated=True))

    assert again == first
    assert [each.state for each in again.entries.values()] == [EntryState.RELEASED]


async def test_a_lost_decision_does_not_stop_other_writes_of_its_group(pair: Pair) -> None:
    other = (await created(pair.first, video_of(owner="second"))).video
    lost = decision(replace(other, owner="first"), new=new_attempt(other, 2))
    further = decision(pair.video, new=new_attempt(pair.video, 2))

    results = await asyncio.gather(*map(pair.outcome, (lost, further, lost)))

    assert results == [LOST, WRITTEN, LOST]


async def test_a_decision_waits_for_a_take_over_in_progress(pair: Pair) -> None:
    take = text(
        "UPDATE videos SET owner = 'second', epoch = epoch + 1, revision = revision + 1"
        " WHERE id = :id"
    )
    async with pair.second.connections.relaxed_transaction(LockId.VIDEO) as connection:
        await connection.execute(take, {"id": pair.video.id})
        intending = asyncio.create_task(
            pair.outcome(decision(pair.video, new=new_attempt(pair.video, 2)))
        )
        await until_locked(connection.dialect.name, pair)
        assert not intending.done()

    assert await intending is LOST
    assert await pair.states() == [AttemptState.INTENDED]


async def test_a_take_over_skips_a_video_that_is_being_written(pair: Pair) -> None:
    loop = asyncio.get_running_loop()
    take_over = pair.second.videos.claim_orphans("second", [SERVICE.id], NOON)
    locks: list[str] = []
    passed: list[object] = []

    def meanwhile(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT videos") and not locks:
            locks.append(statement)
            if connection.dialect.name == "postgresql":  # SQLite has one writer: it would wait
                passed.append(asyncio.run_coroutine_threadsafe(take_over, loop).result(20))

    event.listen(pair.first.connections._thread_engine, "after_cursor_execute", meanwhile)
    accepted = fact(pair.video, AttemptEvent.REFUSED)
    await recorded(pair.first, accepted)

    assert len(locks) == 1
    assert passed in ([], [()])
    if not passed:
        await take_over
    await declare_dead(pair.second, "second")
    taken = await pair.claim(pair.second, "third")
    assert [each.state for each in taken.attempts] == [AttemptState.REFUSED]


async def test_nothing_is_written_between_a_take_over_and_the_read_of_its_attempts(
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
    taken = await pair.claim(pair.second, "second")

    assert len(reached) == 1
    assert taken.video.ended_at is None
    assert [each.state for each in taken.attempts] == [AttemptState.INTENDED]
    assert len(taken.entries) == 1


async def test_a_take_over_reads_what_was_committed_while_it_waited_for_its_turn(
    pair: Pair,
) -> None:
    """An attempt of a transaction that began before the take-over is seen by it."""
    async with pair.first.connections.relaxed_transaction(LockId.VIDEO) as connection:
        taking = asyncio.create_task(pair.claim(pair.second, "second"))
        await until_locked(connection.dialect.name, pair)
        await connection.execute(text("UPDATE attempts SET state = 'accepted', job = 'late'"))
        assert not taking.done()

    taken = await taking
    assert [each.job_id for each in taken.attempts] == ["late"]


async def test_a_video_that_is_being_ended_is_not_taken_over(pair: Pair) -> None:
    end = text("UPDATE videos SET ended_at_us = 1 WHERE id = :id")
    async with pair.first.connections.relaxed_transaction(LockId.KEY) as connection:
        await connection.execute(end, {"id": pair.video.id})
        taking = asyncio.create_task(pair.second.videos.claim_orphans("second", [SERVICE.id], NOON))
        if connection.dialect.name == "postgresql":
            assert await taking == ()

    assert await taking == ()


async def test_a_process_reads_which_videos_its_rows_name(pair: Pair) -> None:
    assert await pair.second.videos.owned_by("first") == {pair.video.id}
    assert await pair.second.videos.owned_by("second") == frozenset()


async def declare_dead(storage: Storage, name: str) -> None:
    dead = update(processes_table).where(processes_table.c.name == name)
    async with storage.connections.durable_transaction(LockId.PROCESS) as connection:
        await connection.execute(dead.values(dead_at_us=NOON))


async def until_locked(dialect: str, pair: Pair) -> None:
    """Return once a statement waits for another transaction; SQLite has no such wait."""
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
    completed = "UPDATE videos SET status = 'completed', ended_at_us = 1"
    delivered = "UPDATE attempts SET state = 'delivered', ended_at_us = 1"
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"), timeout=0)) as file, file:
            file.execute(completed)
            file.execute(delivered)
        return
    with psycopg.connect(address) as connection:
        connection.execute("SET lock_timeout = '100ms'")
        connection.execute(completed)
        connection.execute(delivered)
