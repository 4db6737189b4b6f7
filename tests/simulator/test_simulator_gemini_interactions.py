"""Google's Interactions API: held creates, films as files, refusals that look like success."""

import base64
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import types
from google.genai.interactions import Interaction

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import Place, running_place
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, Any]]]
SCENARIO = scenario_of("gemini_interactions")
MODEL = "gemini-omni-1.2-flash"
BOAT = {"model": MODEL, "input": "a boat"}
BACKGROUND = {**BOAT, "background": True}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation, method: str, path: str, body: object = None, key: str = "sim-gemini-key"
    ) -> tuple[int, Any]:
        headers = {"x-goog-api-key": key} if key else {}
        url = world.base_urls["gemini"] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("omni-1.2", (FAULT_ADAPTER.validate_python(fault),))


def film_of(interaction: dict[str, Any]) -> dict[str, Any]:
    (step,) = interaction["steps"]
    (part,) = step["content"]
    assert isinstance(part, dict)
    return part


async def test_a_create_is_answered_when_the_film_is_made_and_its_file_is_processed(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO, speed=20)

    asked = {"type": "video", "duration": "8s", "resolution": "720p", "delivery": "uri"}
    status, made = await call(world, "POST", "/interactions", {**BOAT, "response_format": asked})
    _, file = await call(world, "GET", f"/files/{made['id']}")
    while file["state"] == "PROCESSING":
        _, file = await call(world, "GET", f"/files/{made['id']}")

    assert (status, made["status"], made["model"]) == (200, "completed", MODEL)
    assert made["usage"]["total_output_tokens"] == 8 * 5792
    assert file["state"] == "ACTIVE"
    uri = film_of(made)["uri"]
    assert uri == file["downloadUri"]
    async with http.get(uri, headers={"x-goog-api-key": "sim-gemini-key"}) as response:
        assert (await response.read())[4:8] == b"ftyp"
    async with http.get(uri) as response:
        assert response.status == 403


async def test_a_film_comes_inline_if_asked_and_at_every_later_question(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)

    asked = {"type": "video", "delivery": "inline"}
    _, made = await call(world, "POST", "/interactions", {**BOAT, "response_format": asked})
    _, later = await call(world, "GET", f"/interactions/{made['id']}?stream=false")

    assert base64.b64decode(film_of(made)["data"])[4:8] == b"ftyp"
    assert film_of(later) == film_of(made)


@pytest.mark.parametrize("body", [{"model": MODEL}, {"model": MODEL, "input": ""}])
async def test_an_empty_input_is_billed(start: Start, call: Call, body: object) -> None:
    world = await start(SCENARIO)

    status, made = await call(world, "POST", "/interactions", body)

    assert (status, made["status"]) == (200, "completed")
    (job,) = world.ledger.entries
    assert job.price > 0
    assert job.reading.seconds == 15  # nothing was said: the model chooses


async def test_refused_content_is_completed_without_a_film(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, made = await call(world, "POST", "/interactions", {**BOAT, "input": "gore"})

    assert made["status"] == "completed"
    assert film_of(made) == {"type": "text", "text": "I can't make this video."}


async def test_an_interaction_that_fails_has_an_error_with_a_text_as_its_code(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", code="gateway_timeout", message="Deadline expired")

    _, made = await call(world, "POST", "/interactions", BOAT)

    assert made["status"] == "failed"
    assert made["error"] == {"code": "gateway_timeout", "message": "Deadline expired"}


async def test_a_create_in_the_background_is_answered_at_once(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="slow", factor=1000)

    _, made = await call(world, "POST", "/interactions", BACKGROUND)

    assert made["status"] == "queued"
    assert "steps" not in made


@pytest.mark.parametrize(
    ("key", "status", "reasons"), [("", 403, []), ("sk-wrong", 400, ["API_KEY_INVALID"])]
)
async def test_a_key_that_is_wrong_is_an_invalid_argument(
    start: Start, call: Call, key: str, status: int, reasons: list[str]
) -> None:
    world = await start(SCENARIO)

    found, body = await call(world, "GET", "/models", key=key)

    assert found == status
    assert [each["reason"] for each in body["error"].get("details", [])] == reasons


async def test_a_model_that_was_shut_down_is_not_there(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, models = await call(world, "GET", "/models")
    strike(world, kind="retire")

    status, _ = await call(world, "GET", f"/models/{MODEL}")
    refused, body = await call(world, "POST", "/interactions", BOAT)

    assert models["models"][0]["name"] == f"models/{MODEL}"
    assert (status, refused, body["error"]["status"]) == (404, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": "a boat"},
        {"response_format": {"type": "video", "seconds": 8}},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "video", "duration": "8"}},
        {"response_format": {"type": "video", "duration": "99s"}},
        {"response_format": {"type": "video", "duration": 8}},
        {"response_format": {"type": "video", "resolution": "480p"}},
        {"response_format": "video"},
        {"stream": True},
        {"input": [{"type": "image", "mime_type": "image/png", "data": "no base64"}]},
        {"input": [{"type": "image", "data": "UE5H"}]},
        {"input": ["a boat"]},
    ],
)
async def test_what_breaks_the_protocol_is_refused(
    start: Start, call: Call, more: dict[str, object]
) -> None:
    world = await start(SCENARIO)

    status, body = await call(world, "POST", "/interactions", {**BOAT, **more})

    assert (status, body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert not world.ledger.entries


async def test_the_job_of_another_key_is_unknown(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, made = await call(world, "POST", "/interactions", BOAT)

    for path in (f"/interactions/{made['id']}", f"/files/{made['id']}"):
        status, _ = await call(world, "GET", path, key="sim-gemini-exhausted")
        assert status == 404


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running_place(speed=100) as place:
        yield place


def sdk(url: str, key: str) -> genai.Client:
    """Return the maker's client; it sends a create five times unless it is told not to."""
    options = types.HttpOptions(
        base_url=url.removesuffix("/v1beta"),
        api_version="v1beta",
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(api_key=key, http_options=options)


@pytest.mark.parametrize("role", [None, Role.FIRST_FRAME, Role.REFERENCE])
async def test_a_create_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(
    place: Place, role: Role | None
) -> None:
    site = place.site("omni-1.2")
    inputs = () if role is None else (picture(role, Form.INLINE),)
    wish = Wish(site.prompt, measures=WishedMeasures(8, "1280x720"), inputs=inputs)
    key = site.upstream.key
    assert key is not None
    tasks = {Role.FIRST_FRAME: "image_to_video", Role.REFERENCE: "reference_to_video"}
    parts: list[Any] = [{"type": "text", "text": site.prompt}]
    for each in inputs:
        data = base64.b64encode(each.body).decode()
        parts.append({"type": "image", "mime_type": each.media_type, "data": data})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with sdk(site.upstream.base_url, key.reveal()).aio as client:
            made = await client.interactions.create(
                model=MODEL,
                input=parts if inputs else site.prompt,
                response_format={
                    "type": "video",
                    "duration": "8s",
                    "resolution": "720p",
                    "aspect_ratio": "16:9",
                    "delivery": "uri",
                },
                generation_config={
                    "video_config": {"task": "text_to_video" if role is None else tasks[role]}
                },
            )
            assert isinstance(made, Interaction)
            await site.accepted(site.order(wish))
            theirs, ours = site.jobs
            done = await site.end(Accepted(JobRef(str(made.id))))
            file = await client.files.download(file=f"files/{made.id}")

    assert theirs.reading == ours.reading
    assert isinstance(done, Done)
    assert file[4:8] == b"ftyp"
