"""The official Python SDK, unchanged, works against the gateway."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Video

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

ROUTE = "boats"
MP4 = b"ftyp"
PNG = b"\x89PNG\r\n\x1a\n picture"


async def _made(sdk: AsyncOpenAI, prompt: str = "a boat") -> Video:
    video = await sdk.videos.create_and_poll(model=ROUTE, prompt=prompt, poll_interval_ms=50)
    assert video.status == "completed", video
    return video


async def test_a_video_is_made_and_downloaded(sdk: AsyncOpenAI) -> None:
    video = await sdk.videos.create_and_poll(
        model=ROUTE, prompt="a boat", seconds="8", size="1280x720"
    )
    content = await (await sdk.videos.download_content(video.id)).aread()

    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.model, video.seconds, video.size) == (ROUTE, "8", "1280x720")
    assert (video.prompt, video.remixed_from_video_id) == ("a boat", None)
    assert video.completed_at is not None
    assert video.completed_at >= video.created_at
    assert content[4:8] == MP4


async def test_the_sdk_without_a_loop_works_the_same(gateway: "Gateway", tmp_path: Path) -> None:
    def use() -> tuple[Video, bytes, list[str], bool]:
        with OpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key) as client:
            video = client.videos.create_and_poll(model=ROUTE, prompt="a raft", seconds="4")
            client.videos.download_content(video.id).write_to_file(tmp_path / "raft.mp4")
            ids = [one.id for one in client.videos.list(limit=2)]
            return (
                video,
                (tmp_path / "raft.mp4").read_bytes(),
                ids,
                client.videos.delete(video.id).deleted,
            )

    video, content, ids, deleted = await asyncio.to_thread(use)

    assert video.status == "completed"
    assert content[4:8] == MP4
    assert video.id in ids
    assert deleted


async def test_an_image_is_sent_as_a_file(gateway: "Gateway", sdk: AsyncOpenAI) -> None:
    video = await sdk.videos.create(
        model=ROUTE, prompt="with a picture", input_reference=("boat.png", PNG, "image/png")
    )

    assert video.status in {"queued", "in_progress"}
    assert gateway.world.ledger.as_json(gateway.world.second())["by_prompt"]["with a picture"]


@pytest.mark.parametrize(
    "file",
    [
        PNG,
        ("boat", PNG),
        ("boat.jpg", PNG, "image/jpg"),
        ("boat.heic", PNG, "application/octet-stream"),
    ],
)
async def test_a_picture_arrives_with_its_true_type(
    gateway: "Gateway", sdk: AsyncOpenAI, file: bytes | tuple[str, bytes] | tuple[str, bytes, str]
) -> None:
    """The upstream refuses a file whose declared type is not that of a picture it takes."""
    prompt = f"with {file!r}"[:60]

    video = await sdk.videos.create(model=ROUTE, prompt=prompt, input_reference=file)

    assert video.status in {"queued", "in_progress"}
    assert gateway.world.ledger.as_json(gateway.world.second())["by_prompt"][prompt]


async def test_what_is_no_picture_is_refused_before_anybody_is_paid(
    gateway: "Gateway", sdk: AsyncOpenAI
) -> None:
    with pytest.raises(openai.BadRequestError, match="expected a picture") as refused:
        await sdk.videos.create(model=ROUTE, prompt="no picture", input_reference=b"%PDF-1.7")

    assert refused.value.param == "input_reference"
    assert "no picture" not in gateway.world.ledger.as_json(gateway.world.second())["by_prompt"]


@pytest.mark.parametrize("file", [("boat.heic", b"\0\0\0\x18ftypheic"), ("b.gif", b"GIF89a")])
async def test_a_picture_that_the_service_refuses_is_refused_in_its_words(
    sdk: AsyncOpenAI, file: tuple[str, bytes]
) -> None:
    with pytest.raises(openai.BadRequestError, match=r"Unsupported file type 'image/(heic|gif)'"):
        await sdk.videos.create(model=ROUTE, prompt="a picture", input_reference=file)


@pytest.mark.parametrize(
    ("seconds", "size"), [("8.0", "1280*720"), ("8s", "1280 x 720"), (" 8 ", "1280×720")]
)
async def test_other_spellings_reach_the_service_as_its_own(
    sdk: AsyncOpenAI, seconds: str, size: str
) -> None:
    video = await sdk.videos.create(
        model=ROUTE,
        prompt="spelled",
        seconds=seconds,  # type: ignore[arg-type]  # the SDK's types allow the official values
        size=size,  # type: ignore[arg-type]
    )

    assert (video.seconds, video.size) == ("8", "1280x720")


@pytest.mark.parametrize("path", ["/video/generations", "/videos/generations", "/videos/"])
async def test_other_paths_are_served_alike(sdk: AsyncOpenAI, path: str) -> None:
    body = {"model": ROUTE, "prompt": "elsewhere", "image": ["https://a.example/b.png"]}

    video = await sdk.post(path, body=body, cast_to=Video)
    again = await sdk.get(f"{path.rstrip('/')}/{video.id}", cast_to=Video)

    assert (video.object, again.id) == ("video", video.id)


@pytest.mark.parametrize("suffix", ["", "/"])
async def test_a_base_url_without_v1_is_told_so(gateway: "Gateway", suffix: str) -> None:
    base_url = f"{gateway.address}{suffix}"
    async with AsyncOpenAI(base_url=base_url, api_key=gateway.key) as sdk:
        with pytest.raises(openai.NotFoundError, match="Did you mean /v1/videos"):
            await sdk.videos.create(model=ROUTE, prompt="lost")


async def test_a_raw_post_is_json(sdk: AsyncOpenAI) -> None:
    video = await sdk.post(
        "/videos",
        body={
            "model": ROUTE,
            "prompt": "in JSON",
            "seconds": "4",
            "input_reference": {"image_url": "data:image/png;base64,iVBORw0KGgo="},
        },
        cast_to=Video,
    )

    assert (video.seconds, video.prompt, video.object) == ("4", "in JSON", "video")


async def test_deleting_while_listing_reaches_the_end(gateway: "Gateway") -> None:
    async with AsyncOpenAI(
        base_url=f"{gateway.address}/v1", api_key=await gateway.make_key()
    ) as sdk:
        made = {(await _made(sdk, f"boat {number}")).id for number in range(5)}

        deleted = set()
        async for video in sdk.videos.list(limit=2):
            await sdk.videos.delete(video.id)
            deleted.add(video.id)

    assert deleted == made


async def test_a_list_is_paged(gateway: "Gateway") -> None:
    async with AsyncOpenAI(
        base_url=f"{gateway.address}/v1", api_key=await gateway.make_key()
    ) as sdk:
        made = [
            (await sdk.videos.create(model=ROUTE, prompt=f"boat {number}")).id
            for number in range(5)
        ]

        newest_first = [video.id async for video in sdk.videos.list(limit=2)]
        oldest_first = [video.id async for video in sdk.videos.list(limit=3, order="asc")]
        page = await sdk.videos.list(limit=2)

    assert newest_first == made[::-1]
    assert oldest_first == made
    assert (page.has_more, page.last_id) == (True, made[3])


async def test_a_deleted_video_is_gone(sdk: AsyncOpenAI) -> None:
    video = await _made(sdk)

    deleted = await sdk.videos.delete(video.id)

    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError) as refused:
        await sdk.videos.retrieve(video.id)
    assert refused.value.request_id is not None


async def test_a_remix_names_its_source(sdk: AsyncOpenAI) -> None:
    source = await _made(sdk)

    remix = await sdk.videos.remix(source.id, prompt="a red boat")

    assert remix.remixed_from_video_id == source.id
    assert (remix.model, remix.prompt) == (ROUTE, "a red boat")
    assert (await sdk.videos.poll(remix.id, poll_interval_ms=50)).status == "completed"


async def test_videos_are_edited_and_extended(sdk: AsyncOpenAI) -> None:
    source = await _made(sdk)

    edited = await sdk.post(
        "/videos/edits", body={"prompt": "red", "video": {"id": source.id}}, cast_to=Video
    )
    extended = await sdk.post(
        "/videos/extensions",
        body={"prompt": "on", "seconds": "4", "video": {"id": source.id}},
        cast_to=Video,
    )

    assert (edited.model, edited.seconds) == (ROUTE, "4")
    assert extended.seconds == "8"  # source and extension together
    assert (await sdk.videos.poll(edited.id, poll_interval_ms=50)).status == "completed"
    assert (await sdk.videos.poll(extended.id, poll_interval_ms=50)).status == "completed"


async def test_an_uploaded_video_is_edited(sdk: AsyncOpenAI) -> None:
    video = await sdk.videos.edit(
        prompt="red", video=("boat.mp4", b"mp4", "video/mp4"), extra_body={"model": ROUTE}
    )

    assert (await sdk.videos.poll(video.id, poll_interval_ms=50)).status == "completed"


async def test_a_character_is_stored(sdk: AsyncOpenAI) -> None:
    film = ("ada.mp4", b"mp4", "video/mp4")
    made = await sdk.videos.create_character(name="Ada", video=film, extra_body={"model": ROUTE})
    assert made.id is not None

    found = await sdk.videos.get_character(made.id)

    assert (found.id, found.name) == (made.id, "Ada")


async def test_the_variants_of_content_are_images(sdk: AsyncOpenAI) -> None:
    video = await _made(sdk)

    thumbnail = await sdk.videos.download_content(video.id, variant="thumbnail")

    assert thumbnail.response.headers["content-type"].startswith("image/")


async def test_the_models_are_those_of_the_key(gateway: "Gateway", sdk: AsyncOpenAI) -> None:
    narrow = AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=await gateway.make_key(ROUTE))
    async with narrow:
        everything = [model.id async for model in sdk.models.list()]
        little = [model.id async for model in narrow.models.list()]
        model = await sdk.models.retrieve("relayed/boats")
        with pytest.raises(openai.PermissionDeniedError):
            await narrow.videos.create(model="relayed/boats", prompt="a boat")
        with pytest.raises(openai.NotFoundError):
            await narrow.models.retrieve("relayed/boats")

    assert everything == [ROUTE, "relayed/boats"]
    assert little == [ROUTE]
    assert (model.id, model.object, model.owned_by) == ("relayed/boats", "model", "tallylight")


async def test_a_wrong_key_is_refused_and_not_shown(gateway: "Gateway") -> None:
    async with AsyncOpenAI(
        base_url=f"{gateway.address}/v1", api_key="sk-not-a-key-of-ours", max_retries=0
    ) as sdk:
        with pytest.raises(openai.AuthenticationError) as refused:
            await sdk.videos.create(model=ROUTE, prompt="a boat")

    assert refused.value.code == "invalid_api_key"
    assert "sk-***ours" in str(refused.value)
    assert "not-a-key" not in str(refused.value)


async def test_a_rate_limited_key_gets_retry_after(gateway: "Gateway") -> None:
    async with AsyncOpenAI(
        base_url=f"{gateway.address}/v1",
        api_key=await gateway.make_key(per_minute=1),
        max_retries=0,
    ) as sdk:
        video = await sdk.videos.create(model=ROUTE, prompt="a boat")
        with pytest.raises(openai.RateLimitError) as refused:
            await sdk.videos.create(model=ROUTE, prompt="another boat")
        seen = [await sdk.videos.retrieve(video.id) for _ in range(3)]

    assert refused.value.code == "rate_limit_exceeded"
    assert 50 <= int(refused.value.response.headers["retry-after"]) <= 60
    assert {one.id for one in seen} == {video.id}


async def test_an_unknown_model_is_refused(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="'nonsense' does not exist") as refused:
        await sdk.videos.create(model="nonsense", prompt="a boat")

    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


async def test_the_refusal_of_a_misspelt_model_suggests_the_nearest_name(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Did you mean boats"):
        await sdk.videos.create(model="baots", prompt="a boat")


async def test_an_automatic_retry_of_the_sdk_returns_the_same_video(
    gateway: "Gateway", sdk: AsyncOpenAI
) -> None:
    first = await sdk.videos.create(model=ROUTE, prompt="once")

    again = await sdk.videos.create(
        model=ROUTE, prompt="once", extra_headers={"x-stainless-retry-count": "1"}
    )

    assert again.id == first.id
    statement = gateway.world.ledger.as_json(gateway.world.second())
    assert statement["by_prompt"]["once"]["jobs"] == 1


async def test_an_idempotency_key_belongs_to_one_content(sdk: AsyncOpenAI) -> None:
    named = {"Idempotency-Key": "order-66"}
    first = await sdk.videos.create(model=ROUTE, prompt="named", extra_headers=named)

    again = await sdk.videos.create(model=ROUTE, prompt="named", extra_headers=named)
    with pytest.raises(openai.ConflictError) as refused:
        await sdk.videos.create(model=ROUTE, prompt="other", extra_headers=named)

    assert again.id == first.id
    assert refused.value.response.headers["x-should-retry"] == "false"
