"""One request is one video, however often it comes, whoever dies meanwhile."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.attempt import AttemptState
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.world import JobRequest
from tallylight.storage.transaction import WriteBatch
from tallylight.storage.videos import new_video_id

from .conftest import Start


async def test_the_same_idempotency_key_is_the_same_video(start: Start) -> None:
    studio = await start()

    videos = [await studio.create(idempotency_key="mine") for _ in range(3)]
    again = await studio.create(idempotency_key="mine")
    await studio.ended(again)
    after = await studio.create(idempotency_key="mine")

    assert len({video.id for video in (*videos, again, after)}) == 1
    assert after.status is VideoStatus.COMPLETED
    assert studio.creates("a") == 1


async def test_duplicates_at_the_same_moment_share_one_attempt(start: Start) -> None:
    studio = await start()

    videos = await asyncio.gather(*(studio.create(idempotency_key="mine") for _ in range(8)))

    assert len({video.id for video in videos}) == 1
    assert studio.creates("a") == 1


async def test_the_same_key_for_other_content_is_a_conflict(start: Start) -> None:
    studio = await start()
    await studio.create(idempotency_key="mine")

    with pytest.raises(ApiError) as refusal:
        await studio.create("something else", idempotency_key="mine")

    assert refusal.value.status == 409
    assert refusal.value.code == "idempotency_key_reused"


async def test_a_key_whose_request_was_refused_is_free_again(start: Start) -> None:
    studio = await start(route={"services": ["a"]})
    studio.trouble("a", {"kind": "refuse", "sign": "rate_limited"})
    with pytest.raises(ApiError):
        await studio.create(idempotency_key="mine")
    studio.trouble("a")

    await studio.clock.sleep(timedelta(minutes=1))
    video = await studio.create(idempotency_key="mine")

    assert (await studio.ended(video)).status is VideoStatus.COMPLETED


async def test_what_the_sdk_sends_again_by_itself_is_the_same_video(start: Start) -> None:
    studio = await start()
    first = await studio.create()

    again = await studio.create(is_retry=True)

    assert again.id == first.id
    assert studio.creates("a") == 1


async def test_what_was_refused_and_comes_again_is_no_other_video(start: Start) -> None:
    studio = await start(route={"services": ["a"]})
    first = await studio.create()
    studio.trouble("a", {"kind": "refuse", "sign": "overloaded"})
    with pytest.raises(ApiError):
        await studio.create()
    studio.trouble("a")

    again = await studio.create(is_retry=True)
    once_more = await studio.create(is_retry=True)

    assert again.id != first.id
    assert once_more.id == again.id


async def test_a_repetition_waits_for_what_it_repeats_to_be_written(start: Start) -> None:
    studio = await start()

    first, again = await asyncio.gather(studio.create(), studio.create(is_retry=True))

    assert again.id == first.id
    assert studio.creates("a") == 1


async def test_a_repetition_elsewhere_is_told_no_video_that_is_refused_here(start: Start) -> None:
    studio = await start()
    now = studio.clock.now()
    elsewhere = Video(
        id=new_video_id(),
        key=ANONYMOUS.key,
        model="boats",
        prompt="a paper boat",
        seconds=4,
        size="1280x720",
        created_at=now,
        deadline=now + timedelta(minutes=10),
        idempotency_key="mine",
        fingerprint="a paper boat",
        owner="elsewhere",
    )
    until = now + timedelta(minutes=10)
    await studio.history.group_commit.write(WriteBatch(new_video=elsewhere, leased_until=until))
    asking = asyncio.create_task(studio.create(idempotency_key="mine"))
    await studio.clock.sleep(timedelta(seconds=5))

    await studio.history.videos.delete(elsewhere.id, studio.clock.now())
    video = await studio.ended(await asking)

    assert video.id != elsewhere.id
    assert video.status is VideoStatus.COMPLETED


async def test_two_like_requests_are_two_videos(start: Start) -> None:
    studio = await start()

    videos = [await studio.create(), await studio.create()]

    assert len({video.id for video in videos}) == 2


async def test_a_video_under_way_is_taken_over_from_a_dead_process(start: Start) -> None:
    dying = await start()
    dying.trouble("a", {"kind": "slow", "factor": 20})
    video = await dying.create()
    await dying.die()

    other = await start()
    seen = await other.ended(video)

    assert (seen.id, seen.status, seen.service) == (video.id, VideoStatus.COMPLETED, "a")
    assert other.creates("a") == 1


async def test_a_create_cut_off_by_death_is_found_and_not_sent_again(start: Start) -> None:
    dying = await start()
    await dying.die_asking("a")

    other = await start()
    (video,) = await other.history.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.creates("a") == 1
    assert other.deliveries("a paper boat") == 1


async def test_a_create_cut_off_by_death_is_found_behind_many_others(start: Start) -> None:
    dying = await start()
    await dying.die_asking("a")
    for number in range(120):  # a page of the list shows fifty
        other_job = JobRequest("a", f"another {number}", "720x1280", 4, "sora-2")
        dying.world.accept_job(other_job, None, f"video_other{number}")

    other = await start()
    (video,) = await other.history.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.creates("a") == 1


async def test_a_complete_list_has_its_minute_from_when_we_began_to_look(start: Start) -> None:
    upstreams = {"first": {"lists_all_jobs": True}}
    dying = await start(upstreams=upstreams)
    await dying.die_asking("a")
    await dying.clock.sleep(timedelta(minutes=1))
    dying.trouble("a", {"kind": "incomplete_list"})

    other = await start(upstreams=upstreams)
    while not other.world.requests["a", "list"]:
        await other.clock.sleep(timedelta(seconds=1))
    other.trouble("a")
    (video,) = await other.history.videos.list_page(ANONYMOUS.key, after=None, limit=5, order="asc")
    seen = await other.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert other.deliveries("a paper boat") == 1


async def test_who_comes_again_after_a_crash_finds_its_video(start: Start) -> None:
    dying = await start()
    video = await dying.create()
    await dying.die()

    other = await start()
    again = await other.create(is_retry=True)

    assert again.id == video.id


async def test_a_process_that_lost_its_video_sends_nothing_for_it(start: Start) -> None:
    first = await start()
    first.trouble("a", {"kind": "fail", "after": 20})
    video = await first.create()
    second = await start()
    now = second.clock.now()
    await second.history.videos.release_leases([video.id], now - timedelta(seconds=1))

    seen = await second.ended(video)

    assert seen.status is VideoStatus.COMPLETED
    states = [state for _, state in await second.tried(video)]
    assert states.count(AttemptState.DELIVERED) == 1
    assert second.creates("b") == 1
    assert second.deliveries("a paper boat") == 1


@pytest.mark.parametrize("budget", [{"per_day": "1"}, {}], ids=["limited", "unlimited"])
async def test_what_has_no_known_price_is_bought_only_where_nothing_is_limited(
    start: Start, budget: Mapping[str, str]
) -> None:
    studio = await start(gateway={"budget": budget})
    services = [
        replace(each, sheet=replace(each.sheet, price=None)) if each.id == "a" else each
        for each in studio.configuration.catalogue.services.values()
    ]
    await studio.board.apply_config(services, studio.configuration.verdicts)

    video = await studio.ended(await studio.create())

    assert video.service == ("b" if budget else "a")


async def test_the_money_of_a_key_is_set_aside_before_anything_is_sent(start: Start) -> None:
    studio = await start(gateway={"budget": {"per_day": "0.25"}})
    await asyncio.gather(*(studio.create(f"boat {number}") for number in range(2)))

    with pytest.raises(ApiError) as refusal:
        await studio.create("one too many")

    assert refusal.value.status == 429
    assert refusal.value.code == "insufficient_quota"
    assert studio.creates("a") == 2
