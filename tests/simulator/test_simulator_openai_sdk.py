"""The official SDK works with the simulator, unmodified."""

import asyncio
import io
import warnings
from collections.abc import Awaitable, Callable, Iterator

import av
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Video

from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Client = Callable[..., AsyncOpenAI]


@pytest.fixture(autouse=True)
def _old_methods_are_meant() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


async def test_a_video_is_created_polled_and_downloaded(start: Start, client: Client) -> None:
    world = await start()
    sdk = client(world)

    video = await sdk.videos.create_and_poll(
        prompt="a paper boat", model="sora-2", seconds="4", size="1280x720"
    )
    content = await sdk.videos.download_content(video.id)

    assert (video.status, video.progress, video.model) == ("completed", 100, "sora-2")
    with av.open(io.BytesIO(await content.aread()), "r") as container:
        picture = container.streams.video[0]
        assert (picture.width, picture.height) == (1280, 720)
        assert container.duration == pytest.approx(4_000_000, abs=150_000)
        assert len(container.streams.audio) == 1


async def test_the_synchronous_client_works_too(start: Start) -> None:
    world = await start()

    def create_and_download() -> tuple[Video, bytes]:
        with OpenAI(
            base_url=world.base_urls["openai"], api_key="sim-openai-key", max_retries=0
        ) as sdk:
            video = sdk.videos.create_and_poll(prompt="a paper boat")
            return video, sdk.videos.download_content(video.id, variant="thumbnail").read()

    video, thumbnail = await asyncio.to_thread(create_and_download)

    assert (video.seconds, video.size) == ("4", "720x1280")
    assert thumbnail.startswith(b"RIFF")


async def test_an_input_image_is_accepted(start: Start, client: Client) -> None:
    world = await start()

    video = await client(world).videos.create(
        prompt="a boat", input_reference=("boat.png", b"\x89PNG", "image/png")
    )

    assert video.status == "queued"


async def test_a_create_may_be_json(start: Start, client: Client) -> None:
    world = await start()

    video = await client(world).post(
        "/videos",
        body={
            "prompt": "a boat",
            "seconds": "8",
            "input_reference": {"image_url": "data:image/png;base64,UE5H"},
        },
        cast_to=Video,
    )

    assert (video.seconds, video.prompt) == ("8", "a boat")


async def test_the_list_is_paginated(start: Start, client: Client) -> None:
    world = await start()
    sdk = client(world)
    created = [(await sdk.videos.create(prompt=f"boat {number}")).id for number in range(5)]

    newest_first = [video.id async for video in sdk.videos.list(limit=2)]
    oldest_first = [video.id async for video in sdk.videos.list(limit=3, order="asc")]
    first_page = await sdk.videos.list(limit=2)

    assert newest_first == created[::-1]
    assert oldest_first == created
    assert first_page.has_more
    assert first_page.last_id == created[3]


