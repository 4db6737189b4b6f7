"""OpenAI's Images API: the answer comes when the images are there, and names no job."""

import base64
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import av
import openai
import pytest
from openai import AsyncOpenAI

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Client = Callable[..., AsyncOpenAI]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("openai_images")
MAKER, RELAY = "openai-images", "image-relay"
PNG = b"\x89PNG"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation, path: str, body: object = None, *, upstream: str = MAKER, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        known = key or world.scenario.upstreams[upstream].keys[0].key
        headers = {"authorization": f"Bearer {known}"}
        method = "GET" if body is None else "POST"
        url = world.base_urls[upstream] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, service: str = "gpt-image-2", **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


def pixels(image: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(image), "r") as container:
        picture = container.streams.video[0]
        return picture.width, picture.height


async def test_the_official_sdk_generates_images(start: Start, client: Client) -> None:
    world = await start(SCENARIO)

    made = await client(world, MAKER).images.generate(
        model="gpt-image-2", prompt="a boat", n=2, size="1536x1024", quality="low"
    )

    assert made.data is not None
    images = [base64.b64decode(each.b64_json or "") for each in made.data]
    assert [pixels(image) for image in images] == [(1536, 1024)] * 2
    assert (made.quality, made.size, made.background) == ("low", "1536x1024", "opaque")
    assert made.usage is not None
    assert made.usage.output_tokens == 2 * 408
    assert "model" not in made.to_dict()
    (entry,) = world.ledger.as_json(world.second())["entries"]
    assert entry["billed_usd"] == pytest.approx(0.02)
    assert (entry["read"]["count"], entry["read"]["quality"]) == (2, "low")


async def test_the_official_sdk_edits_images(start: Start, client: Client) -> None:
    world = await start(SCENARIO)
    picture = ("boat.png", PNG, "image/png")

    one = await client(world, MAKER).images.edit(
        model="gpt-image-2", prompt="more", image=picture, mask=picture
    )
    several = await client(world, MAKER).images.edit(
        model="gpt-image-2", prompt="more", image=[picture, picture], n=2
    )

    assert (len(one.data or ()), len(several.data or ())) == (1, 2)
    described = "image/png, 4 bytes"
    assert [
        [(each.role, each.source) for each in job.reading.inputs] for job in world.jobs.values()
    ] == [
        [("reference", described), ("mask", described)],
        [("reference", described), ("reference", described)],
    ]


