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


def assert_matches(schema: str, document: object) -> None:
    """Validate a document against a schema of the official specification."""
    jsonschema_rs.validate(
        {"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]}, document
    )


async def create(
    http: aiohttp.ClientSession, world: Simulation, **fields: object
) -> dict[str, object]:
    body = {"prompt": "a boat"} | fields
    async with http.post(
        f"{world.base_urls['openai']}/videos", json=body, headers=AUTH
    ) as response:
        assert response.status == 200, await response.text()
        document = await response.json()
        assert isinstance(document, dict)
        return document


async def wait_for_end(
    http: aiohttp.ClientSession, world: Simulation, job: object
) -> dict[str, object]:
    while True:
        async with http.get(f"{world.base_urls['openai']}/videos/{job}", headers=AUTH) as response:
            document = await response.json()
            assert isinstance(document, dict)
            if document["status"] in {"completed", "failed"}:
                return document


async def test_every_status_of_a_video_matches_the_published_schema(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()

    queued = await create(http, world)
    completed = await wait_for_end(http, world, queued["id"])
    failed = await wait_for_end(http, world, (await create(http, world, prompt="gore"))["id"])

    for video in (queued, completed, failed):
        assert_matches("VideoResource", video)
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


async def test_lists_and_deletions_match_the_published_schema(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()
    base = world.base_urls["openai"]
    video = await wait_for_end(http, world, (await create(http, world))["id"])

    async with http.get(f"{base}/videos?limit=0", headers=AUTH) as response:
        nothing = await response.json()
    async with http.get(f"{base}/videos", headers=AUTH) as response:
        one = await response.json()
    async with http.delete(f"{base}/videos/{video['id']}", headers=AUTH) as response:
        deleted = await response.json()

    assert_matches("VideoListResource", nothing)
    assert_matches("VideoListResource", one)
    assert_matches("DeletedVideoResource", deleted)
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
async def test_refusals_match_the_published_envelope(  # noqa: PLR0913, PLR0917  # one row of a table
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
    async with http.request(method, url, json=body, headers=AUTH) as response:
        refusal = await response.json()

    assert_matches("ErrorResponse", refusal)
    assert (response.status, refusal["error"]["code"]) == (status, code)
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_body_that_is_not_json_is_refused(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start()

    async with http.post(
        f"{world.base_urls['openai']}/videos",
        data=b'{"prompt": ',
        headers=AUTH | {"content-type": "application/json"},
    ) as response:
        assert response.status == 400
        assert_matches("ErrorResponse", await response.json())


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}])
async def test_a_request_without_a_key_is_refused(
    start: Start, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    world = await start()

    async with http.get(f"{world.base_urls['openai']}/models", headers=headers) as response:
        refusal = await response.json()

    assert response.status == 401
    assert "You didn't provide an API key" in refusal["error"]["message"]


async def test_poll_responses_have_the_time_of_the_next_poll(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(speed=10)
    video = await create(http, world)

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}", headers=AUTH
    ) as response:
        assert response.headers["openai-poll-after-ms"] == "100"


@pytest.mark.parametrize(
    ("requested", "status", "first", "last"),
    [("bytes=0-99", 206, 0, 100), ("bytes=100-", 206, 100, None), ("bytes=-10", 206, -10, None)],
)
async def test_a_range_of_the_content_is_returned(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start,
    http: aiohttp.ClientSession,
    requested: str,
    status: int,
    first: int,
    last: int | None,
) -> None:
    world = await start()
    video = await wait_for_end(http, world, (await create(http, world))["id"])
    url = f"{world.base_urls['openai']}/videos/{video['id']}/content"
    async with http.get(url, headers=AUTH) as response:
        whole = await response.read()

    async with http.get(url, headers=AUTH | {"range": requested}) as response:
        part = await response.read()

    assert response.status == status
    assert part == whole[first:last]
    assert response.headers["content-range"].endswith(f"/{len(whole)}")
    assert response.headers["accept-ranges"] == "bytes"


async def test_a_range_beyond_the_end_is_refused(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()
    video = await wait_for_end(http, world, (await create(http, world))["id"])

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}/content",
        headers=AUTH | {"range": "bytes=99999999-"},
    ) as response:
        assert response.status == 416


async def test_content_has_three_variants(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start()
    video = await wait_for_end(http, world, (await create(http, world))["id"])
    url = f"{world.base_urls['openai']}/videos/{video['id']}/content"

    variants = {}
    for variant in ("video", "thumbnail", "spritesheet", "poster"):
        async with http.get(f"{url}?variant={variant}", headers=AUTH) as response:
            variants[variant] = (response.status, response.content_type)

    assert variants == {
        "video": (200, "video/mp4"),
        "thumbnail": (200, "image/webp"),
        "spritesheet": (200, "image/webp"),
        "poster": (400, "application/json"),
    }


async def test_content_of_a_running_job_is_not_ready(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(speed=1)
    video = await create(http, world)

    async with http.get(
        f"{world.base_urls['openai']}/videos/{video['id']}/content", headers=AUTH
    ) as response:
        refusal = json.loads(await response.text())

    assert response.status == 404
    assert "not ready yet" in refusal["error"]["message"]
