"""kie's jobs: HTTP 200 for everything, a record with JSON in a string, credits."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[dict[str, Any]]]
SCENARIO = scenario_of("kie_jobs")
KLING, SEEDANCE = "kling-3.0/video", "bytedance/v1-pro-text-to-video"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the JSON, which is always under 200."""

    async def call(
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "Bearer sim-kie-key-of-an-account",
    ) -> dict[str, Any]:
        headers = {"authorization": key} if key else {}
        url = f"{world.base_urls['kie']}/api/v1/{path}"
        async with http.request(method, url, json=body, headers=headers) as response:
            assert response.status == 200
            document: dict[str, Any] = await response.json()
            return document

    return call


def task(model: str = SEEDANCE, **given: object) -> dict[str, object]:
    return {"model": model, "input": {"prompt": "a boat", **given}}


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("seedance-on-kie", (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, created: dict[str, Any]) -> dict[str, Any]:
    while True:
        path = f"jobs/recordInfo?taskId={created['data']['taskId']}"
        record: dict[str, Any] = (await call(world, "GET", path))["data"]
        if record["state"] in {"success", "fail"}:
            return record


async def test_a_task_is_queued_and_succeeds(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    created = await call(world, "POST", "jobs/createTask", task(duration="10", resolution="720p"))
    done = await ended(call, world, created)

    assert (created["code"], created["msg"]) == (200, "success")
    assert json.loads(done["param"])["input"]["duration"] == "10"
    assert done["creditsConsumed"] == 60  # 10 s at 0.03 dollars
    (url,) = json.loads(done["resultJson"])["resultUrls"]
    async with http.get(url) as response:
        assert (await response.read())[4:8] == b"ftyp"


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Key sim-kie-key-of-an-account"])
async def test_a_key_is_refused_under_200(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    refusal = await call(world, "POST", "jobs/createTask", task(), key=key)

    assert (refusal["code"], refusal["data"]) == (401, None)
    assert world.jobs == {}


async def test_the_balance_is_told_in_credits(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    full = await call(world, "GET", "chat/credit")
    empty = await call(world, "GET", "chat/credit", key="Bearer sim-kie-key-empty")
    refused = await call(world, "POST", "jobs/createTask", task(), key="Bearer sim-kie-key-empty")

    assert (full["data"], empty["data"], refused["code"]) == (1000, 0, 402)


@pytest.mark.parametrize(
    "body",
    [
        task(duration=5),
        task(duration="7"),
        task(resolution="4k"),
        task(aspect_ratio="21:9"),
        task(prompt=""),
        task(KLING, mode="turbo"),
        task(KLING, image_urls=["data:image/png;base64,UE5H"]),
        task(KLING, image_urls="https://x.test/1.png"),
        task(KLING, sound="on"),
        task("nobody/nothing"),
        {"model": SEEDANCE, "prompt": "a boat"},
    ],
)
async def test_an_invalid_task_is_refused(start: Start, call: Call, body: object) -> None:
    world = await start(SCENARIO)

    refusal = await call(world, "POST", "jobs/createTask", body)

    assert refusal["code"] == 422
    assert world.jobs == {}


async def test_an_unknown_task_has_no_record(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    assert (await call(world, "GET", "jobs/recordInfo?taskId=none"))["code"] == 422


@pytest.mark.parametrize(("code", "told"), [("422", "422"), ("boom", "501")])
async def test_a_failed_task_consumes_nothing(
    start: Start, call: Call, code: str, told: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, code=code, message="boom")

    failed = await ended(call, world, await call(world, "POST", "jobs/createTask", task()))

    assert (failed["state"], failed["failCode"], failed["failMsg"]) == ("fail", told, "boom")
    assert (failed["creditsConsumed"], failed["resultJson"]) == (0, "")


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        ("risk_control", 500),
        ("suspended", 505),
        ("maintenance", 455),
        ("overloaded", 500),
        ("rate_limited", 429),
        ("quota", 402),
        ("auth", 401),
        ("content_rejected", 422),
    ],
)
async def test_every_state_is_a_code_under_200(
    start: Start, call: Call, sign: str, code: int
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    assert (await call(world, "POST", "jobs/createTask", task()))["code"] == code
    assert world.jobs == {}
