"""The client for programs without an event loop, each in a thread of this process."""

import asyncio
from pathlib import Path

import pytest

from tallylight import ApiError, VideoClient, VideoFailedError, VideoHandle

from .conftest import Configure, SetFaults


async def test_a_video_is_created_awaited_and_saved_without_a_loop(
    configure: Configure, tmp_path: Path
) -> None:
    reported: list[str] = []

    def program() -> VideoHandle:
        def report(seen: VideoHandle) -> None:
            reported.append(client.video(seen.id).status)  # it may call the client in turn

        with VideoClient(configure()) as client:
            video = client.create("A sunset over the ocean", seconds=8, policy="production")
            video.wait(on_progress=report).save(tmp_path / "sunset.mp4")
            return video

    video = await asyncio.to_thread(program)

    assert (video.status, video.service, video.attempts) == ("completed", "official", 1)
    assert (tmp_path / "sunset.mp4").read_bytes()[4:8] == b"ftyp"
    assert reported[-1] == "completed"


async def test_the_blocking_client_does_all_that_the_async_client_does(
    configure: Configure, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "refuse", "sign": "suspended"})

    def program() -> None:
        client = VideoClient(configure())
        assert client.models() == ["boats"]
        video = client.create("a paper boat", idempotency_key="order-1").wait(timeout=60)
        assert client.create("a paper boat", idempotency_key="order-1").id == video.id
        assert (video.service, video.attempts) == ("forwarded", 2)
        remix = video.remix("a tin boat").wait()
        assert [one.id for one in client.list()] == [remix.id, video.id]
        assert remix.refresh().status == "completed"
        remix.delete()
        assert [one.id for one in client.list()] == [video.id]
        client.close()
        client.close()
        with pytest.raises(RuntimeError, match="this client is closed"):
            video.refresh()

    await asyncio.to_thread(program)


async def test_errors_are_raised_in_the_calling_thread(
    configure: Configure, tmp_path: Path
) -> None:
    def program() -> None:
        with VideoClient(configure()) as client:
            with pytest.raises(ApiError, match="No such route: kites"):
                client.create("a paper boat", model="kites")
            with pytest.raises(ApiError, match="not found"):
                client.video("video_nothing")
            video = client.create("something forbidden")
            with pytest.raises(ZeroDivisionError):
                video.wait(on_progress=lambda _: 1 / 0)
            with pytest.raises(VideoFailedError):
                video.wait().save(tmp_path / "nothing.mp4")

    await asyncio.to_thread(program)
