"""Whenever a process dies or is cut off, nothing is paid twice, and what was heard is kept."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tallylight.gateway.keys import ANONYMOUS
from tallylight.model.attempt import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.attempts import Tried
from tallylight.storage.engine import LockId
from tallylight.storage.transaction import WriteBatch

from .conftest import Start, Studio

UNLISTED = {"services": ["c", "a"], "explicit": True}


async def the_video(studio: Studio) -> Video:
    (video,) = await studio.history.videos.list_page(
        ANONYMOUS.key, after=None, limit=5, order="asc"
    )
    return video


@pytest.mark.parametrize("writings", [1, 2])
async def test_killed_after_any_writing_a_doubt_is_not_paid_twice(
    start: Start, writings: int
) -> None:
    dying = await start(route=UNLISTED)
    dying.trouble("c", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(dying.create())
    await dying.die_after(writings)
    asking.cancel()

    other = await start(route=UNLISTED)
    video = await other.ended(await the_video(other))

    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert other.creates("a") == 0


async def test_a_refusal_and_the_next_try_are_written_at_once(start: Start) -> None:
    dying = await start()
    dying.trouble("a", {"kind": "refuse", "sign": "overloaded"})
    dying.trouble("b", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(dying.create())
    await dying.die_after(2)  # the first try, and the second one
    asking.cancel()

    first, second = await dying.attempts(await the_video(dying))

    assert (first.state, second.state) == (AttemptState.REFUSED, AttemptState.INTENDED)


async def test_the_money_of_a_refusal_is_free_for_the_next_try(start: Start) -> None:
    studio = await start(gateway={"budget": {"per_day": "0.25"}})
    studio.trouble("a", {"kind": "refuse", "sign": "overloaded"})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


async def test_who_loses_its_lease_follows_the_video_no_more(start: Start) -> None:
    first = await start()
    first.trouble("a", {"kind": "slow", "factor": 20})
    video = await first.create()
    (lost,) = first.switchboard._leases._tasks.values()
    second = await start()
    await second.history.videos.release_leases(
        [video.id], second.clock.now() - timedelta(seconds=1)
    )

    async with asyncio.timeout(30):
        await asyncio.wait((lost,))
    seen = await second.ended(video)

    assert (seen.status, second.creates("a")) == (VideoStatus.COMPLETED, 1)


async def test_who_loses_its_video_before_a_further_attempt_sends_nothing(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "refuse", "sign": "overloaded"})
    journal, write = studio.history.group_commit, studio.history.group_commit.write
    take = text("UPDATE videos SET owner = 'another', leased_until_us = 9999999999999999")

    async def write_late(batch: WriteBatch) -> bool:
        if batch.is_further:
            async with studio.history._connections.relaxed_transaction(LockId.VIDEO) as connection:
                await connection.execute(take)
        return await write(batch)

    journal.write = write_late  # type: ignore[method-assign]  # the real one, after a take-over
    video = await studio.create()
    await studio.left_alone(video)

    assert await studio.tried(video) == [("a", AttemptState.REFUSED)]
    assert studio.creates("b") == 0
    assert [entry.state for entry in await studio.history.ledger.entries()] == [EntryState.RELEASED]
    stands = await studio.history.videos.get(video.id)
    assert stands is not None
    assert (stands.owner, stands.is_terminal) == ("another", False)


async def test_a_video_that_ends_as_it_is_taken_over_is_not_made_again(start: Start) -> None:
    first = await start()
    first.trouble("a", {"kind": "slow", "factor": 5})
    video = await first.create()
    await first.die()
    second = await start()
    take_over = second.history.videos.claim_expired
    taken = asyncio.Event()

    async def take_over_late(
        owner: str, now: datetime, until: datetime
    ) -> tuple[tuple[Video, Tried], ...]:
        found = await take_over(owner, now, until)
        for under_way, _ in found:  # whom the first tells of the end meanwhile
            (attempt,) = await second.attempts(under_way)
            over = replace(under_way, status=VideoStatus.COMPLETED, progress=100, ended_at=now)
            delivered = replace(attempt, state=AttemptState.DELIVERED, ended_at=now)
            await second.history.group_commit.write(WriteBatch(video=over, attempts=(delivered,)))
            taken.set()
        return found

    second.history.videos.claim_expired = take_over_late  # type: ignore[method-assign]  # the real one
    await second.history.videos.release_leases(
        [video.id], second.clock.now() - timedelta(seconds=1)
    )
    await taken.wait()
    await second.clock.sleep(timedelta(seconds=1))
    await second.left_alone(video)

    assert await second.tried(video) == [("a", AttemptState.DELIVERED)]
    assert [second.creates(name) for name in "abc"] == [1, 0, 0]


async def test_an_answer_that_another_process_hears_ends_the_doubt(start: Start) -> None:
    cut_off = await start(route=UNLISTED)
    await cut_off.die_asking("c")
    other = await start(route=UNLISTED)
    video = await the_video(other)
    while other.switchboard._leases.tracked(video.id) is None:
        await other.clock.sleep(timedelta(seconds=1))

    (attempt,) = await other.attempts(video)
    (job,) = [entry.job for entry in other.world.ledger.entries]
    heard = replace(attempt, state=AttemptState.ACCEPTED, job=job, accepted_at=other.clock.now())
    await other.history.group_commit.write(WriteBatch(attempts=(heard,)))
    seen = await other.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "c")
    assert other.creates("c") == 1


async def test_a_caller_that_leaves_leaves_no_doubt_behind(start: Start) -> None:
    studio = await start()
    asking = asyncio.create_task(studio.create())
    await studio.clock.sleep(timedelta())  # it has begun

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    video = await studio.ended(await the_video(studio))

    assert video.status is VideoStatus.COMPLETED
    assert studio.creates("a") == 1


async def test_a_late_refusal_of_the_content_does_not_end_what_another_makes(start: Start) -> None:
    studio = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    refused = {"kind": "fail", "after": 75, "code": "moderation_blocked", "message": "moderation"}
    studio.trouble("a", refused)
    studio.trouble("b", {"kind": "slow", "factor": 10})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    entries = await studio.history.ledger.entries()
    assert {entry.service: entry.state for entry in entries} == {
        "a": EntryState.RELEASED,
        "b": EntryState.SETTLED,
    }


async def test_what_no_money_is_left_for_still_waits_for_a_late_delivery(start: Start) -> None:
    studio = await start(
        upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}},
        gateway={"budget": {"per_day": "0.15"}},
    )
    studio.trouble("a", {"kind": "slow", "factor": 15})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
