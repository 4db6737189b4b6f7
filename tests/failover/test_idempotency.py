"""One request is one video, however often it is sent and whichever process dies."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.video import VideoStatus
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.world import JobRequest
from tallylight.storage.transaction import Decision, NewVideo, Write
from tests.builders import new_video

from .conftest import Start


async def test_the_same_idempotency_key_is_the_same_video(start: Start) -> None:
    gateway = await start()

    videos = [await gateway.create(idempotency_key="mine") for _ in range(3)]
    again = await gateway.create(idempotency_key="mine")
    await gateway.until_ended(again)
    after = await gateway.create(idempotency_key="mine")

    assert len({video.id for video in (*videos, again, after)}) == 1
    assert after.status is VideoStatus.COMPLETED
    assert gateway.create_count("a") == 1


async def test_duplicates_at_the_same_moment_share_one_attempt(start: Start) -> None:
    gateway = await start()

    videos = await asyncio.gather(*(gateway.create(idempotency_key="mine") for _ in range(8)))

    assert len({video.id for video in videos}) == 1
    assert gateway.create_count("a") == 1


async def test_the_same_key_for_other_content_is_a_conflict(start: Start) -> None:
    gateway = await start()
    await gateway.create(idempotency_key="mine")

    with pytest.raises(ApiError) as refusal:
        await gateway.create("something else", idempotency_key="mine")

    assert refusal.value.status == 409
    assert refusal.value.code == "idempotency_key_reused"


async def test_a_key_whose_request_was_refused_is_free_again(start: Start) -> None:
    gateway = await start(route={"services": ["a"]})
    gateway.set_faults("a", {"kind": "refuse", "sign": "rate_limited"})
    with pytest.raises(ApiError):
        await gateway.create(idempotency_key="mine")
    gateway.set_faults("a")

    await gateway.clock.sleep(timedelta(minutes=1))
    video = await gateway.create(idempotency_key="mine")

    assert (await gateway.until_ended(video)).status is VideoStatus.COMPLETED


async def test_an_automatic_retry_is_the_same_video(start: Start) -> None:
    gateway = await start()
    first = await gateway.create()

    again = await gateway.create(is_retry=True)

    assert again.id == first.id
    assert gateway.create_count("a") == 1


async def test_the_retry_of_a_refused_request_is_a_new_video(start: Start) -> None:
    gateway = await start(route={"services": ["a"]})
    first = await gateway.create()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    with pytest.raises(ApiError):
        await gateway.create()
    gateway.set_faults("a")

    again = await gateway.create(is_retry=True)
    once_more = await gateway.create(is_retry=True)

    assert again.id != first.id
    assert once_more.id == again.id


async def test_a_retry_waits_until_the_original_is_recorded(start: Start) -> None:
    gateway = await start()

    first, again = await asyncio.gather(gateway.create(), gateway.create(is_retry=True))

    assert again.id == first.id
    assert gateway.create_count("a") == 1


async def test_a_retry_at_another_process_gets_no_refused_video(start: Start) -> None:
    gateway = await start()
    now = gateway.clock.now()
    elsewhere = replace(
        new_video(),
        key=ANONYMOUS.key,
        model="boats",
        prompt="a paper boat",
        seconds=4,
        created_at=now,
        deadline=now + timedelta(minutes=10),
        idempotency_key="mine",
        fingerprint="a paper boat",
        owner=await gateway.other_process(),
    )
    new = Write(elsewhere.id, new=NewVideo("token", elsewhere))
    await gateway.storage.group_commit.write(new)
    asking = asyncio.create_task(gateway.create(idempotency_key="mine"))
    await gateway.clock.sleep(timedelta(seconds=5))

    refused = replace(elsewhere, ended_at=gateway.clock.now(), deleted_at=gateway.clock.now())
    decision = Decision("end", refused)
    await gateway.storage.group_commit.write(Write(elsewhere.id, decision=decision))
    video = await gateway.until_ended(await asking)

    assert video.id != elsewhere.id
    assert video.status is VideoStatus.COMPLETED


async def test_two_equal_requests_are_two_videos(start: Start) -> None:
    gateway = await start()

    videos = [await gateway.create(), await gateway.create()]

    assert len({video.id for video in videos}) == 2


async def test_an_active_video_is_taken_over_from_a_dead_process(start: Start) -> None:
    killed = await start()
    killed.set_faults("a", {"kind": "slow", "factor": 20})
    video = await killed.create()
    await killed.kill()

    other = await start()
    seen = await other.until_ended(video)

    assert (seen.id, seen.status, seen.service) == (video.id, VideoStatus.COMPLETED, "a")
    assert other.create_count("a") == 1


async def test_a_create_interrupted_by_a_kill_is_found_and_not_sent_again(start: Start) -> None:
    killed = await start()
    await killed.kill_during_create("a")

    other = await start()
    (video,) = await other.storage.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.create_count("a") == 1
    assert other.billed_jobs("a paper boat") == 1


async def test_a_create_interrupted_by_a_kill_is_found_behind_many_jobs(start: Start) -> None:
    killed = await start()
    await killed.kill_during_create("a")
    for number in range(120):  # a page of the list shows fifty
        other_job = JobRequest("a", sized_reading(f"another {number}", "720x1280", 4, "sora-2"))
        killed.simulation.accept_job(other_job, None, f"video_other{number}")

    other = await start()
    (video,) = await other.storage.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.create_count("a") == 1


async def test_a_complete_list_gets_a_minute_from_the_first_search(start: Start) -> None:
    upstreams = {"first": {"lists_all_jobs": True}}
    killed = await start(upstreams=upstreams)
    await killed.kill_during_create("a")
    await killed.clock.sleep(timedelta(minutes=1))
    killed.set_faults("a", {"kind": "incomplete_list"})

    other = await start(upstreams=upstreams)
    while not other.simulation.requests["a", "list"]:
        await other.clock.sleep(timedelta(seconds=1))
    other.set_faults("a")
    (video,) = await other.storage.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.billed_jobs("a paper boat") == 1


async def test_a_retry_after_a_crash_finds_its_video(start: Start) -> None:
    killed = await start()
    video = await killed.create()
    await killed.kill()

    other = await start()
    again = await other.create(is_retry=True)

    assert again.id == video.id


@pytest.mark.parametrize("budget", [{"per_day": "1"}, {}], ids=["limited", "unlimited"])
async def test_an_unknown_price_is_paid_only_without_limits(
    start: Start, budget: Mapping[str, str]
) -> None:
    gateway = await start(gateway={"budget": budget})
    services = [
        replace(each, sheet=replace(each.sheet, price=None)) if each.id == "a" else each
        for each in gateway.configuration.catalogue.services.values()
    ]
    await gateway.board.apply_config(services, gateway.configuration.verdicts)

    video = await gateway.until_ended(await gateway.create())

    assert video.service == ("b" if budget else "a")


async def test_the_budget_of_a_key_is_reserved_before_anything_is_sent(start: Start) -> None:
    gateway = await start(gateway={"budget": {"per_day": "0.25"}})
    await asyncio.gather(*(gateway.create(f"boat {number}") for number in range(2)))

    with pytest.raises(ApiError) as refusal:
        await gateway.create("one too many")

    assert refusal.value.status == 429
    assert refusal.value.code == "insufficient_quota"
    assert gateway.create_count("a") == 2
