"""Content that is not there when its job ends is fetched later, and a film in an answer at once."""

from datetime import timedelta

import pytest

from tallylight.gateway.assets.late import CONTENT_UNAVAILABLE
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import VideoId
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario
from tallylight.upstreams.download import LATE_PATIENCE

from .conftest import RunningGateway, Start
from .test_metrics import metric_values
from .test_streams import CHATS

LATE = {"kind": "refuse", "doors": ["content"], "http_status": 404}


async def read(gateway: RunningGateway, id_: VideoId) -> bytes:
    async with gateway.wiring.gateway.content(id_, ANONYMOUS, "video", None) as content:
        return b"".join([chunk async for chunk in content.chunks])


async def until_stored(gateway: RunningGateway, id_: VideoId) -> Video:
    while True:
        video = await gateway.storage.videos.get(id_)
        assert video is not None
        if video.asset:
            return video
        await gateway.clock.sleep(timedelta(seconds=1))


async def late_video(gateway: RunningGateway) -> Video:
    """Return a video that was completed before its content was there."""
    for name in ("a", "b", "c"):
        gateway.set_faults(name, {**LATE})
    video = await gateway.until_ended(await gateway.create())
    assert (video.status, video.asset) == (VideoStatus.COMPLETED, "")
    return video


async def test_late_content_is_stored_once_it_is_there(start: Start) -> None:
    gateway = await start()
    video = await late_video(gateway)

    with pytest.raises(ApiError) as refused:
        await read(gateway, video.id)
    gateway.set_faults("a")
    stored = await until_stored(gateway, video.id)
    asked = gateway.simulation.requests["a", "content"]
    film = await read(gateway, video.id)

    assert (refused.value.status, refused.value.code) == (503, CONTENT_UNAVAILABLE)
    assert film[4:8] == b"ftyp"
    assert gateway.simulation.requests["a", "content"] == asked
    assert stored.expires_at is not None
    assert await gateway.attempt_states(video) == [("a", AttemptState.DELIVERED)]
    outcomes = metric_values(gateway, "tallylight_attempts_total")
    assert outcomes == {("accepted", "a"): 1, ("delivered", "a"): 1}


async def test_content_comes_from_its_service_as_soon_as_it_is_there(start: Start) -> None:
    gateway = await start()
    video = await late_video(gateway)

    gateway.set_faults("a")

    assert (await read(gateway, video.id))[4:8] == b"ftyp"


async def test_another_process_stores_late_content_after_a_crash(start: Start) -> None:
    first = await start()
    video = await late_video(first)
    await first.kill()
    second = await start()

    second.set_faults("a")

    stored = await until_stored(second, video.id)
    assert stored.asset == f"videos/{video.id}.1"
    assert second.create_count("a") == 1


async def test_a_video_that_is_deleted_meanwhile_leaves_no_file(start: Start) -> None:
    gateway = await start()
    video = await late_video(gateway)
    keep, is_deleted = gateway.storage.videos.add_content, False

    async def delete_first(*values: object) -> bool:
        nonlocal is_deleted
        await gateway.storage.videos.delete(video.id, gateway.clock.now())
        stored = await keep(*values)  # type: ignore[arg-type]  # the real one, later
        is_deleted = True
        return stored

    gateway.storage.videos.add_content = delete_first  # type: ignore[method-assign, assignment]
    gateway.set_faults("a")
    while not is_deleted:
        await gateway.clock.sleep(timedelta(seconds=1))
    while list(gateway.assets.glob("videos/*")):
        await gateway.clock.sleep(timedelta(seconds=1))


async def test_two_processes_that_store_the_same_content_keep_it(start: Start) -> None:
    gateway = await start()
    video = await late_video(gateway)
    keep, is_done = gateway.storage.videos.add_content, False

    async def second(*values: object) -> bool:
        nonlocal is_done
        assert await keep(*values)  # type: ignore[arg-type]  # another process is faster
        stored = await keep(*values)  # type: ignore[arg-type]
        is_done = True
        return stored

    gateway.storage.videos.add_content = second  # type: ignore[method-assign, assignment]
    gateway.set_faults("a")
    while not is_done:
        await gateway.clock.sleep(timedelta(seconds=1))

    assert (await read(gateway, video.id))[4:8] == b"ftyp"
    outcomes = metric_values(gateway, "tallylight_attempts_total")
    assert outcomes == {("accepted", "a"): 1}


async def test_content_that_never_comes_is_reported_and_paid_once(start: Start) -> None:
    gateway = await start()
    video = await late_video(gateway)

    assert video.ended_at is not None
    while gateway.clock.now() < video.ended_at + LATE_PATIENCE + timedelta(seconds=30):
        await gateway.clock.sleep(timedelta(seconds=5))

    assert metric_values(gateway, "tallylight_attempts_total") == {
        ("accepted", "a"): 1,
        ("failed", "a"): 1,
    }
    assert gateway.billed_jobs("a paper boat") == 1
    with pytest.raises(ApiError) as refused:
        await read(gateway, video.id)
    assert refused.value.status == 410


class TestStreams:
    @pytest.fixture
    def scenario(self) -> Scenario:
        return parse_scenario(CHATS, "chats.yaml")

    async def test_a_result_that_a_chat_named_is_fetched_later_by_another_process(
        self, start: Start
    ) -> None:
        first = await start(route={"services": ["chat"]})
        first.set_faults("chat", {"kind": "expire", "after": 0})
        video = await first.until_ended(await first.create())
        assert (video.status, video.asset) == (VideoStatus.COMPLETED, "")
        await first.kill()
        second = await start(route={"services": ["chat"]})

        second.set_faults("chat")

        assert (await until_stored(second, video.id)).asset
        assert second.create_count("chat") == 1

    async def test_a_crash_while_a_result_is_fetched_loses_nothing(self, start: Start) -> None:
        first = await start(route={"services": ["chat"]})
        first.set_faults("chat", {"kind": "expire", "after": 0})
        video = await first.create()
        while (await first.attempt_states(video))[0][1] is not AttemptState.RENDERED:
            await first.clock.sleep(timedelta(seconds=0.2))
        await first.kill()
        first.set_faults("chat")
        second = await start(route={"services": ["chat"]})

        ended = await second.until_ended(video.id)

        assert (ended.status, bool(ended.asset)) == (VideoStatus.COMPLETED, True)
        assert second.create_count("chat") == 1