async def test_images_may_be_edited_in_json(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    images = [{"image_url": DATA_URL}, {"file_id": "file-1"}]

    status, _ = await call(world, "/images/edits", {"prompt": "more", "images": images})

    assert status == 200
    (job,) = world.jobs.values()
    assert [each.source for each in job.reading.inputs] == ["image/png, 4 bytes", "file-1"]


async def test_a_relay_gives_addresses(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    _, made = await call(world, "/images/generations", {"prompt": "a", "n": 2}, upstream=RELAY)

    assert made.keys() == {"created", "data"}
    first, second = (each["url"] for each in made["data"])
    assert first != second
    for url in (first, second):
        async with http.get(url) as response:
            assert (response.status, pixels(await response.read())) == (200, (1024, 1024))
    async with http.get(second.replace("/1.png", "/2.png")) as response:
        assert response.status == 404


async def test_a_relay_gives_the_bytes_on_request(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    body = {"prompt": "a", "response_format": "b64_json"}

    _, made = await call(world, "/images/generations", body, upstream=RELAY)
    refused, _ = await call(world, "/images/generations", body)

    assert base64.b64decode(made["data"][0]["b64_json"]).startswith(PNG)
    assert refused == 400


async def test_an_address_of_a_relay_may_be_late_gone_mislabelled_or_cut(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    _, made = await call(world, "/images/generations", {"prompt": "a"}, upstream=RELAY)
    url = made["data"][0]["url"]
    faults: tuple[dict[str, object], ...] = (
        {"kind": "result_late", "after": 10_000},
        {"kind": "expire"},
        {"kind": "refuse", "http_status": 200, "body": "<html></html>", "doors": ["content"]},
        {"kind": "mislabel"},
        {"kind": "cut"},
    )

    seen = []
    for fault in faults:
        strike(world, "gpt-image-at-relay", **fault)
        async with http.get(url) as response:
            seen.append((response.status, response.content_type))
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url) as response:
            await response.read()

    assert seen == [
        (404, "text/plain"),
        (404, "text/plain"),
        (200, "text/html"),
        (200, "text/plain"),
        (200, "image/png"),
    ]


async def test_the_answer_waits_for_the_images_and_a_caller_that_leaves_pays(
    start: Start, client: Client
) -> None:
    world = await start(SCENARIO, speed=1)

    with pytest.raises(openai.APITimeoutError):
        await client(world, MAKER, timeout=0.3).images.generate(prompt="a boat")

    (job,) = world.jobs.values()
    assert job.answered
    assert world.ledger.as_json(world.second() + 100)["total"]["billed_usd"] > 0


async def test_a_create_that_stalls_is_never_answered(start: Start, client: Client) -> None:
    world = await start(SCENARIO)
    strike(world, kind="stall")

    with pytest.raises(openai.APITimeoutError):
        await client(world, MAKER, timeout=0.3).images.generate(prompt="a boat")

    assert len(world.jobs) == 1


@pytest.mark.parametrize(("model", "billed"), [("gpt-image-2", 0.0), ("gpt-image-1.5", 0.05)])
async def test_content_is_refused_after_the_work_which_may_be_billed(
    start: Start, call: Call, model: str, billed: float
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "/images/generations", {"prompt": "gore", "model": model})

    assert (status, refusal["error"]["code"]) == (400, "moderation_blocked")
    assert refusal["error"]["type"] == "image_generation_user_error"
    total = world.ledger.as_json(world.second())["total"]
    assert total["jobs"] == 1
    assert total["billed_usd"] == pytest.approx(billed)


async def test_a_failure_of_the_engine_is_a_500(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0.1, message="engine died")

    status, refusal = await call(world, "/images/generations", {"prompt": "a"})

    assert (status, refusal["error"]["message"]) == (500, "engine died")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"n": 0}, "invalid_value"),
        ({"n": 11}, "invalid_value"),
        ({"n": "2"}, "invalid_type"),
        ({"size": "1000x1000"}, "invalid_value"),
        ({"size": "4096x1024"}, "invalid_value"),
        ({"size": "3840x1024"}, "invalid_value"),
        ({"quality": "max"}, "invalid_value"),
        ({"style": "vivid"}, "unknown_parameter"),
        ({"response_format": "url"}, "unknown_parameter"),
        ({"seconds": "4"}, "unknown_parameter"),
        ({"prompt": ""}, "missing_required_parameter"),
        ({"model": "gpt-image-1"}, "model_not_found"),
    ],
)
async def test_an_invalid_create_is_refused(
    start: Start, call: Call, fields: dict[str, object], code: str
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "/images/generations", {"prompt": "a boat", **fields})

    assert (status, refusal["error"]["code"]) == (404 if code == "model_not_found" else 400, code)
    assert world.jobs == {}


async def test_an_edit_needs_an_image(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "/images/edits", {"prompt": "more", "images": []})

    assert (status, refusal["error"]["param"]) == (400, "image")


async def test_what_is_left_to_the_model_is_the_dearest(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, made = await call(world, "/images/generations", {"prompt": "a", "size": "2048x1152"})

    assert (made["quality"], made["size"]) == ("high", "2048x1152")
    total = world.ledger.as_json(world.second())["total"]
    assert total["billed_usd"] == pytest.approx(0.16)


async def test_a_model_may_have_the_date_of_its_shutdown(start: Start, client: Client) -> None:
    world = await start(SCENARIO)
    sdk = client(world, MAKER)

    listed = {model.id: model.shutdown_date async for model in sdk.models.list()}
    one = await sdk.models.retrieve("gpt-image-1.5")
    strike(world, kind="retire")
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("gpt-image-2")

    assert listed == {"gpt-image-2": None, "gpt-image-1.5": "2026-12-01"}
    assert one.shutdown_date == "2026-12-01"


@pytest.mark.parametrize(
    ("sign", "status", "code"),
    [
        ("risk_control", 403, "sentinel_block"),
        ("suspended", 503, "model_paused"),
        ("maintenance", 503, "maintenance"),
        ("overloaded", 503, "server_is_overloaded"),
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("quota", 400, "billing_hard_limit_reached"),
        ("auth", 403, None),
        ("content_rejected", 400, "moderation_blocked"),
    ],
)
async def test_every_state_has_openais_form(
    start: Start, call: Call, sign: str, status: int, code: str | None
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "/images/generations", {"prompt": "a boat"})

    assert (actual, refusal["error"]["code"]) == (status, code)
    assert world.jobs == {}


async def test_an_exhausted_balance_is_refused(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(
        world, "/images/generations", {"prompt": "a"}, key="sim-openai-images-empty"
    )

    assert (status, refusal["error"]["code"]) == (400, "billing_hard_limit_reached")
