"""xAI: 202 while a job runs, moderation that hides in success, three envelopes, ticks."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, Any]]]
SCENARIO = scenario_of("xai", "xai_images")
KEYS = {"xai": "xai-sim-key", "xai-images": "xai-sim-images-key"}
FILMS, EDITS, EXTENSIONS = "/videos/generations", "/videos/edits", "/videos/extensions"
BOAT = {"model": "grok-imagine-video-1.5", "prompt": "a boat"}
LITE = {"model": "grok-imagine-video-1.5-lite", "prompt": "a boat"}
PICTURE = {"model": "grok-imagine-image-2.0", "prompt": "a boat"}
PNG = {"url": "data:image/png;base64,UE5H"}
FILM = {"url": "https://x.test/1.mp4"}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON, None for an empty body."""

    async def call(  # noqa: PLR0913, PLR0917  # what is asked, and as whom
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        upstream: str = "xai",
        key: str | None = None,
    ) -> tuple[int, Any]:
        given = KEYS[upstream] if key is None else key
        headers = {"authorization": f"Bearer {given}"} if given else {}
        url = world.base_urls[upstream] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json() if await response.read() else None

    return call


def strike(world: Simulation, service: str = "grok-1.5", **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, job: str) -> Any:
    while True:
        status, document = await call(world, "GET", f"/videos/{job}")
        if status != 202:
            return document


