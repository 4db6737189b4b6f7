"""Dialect `openai` on the wire: the published schema, headers, ranges, strictness."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
AUTH = {"authorization": "Bearer sim-openai-key"}
SPEC = YAML(typ="safe", pure=True).load(
    (Path(__file__).parents[1] / "data" / "openai-videos.openapi.yaml").read_text("utf-8")
)


def assert_is(schema: str, answer: object) -> None:
    """Check an answer against a schema of the official specification."""
    jsonschema_rs.validate(
        {"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]}, answer
    )


async def created(
    http: aiohttp.ClientSession, world: Simulation, **fields: object
) -> dict[str, object]:
    body = {"prompt": "a boat"} | fields
    async with http.post(f"{world.base_urls['openai']}/videos", json=body, headers=AUTH) as answer:
        assert answer.status == 200, await answer.text()
        shown = await answer.json()
        assert isinstance(shown, dict)
        return shown


async def ended(http: aiohttp.ClientSession, world: Simulation, job: object) -> dict[str, object]:
    while True:
        async with http.get(f"{world.base_urls['openai']}/videos/{job}", headers=AUTH) as answer:
            shown = await answer.json()
            assert isinstance(shown, dict)
            if shown["status"] in {"completed", "failed"}:
                return shown


async def test_every_state_of_a_video_fits_the_published_schema(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()

    queued = await created(http, world)
    completed = await ended(http, world, queued["id"])
    failed = await ended(http, world, (await created(http, world, prompt="gore"))["id"])

    for video in (queued, completed, failed):
        assert_is("VideoResource", video)
    assert [queued["status"], completed["status"], failed["status"]] == [
        "queued",
        "completed",
        "failed",
    ]
    assert failed["error"] == {
        "code": "moderation_blocked",
        "message": "Your request was blocked by our moderation system.",
    }
    assert isinstance(completed["completed_at"], int)
    assert completed["expires_at"] == completed["completed_at"] + 3600


async def test_lists_and_deletions_fit_the_published_schema(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()
    base = world.base_urls["openai"]
    video = await ended(http, world, (await created(http, world))["id"])

    async with http.get(f"{base}/videos?limit=0", headers=AUTH) as answer:
        nothing = await answer.json()
    async with http.get(f"{base}/videos", headers=AUTH) as answer:
        one = await answer.json()
    async with http.delete(f"{base}/videos/{video['id']}", headers=AUTH) as answer:
        deleted = await answer.json()

    assert_is("VideoListResource", nothing)
    assert_is("VideoListResource", one)
    assert_is("DeletedVideoResource", deleted)
    assert (nothing["data"], nothing["has_more"]) == ([], True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/videos", {}, 400, "missing_required_parameter"),
        ("POST", "/videos", {"prompt": 3}, 400, "invalid_type"),
        ("POST", "/videos", {"prompt": "a", "seconds": 4}, 400, "invalid_type"),
        ("POST", "/videos", {"prompt": "a", "seconds": "5"}, 400, "invalid_value"),
        ("POST", "/videos", {"prompt": "a", "size": "10x10"}, 400, "invalid_value"),
        ("POST", "/videos", {"prompt": "a", "seed": 1}, 400, "unknown_parameter"),
        ("POST", "/videos", {"prompt": "a" * 32_001}, 400, "string_above_max_length"),
        ("POST", "/videos", {"prompt": "a", "input_reference": "x"}, 400, "invalid_type"),
        ("POST", "/videos", {"prompt": "a", "model": "sora-9"}, 404, "model_not_found"),
        ("POST", "/videos/video_x/remix", {"prompt": "a"}, 404, None),
        ("GET", "/videos/video_x", None, 404, None),
        ("GET", "/videos/video_x/content", None, 404, None),
        ("GET", "/videos?limit=101", None, 400, "invalid_value"),
        ("GET", "/videos?order=up", None, 400, "invalid_value"),
        ("GET", "/videos?after=video_x", None, 400, "invalid_value"),
        ("GET", "/images", None, 404, None),
        ("DELETE", "/videos", None, 404, None),
    ],
)
async def test_refusals_fit_the_published_envelope(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: object,
    status: int,
    code: str | None,
) -> None:
    world = await start()

    url = world.base_urls["openai"] + path
    async with http.request(method, url, json=body, headers=AUTH) as answer:
        refusal = await answer.json()

    assert_is("ErrorResponse", refusal)
    assert (answer.status, refusal["error"]["code"]) == (status, code)
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_body_that_is_no_json_is_refused(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()

    async with http.post(
        f"{world.base_urls['openai']}/videos",
        data=b'{"prompt": ',
        headers=AUTH | {"content-type": "application/json"},
    ) as answer:
        assert answer.status == 400
        assert_is("ErrorResponse", await answer.json())


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}])
async def test_without_a_key_nothing_opens(
    start: Start, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    world = await start()

    async with http.get(f"{world.base_urls['openai']}/models", headers=headers) as answer:
        refusal = await answer.json()

    assert answer.status == 401
    assert "You didn't provide an API key" in refusal["error"]["message"]


async def test_polls_say_when_to_ask_again(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start(speed=10)
    video = await created(http, world)

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}", headers=AUTH
    ) as answer:
        assert answer.headers["openai-poll-after-ms"] == "100"


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [("bytes=0-99", 206, 0, 100), ("bytes=100-", 206, 100, None), ("bytes=-10", 206, -10, None)],
)
async def test_a_range_of_the_content_is_served(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    http: aiohttp.ClientSession,
    asked: str,
    status: int,
    first: int,
    last: int | None,
) -> None:
    world = await start()
    video = await ended(http, world, (await created(http, world))["id"])
    url = f"{world.base_urls['openai']}/videos/{video['id']}/content"
    async with http.get(url, headers=AUTH) as answer:
        whole = await answer.read()

    async with http.get(url, headers=AUTH | {"range": asked}) as answer:
        part = await answer.read()

    assert answer.status == status
    assert part == whole[first:last]
    assert answer.headers["content-range"].endswith(f"/{len(whole)}")
    assert answer.headers["accept-ranges"] == "bytes"


async def test_a_range_beyond_the_end_is_refused(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()
    video = await ended(http, world, (await created(http, world))["id"])

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}/content",
        headers=AUTH | {"range": "bytes=99999999-"},
    ) as answer:
        assert answer.status == 416


async def test_content_comes_in_three_variants(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()
    video = await ended(http, world, (await created(http, world))["id"])
    url = f"{world.base_urls['openai']}/videos/{video['id']}/content"

    kinds = {}
    for variant in ("video", "thumbnail", "spritesheet", "poster"):
        async with http.get(f"{url}?variant={variant}", headers=AUTH) as answer:
            kinds[variant] = (answer.status, answer.content_type)

    assert kinds == {
        "video": (200, "video/mp4"),
        "thumbnail": (200, "image/webp"),
        "spritesheet": (200, "image/webp"),
        "poster": (400, "application/json"),
    }


async def test_content_of_a_running_job_is_not_there_yet(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(speed=1)
    video = await created(http, world)

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}/content", headers=AUTH
    ) as answer:
        refusal = json.loads(await answer.text())

    assert answer.status == 404
    assert "not ready yet" in refusal["error"]["message"]