async def test_a_finished_video_is_deleted(start: Start, client: Client) -> None:
    sdk = client(await start())
    finished = await sdk.videos.create_and_poll(prompt="a boat")

    deleted = await sdk.videos.delete(finished.id)

    assert (deleted.deleted, deleted.object) == (True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        await sdk.videos.retrieve(finished.id)


async def test_a_running_video_cannot_be_deleted(start: Start, client: Client) -> None:
    sdk = client(await start(speed=1))
    running = await sdk.videos.create(prompt="a boat")

    with pytest.raises(openai.BadRequestError, match="Only completed or failed"):
        await sdk.videos.delete(running.id)


async def test_a_remix_names_its_parent_and_is_charged(start: Start, client: Client) -> None:
    world = await start()
    sdk = client(world)
    parent = await sdk.videos.create_and_poll(prompt="a boat", seconds="8", size="1280x720")

    remix = await sdk.videos.remix(parent.id, prompt="a red boat")

    assert remix.remixed_from_video_id == parent.id
    assert (remix.seconds, remix.size) == ("8", "1280x720")
    assert world.ledger.as_json(world.second())["total"]["jobs"] == 2


async def test_edits_and_extensions_start_from_a_video_or_a_file(
    start: Start, client: Client
) -> None:
    world = await start()
    sdk = client(world)
    parent = await sdk.videos.create_and_poll(prompt="a boat", seconds="8")

    edited = await sdk.post(
        "/videos/edits", body={"prompt": "red", "video": {"id": parent.id}}, cast_to=Video
    )
    extended = await sdk.post(
        "/videos/extensions",
        body={"prompt": "on", "seconds": "4", "video": {"id": parent.id}},
        cast_to=Video,
    )
    uploaded = await sdk.videos.edit(prompt="red", video=("boat.mp4", b"mp4", "video/mp4"))

    assert edited.seconds == "8"
    assert extended.seconds == "12"
    assert uploaded.status == "queued"
    entry = next(one for one in world.ledger.entries if one.id == extended.id)
    assert float(entry.price) == pytest.approx(0.40)  # the four seconds added


async def test_characters_are_stored(start: Start, client: Client) -> None:
    sdk = client(await start())

    created = await sdk.videos.create_character(name="Ada", video=("ada.mp4", b"mp4", "video/mp4"))
    assert created.id is not None
    retrieved = await sdk.videos.get_character(created.id)

    assert retrieved.name == "Ada"


async def test_the_list_of_models_depends_on_the_key(start: Start, client: Client) -> None:
    world = await start()

    everything = [model.id async for model in client(world).models.list()]
    narrow = [model.id async for model in client(world, key="sim-openai-narrow").models.list()]

    assert everything == ["sora-2", "sora-2-pro"]
    assert narrow == ["sora-2"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"sign": "rate_limited"}, openai.RateLimitError),
        ({"sign": "overloaded"}, openai.InternalServerError),
        ({"sign": "risk_control"}, openai.PermissionDeniedError),
        ({"sign": "content_rejected"}, openai.BadRequestError),
        ({"http_status": 409, "body": "busy"}, openai.ConflictError),
        ({"http_status": 422, "body": {"detail": []}}, openai.UnprocessableEntityError),
    ],
)
async def test_the_sdk_raises_its_own_errors_for_refusals(
    start: Start, client: Client, fault: dict[str, object], expected: type[Exception]
) -> None:
    world = await start(faults={"sora-2-official": [{"kind": "refuse"} | fault]})

    with pytest.raises(expected):
        await client(world).videos.create(prompt="a boat")

    assert world.ledger.entries == ()


async def test_a_wrong_key_and_an_empty_balance_are_different_errors(
    start: Start, client: Client
) -> None:
    world = await start()

    with pytest.raises(openai.AuthenticationError) as refused:
        await client(world, key="sk-not-a-real-key").videos.create(prompt="a boat")
    with pytest.raises(openai.RateLimitError) as exhausted:
        await client(world, key="sim-openai-empty").videos.create(prompt="a boat")

    assert refused.value.code == "invalid_api_key"
    assert "sk-not-a-real-key" not in str(refused.value)
    assert refused.value.request_id is not None
    assert exhausted.value.code == "insufficient_quota"


async def test_the_sdks_retry_of_a_create_without_a_response_is_charged_again(
    start: Start, client: Client
) -> None:
    world = await start(faults={"sora-2-official": [{"kind": "reset", "accepts": True}]})

    with pytest.raises(openai.APIConnectionError):
        await client(world, max_retries=1).videos.create(prompt="a boat")

    assert world.ledger.as_json(world.second())["by_prompt"]["a boat"]["jobs"] == 2


async def test_the_sdk_reads_the_stream_of_a_reverse_channel(start: Start, client: Client) -> None:
    world = await start()

    stream = await client(world, "relay-a").chat.completions.create(
        model="sora2-portrait-10s",
        messages=[{"role": "user", "content": "a paper boat"}],
        stream=True,
    )
    choices = [chunk.choices[0] async for chunk in stream]

    assert str(choices[-1].finish_reason) == "STOP"  # upper case, which the SDK accepts
    assert "<video src='http://127.0.0.1" in (choices[-1].delta.content or "")


async def test_an_error_inside_a_stream_is_raised(start: Start, client: Client) -> None:
    world = await start(faults={"sora-2-reverse": [{"kind": "refuse", "sign": "overloaded"}]})
    stream = await client(world, "relay-a").chat.completions.create(
        model="sora2-landscape-10s",
        messages=[{"role": "user", "content": "a boat"}],
        stream=True,
    )

    with pytest.raises(openai.APIError, match="heavy_load"):
        async for _ in stream:
            pass