async def test_a_job_is_pending_under_202_and_done_under_200(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    _, created = await call(world, "POST", FILMS, BOAT)
    pending = await call(world, "GET", f"/videos/{created['request_id']}")
    done = await ended(call, world, created["request_id"])

    assert created.keys() == {"request_id"}
    assert pending == (202, {"status": "pending", "progress": 0})
    assert (done["status"], done["model"]) == ("done", BOAT["model"])
    assert done["video"]["duration"] == 8
    assert done["usage"]["cost_in_usd_ticks"] == 6_400_000_000  # 8 s at 0.08 dollars
    async with http.get(done["video"]["url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_a_pending_answer_may_be_empty(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, created = await call(world, "POST", FILMS, LITE)

    assert await call(world, "GET", f"/videos/{created['request_id']}") == (202, None)


async def test_a_film_that_is_held_back_is_done_and_billed(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, created = await call(world, "POST", FILMS, BOAT | {"prompt": "gore"})

    done = await ended(call, world, created["request_id"])

    assert done["status"] == "done"
    assert (done["video"]["respect_moderation"], done["video"]["url"]) == (False, "")
    assert done["usage"]["cost_in_usd_ticks"] == 6_400_000_000


async def test_a_failed_job_names_its_reason(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, "grok-lite", kind="fail", after=0, message="engine died")
    _, created = await call(world, "POST", FILMS, LITE)

    done = await ended(call, world, created["request_id"])

    assert done["status"] == "failed"
    assert done["error"] == {"code": "video_generation_failed", "message": "engine died"}
    assert done["usage"]["cost_in_usd_ticks"] == 0


async def test_a_wrong_key_is_400_and_none_is_401(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    wrong, refusal = await call(world, "POST", FILMS, BOAT, key="xai-wrong")
    none, _ = await call(world, "POST", FILMS, BOAT, key="")
    good, key = await call(world, "GET", "/api-key")

    assert (wrong, none, good) == (400, 401, 200)
    assert refusal["error"].startswith("Incorrect API key provided")
    assert key["api_key_blocked"] is False


async def test_a_form_is_refused(start: Start, http: aiohttp.ClientSession) -> None:
    world = await start(SCENARIO)
    headers = {"authorization": f"Bearer {KEYS['xai']}"}

    async with http.post(world.base_urls["xai"] + FILMS, data=BOAT, headers=headers) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        (FILMS, {"model": "grok-9"}, 404),
        (FILMS, {"prompt": ""}, 400),
        (FILMS, {"prompt": "a" * 4097}, 400),
        (FILMS, {"duration": "8"}, 422),
        (FILMS, {"duration": 7}, 400),
        (FILMS, {"resolution": "4k"}, 400),
        (FILMS, {"aspect_ratio": "21:9"}, 400),
        (FILMS, {"seed": 7}, 400),
        (FILMS, {"n": 2}, 400),
        (FILMS, {"image": PNG["url"]}, 400),
        (FILMS, {"video": FILM}, 400),
        (FILMS, {"reference_images": [PNG] * 8}, 400),
        (FILMS, {"reference_images": [PNG], "resolution": "1080p"}, 400),
        (FILMS, {**LITE, "last_frame": PNG}, 400),
        (EDITS, {}, 400),
        (EDITS, {"video": FILM, "duration": 8}, 400),
        (EXTENSIONS, {"video": FILM, "resolution": "720p"}, 400),
        (EXTENSIONS, {"video": FILM, "duration": 11}, 400),
    ],
)
async def test_an_invalid_create_is_refused(
    start: Start, call: Call, path: str, fields: dict[str, object], status: int
) -> None:
    world = await start(SCENARIO)

    actual, _ = await call(world, "POST", path, BOAT | fields)

    assert actual == status
    assert world.jobs == {}


async def test_inputs_are_read_by_their_roles(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    await call(world, "POST", FILMS, BOAT | {"image": PNG, "last_frame": PNG})
    await call(world, "POST", FILMS, BOAT | {"reference_images": [PNG, PNG]})
    await call(world, "POST", EXTENSIONS, BOAT | {"video": FILM, "duration": 3})

    frames, references, extension = (job.reading for job in world.jobs.values())
    assert [each.role for each in frames.inputs] == ["first_frame", "last_frame"]
    assert (frames.aspect, frames.resolution) == ("input", "480p")
    assert [each.source for each in references.inputs] == ["image/png, 3 bytes"] * 2
    assert [(each.role, each.medium) for each in extension.inputs] == [("source", "video")]
    assert extension.seconds == 3


@pytest.mark.parametrize(
    ("sign", "status"),
    [
        ("risk_control", 403),
        ("suspended", 503),
        ("maintenance", 503),
        ("overloaded", 503),
        ("rate_limited", 429),
        ("quota", 403),
        ("auth", 400),
        ("content_rejected", 400),
    ],
)
async def test_every_state_has_a_sentence_for_a_code(
    start: Start, call: Call, sign: str, status: int
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", FILMS, BOAT)

    assert actual == status
    assert " " in refusal["code"]


async def test_pictures_come_with_the_answer_and_cost_by_their_size(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    body = PICTURE | {"resolution": "2k", "aspect_ratio": "16:9", "n": 2}

    _, linked = await call(world, "POST", "/images/generations", body, "xai-images")
    inline = {"response_format": "b64_json"}
    _, held = await call(world, "POST", "/images/generations", PICTURE | inline, "xai-images")

    assert linked["usage"]["cost_in_usd_ticks"] == 1_200_000_000
    assert held["usage"]["cost_in_usd_ticks"] == 400_000_000
    assert base64.b64decode(held["data"][0]["b64_json"]).startswith(b"\x89PNG")
    assert len(linked["data"]) == 2
    async with http.get(linked["data"][1]["url"]) as response:
        assert response.status == 200
    first, _ = world.jobs.values()
    assert (first.reading.resolution, first.reading.size) == ("2k", "2560x1440")


async def test_pictures_that_are_held_back_are_no_error(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    body = PICTURE | {"prompt": "gore"}

    status, answer = await call(world, "POST", "/images/generations", body, "xai-images")

    assert (status, answer["data"]) == (200, [{"respect_moderation": False}])
    assert answer["usage"]["cost_in_usd_ticks"] == 0


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/images/generations", {"size": "1024x1024"}),
        ("/images/generations", {"resolution": "4k"}),
        ("/images/generations", {"aspect_ratio": "7:3"}),
        ("/images/generations", {"n": 11}),
        ("/images/generations", {"prompt": ""}),
        ("/images/generations", {"image": PNG}),
        ("/images/edits", {}),
        ("/images/edits", {"image": "https://x.test/1.png"}),
        ("/images/edits", {"images": [PNG] * 4}),
        ("/images/edits", {"images": [{}]}),
    ],
)
async def test_an_invalid_create_of_pictures_is_refused(
    start: Start, call: Call, path: str, fields: dict[str, object]
) -> None:
    world = await start(SCENARIO)

    status, _ = await call(world, "POST", path, PICTURE | fields, "xai-images")

    assert status == 400
    assert world.jobs == {}


async def test_pictures_to_work_on_are_one_or_several(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    for given in ({"image": PNG}, {"images": [PNG, PNG]}):
        status, _ = await call(world, "POST", "/images/edits", PICTURE | given, "xai-images")
        assert status == 200

    assert [len(job.reading.inputs) for job in world.jobs.values()] == [1, 2]
