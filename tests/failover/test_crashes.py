"""When a process dies or loses its lease, nothing is paid twice and no response is lost."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tallylight.gateway.keys import ANONYMOUS
from tallylight.model.attempt import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.attempts import VideoAttempts
from tallylight.storage.engine import LockId
from tallylight.storage.transaction import WriteBatch

from .conftest import RunningGateway, Start

UNLISTED = {"services": ["c", "a"], "explicit": True}


async def only_video(gateway: RunningGateway) -> Video:
    (video,) = await gateway.storage.videos.list_page(
        ANONYMOUS.key, after=None, limit=5, order="asc"
    )
    return video


@pytest.mark.parametrize("writes", [1, 2])
async def test_a_kill_after_any_write_pays_no_doubt_twice(start: Start, writes: int) -> None:
    killed = await start(route=UNLISTED)
    killed.set_faults("c", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(killed.create())
    await killed.kill_after_writes(writes)
    asking.cancel()

    other = await start(route=UNLISTED)
    video = await other.until_ended(await only_video(other))

    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert other.create_count("a") == 0


async def test_a_refusal_and_the_next_attempt_are_one_transaction(start: Start) -> None:
    killed = await start()
    killed.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    killed.set_faults("b", {"kind": "reset", "accepts": True})
    asking = asyncio.create_task(killed.create())
    await killed.kill_after_writes(2)  # the first attempt and the second
    asking.cancel()

    first, second = await killed.attempts(await only_video(killed))

    assert (first.state, second.state) == (AttemptState.REFUSED, AttemptState.INTENDED)


async def test_the_reservation_of_a_refused_attempt_is_free_for_the_next(start: Start) -> None:
    gateway = await start(gateway={"budget": {"per_day": "0.25"}})
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


async def test_a_process_that_lost_its_lease_stops_following(start: Start) -> None:
    first = await start()
    first.set_faults("a", {"kind": "slow", "factor": 20})
    video = await first.create()
    (lost,) = first.wiring.gateway._leases._tasks.values()
    second = await start()
    await second.storage.videos.release_leases(
        [video.id], second.clock.now() - timedelta(seconds=1)
    )

    async with asyncio.timeout(30):
        await asyncio.wait((lost,))
    seen = await second.until_ended(video)

    assert (seen.status, second.create_count("a")) == (VideoStatus.COMPLETED, 1)


async def test_a_process_that_lost_its_lease_sends_no_further_attempt(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    journal, write = gateway.storage.group_commit, gateway.storage.group_commit.write
    take = text("UPDATE videos SET owner = 'another', leased_until_us = 9999999999999999")

    async def write_late(batch: WriteBatch) -> bool:
        if batch.is_further:
            async with gateway.storage.connections.relaxed_transaction(LockId.VIDEO) as connection:
                await connection.execute(take)
        return await write(batch)

    journal.write = write_late  # type: ignore[method-assign]  # the real one, after a take-over
    video = await gateway.create()
    await gateway.until_released(video)

    assert await gateway.attempt_states(video) == [("a", AttemptState.REFUSED)]
    assert gateway.create_count("b") == 0
    assert [entry.state for entry in await gateway.storage.ledger.entries()] == [
        EntryState.RELEASED
    ]
    stands = await gateway.storage.videos.get(video.id)
    assert stands is not None
    assert (stands.owner, stands.is_terminal) == ("another", False)


async def test_a_video_that_ends_during_a_takeover_is_not_made_again(start: Start) -> None:
    first = await start()
    first.set_faults("a", {"kind": "slow", "factor": 5})
    video = await first.create()
    await first.kill()
    second = await start()
    take_over = second.storage.videos.claim_expired
    taken = asyncio.Event()

    async def take_over_late(
        owner: str, now: datetime, until: datetime
    ) -> tuple[tuple[Video, VideoAttempts], ...]:
        found = await take_over(owner, now, until)
        for active, _ in found:  # the first process ends them meanwhile
            (attempt,) = await second.attempts(active)
            over = replace(active, status=VideoStatus.COMPLETED, progress=100, ended_at=now)
            delivered = replace(attempt, state=AttemptState.DELIVERED, ended_at=now)
            await second.storage.group_commit.write(WriteBatch(video=over, attempts=(delivered,)))
            taken.set()
        return found

    second.storage.videos.claim_expired = take_over_late  # type: ignore[method-assign]  # the real one
    await second.storage.videos.release_leases(
        [video.id], second.clock.now() - timedelta(seconds=1)
    )
    await taken.wait()
    await second.clock.sleep(timedelta(seconds=1))
    await second.until_released(video)

    assert await second.attempt_states(video) == [("a", AttemptState.DELIVERED)]
    assert [second.create_count(name) for name in "abc"] == [1, 0, 0]


async def test_a_response_to_another_process_resolves_the_doubt(start: Start) -> None:
    cut_off = await start(route=UNLISTED)
    await cut_off.kill_during_create("c")
    other = await start(route=UNLISTED)
    video = await only_video(other)
    while other.wiring.gateway._leases.tracked(video.id) is None:
        await other.clock.sleep(timedelta(seconds=1))

    (attempt,) = await other.attempts(video)
    (job,) = [entry.id for entry in other.simulation.ledger.entries]
    heard = replace(attempt, state=AttemptState.ACCEPTED, job=job, accepted_at=other.clock.now())
    await other.storage.group_commit.write(WriteBatch(attempts=(heard,)))
    seen = await other.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "c")
    assert other.create_count("c") == 1


async def test_a_disconnecting_caller_leaves_no_doubt(start: Start) -> None:
    gateway = await start()
    asking = asyncio.create_task(gateway.create())
    await gateway.clock.sleep(timedelta())  # it has begun

    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    video = await gateway.until_ended(await only_video(gateway))

    assert video.status is VideoStatus.COMPLETED
    assert gateway.create_count("a") == 1


async def test_a_late_content_refusal_does_not_end_another_attempt(start: Start) -> None:
    gateway = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    refused = {"kind": "fail", "after": 75, "code": "moderation_blocked", "message": "moderation"}
    gateway.set_faults("a", refused)
    gateway.set_faults("b", {"kind": "slow", "factor": 10})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    entries = await gateway.storage.ledger.entries()
    assert {entry.service: entry.state for entry in entries} == {
        "a": EntryState.RELEASED,
        "b": EntryState.SETTLED,
    }


async def test_an_exhausted_budget_still_waits_for_a_late_delivery(start: Start) -> None:
    gateway = await start(
        upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}},
        gateway={"budget": {"per_day": "0.15"}},
    )
    gateway.set_faults("a", {"kind": "slow", "factor": 15})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
