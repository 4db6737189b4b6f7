"""Luma's Agents API: strict about types, lengths and pictures; its errors are details."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("luma")
BOAT = {"prompt": "a boat", "model": "ray-3.2", "type": "video"}
URL = "https://x.test/1.png"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "Bearer luma-api-sim-key-of-an-account",
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": key} if key else {}
        url = world.base_urls["luma"] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            assert response.headers["x-api-version"]
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("ray-3.2", (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, created: dict[str, Any]) -> dict[str, Any]:
    while True:
        _, generation = await call(world, "GET", f"/generations/{created['id']}")
        if generation["state"] in {"completed", "failed"}:
            return generation


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Key luma-api-sim-key-of-an-account"])
async def test_a_key_is_refused(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    assert await call(world, "POST", "/generations", BOAT, key=key) == (
        401,
        {"detail": "Invalid API key"},
    )
    assert world.jobs == {}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"type": None}, ["body", "type"]),
        ({"type": "image"}, ["body", "type"]),
        ({"prompt": ""}, ["body", "prompt"]),
        ({"video": "5s"}, ["body", "video"]),
        ({"video": {"duration": 5}}, ["body", "duration"]),
        ({"video": {"duration": "9s"}}, ["body", "duration"]),
        ({"video": {"resolution": "4k"}}, ["body", "video", "resolution"]),
        ({"video": {"duration": "10s", "loop": True}}, ["body", "video"]),
        ({"video": {"duration": "10s", "start_frame": {"url": URL}}}, ["body", "video"]),
        ({"video": {"start_frame": URL}}, ["body", "video", "start_frame"]),
        ({"video": {"start_frame": {}}}, ["body", "video", "start_frame"]),
        ({"video": {"end_frame": {"url": URL, "data": "UE5H"}}}, ["body", "video", "end_frame"]),
        ({"video": {"end_frame": {"data": "UE5H"}}}, ["body", "video", "end_frame", "media_type"]),
        ({"aspect_ratio": "5:1"}, ["body", "aspect_ratio"]),
    ],
)
async def test_an_invalid_create_is_refused_with_its_place(
    start: Start, call: Call, fields: dict[str, object], place: list[str]
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", "/generations", {**BOAT, **fields})

    (detail,) = refusal["detail"]
    assert (status, detail["loc"]) == (422, place)
    assert world.jobs == {}


async def test_an_unknown_model_or_generation_is_not_found(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    for method, path, body in (
        ("POST", "/generations", {**BOAT, "model": "ray-9"}),
        ("GET", "/generations/none", None),
        ("DELETE", "/generations/none", None),
    ):
        assert (await call(world, method, path, body))[0] == 404


@pytest.mark.parametrize(
    ("code", "told"), [("corrupt_input", "corrupt_input"), ("boom", "generation_failed")]
)
async def test_a_failed_generation_has_a_code_and_a_reason(
    start: Start, call: Call, code: str, told: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, code=code, message="boom")

    status, created = await call(world, "POST", "/generations", BOAT)
    failed = await ended(call, world, created)

    assert (status, failed["output"]) == (201, [])
    assert (failed["failure_code"], failed["failure_reason"]) == (told, "boom")


@pytest.mark.parametrize(
    ("sign", "status"),
    [
        ("risk_control", 403),
        ("suspended", 403),
        ("maintenance", 503),
        ("overloaded", 503),
        ("rate_limited", 429),
        ("quota", 402),
        ("auth", 401),
        ("content_rejected", 400),
    ],
)
async def test_every_state_is_a_detail(start: Start, call: Call, sign: str, status: int) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    found, refusal = await call(world, "POST", "/generations", BOAT)

    assert (found, list(refusal)) == (status, ["detail"])
    assert world.jobs == {}
