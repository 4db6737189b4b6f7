"""Replicate's predictions: three ways to create one, and its problem documents."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("replicate")
SEEDANCE = "/models/bytedance/seedance-1-pro/predictions"
BOAT = {"input": {"prompt": "a boat"}}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path below the base URL, or a URL; return the status and the JSON."""

    async def call(
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "Bearer r8_sim_replicate_key",
    ) -> tuple[int, dict[str, Any]]:
        url = path if path.startswith("http") else world.base_urls["replicate"] + path
        headers = {"authorization": key} if key else {}
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("seedance-on-replicate", (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, created: dict[str, Any]) -> dict[str, Any]:
    while True:
        _, prediction = await call(world, "GET", created["urls"]["get"])
        if prediction["status"] not in {"starting", "processing"}:
            return prediction


async def test_a_prediction_starts_and_succeeds(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    status, created = await call(world, "POST", SEEDANCE, BOAT)
    done = await ended(call, world, created)

    assert (status, created["status"], created["output"]) == (201, "starting", None)
    assert len(created["id"]) == 26
    assert (created["model"], created["version"]) == ("bytedance/seedance-1-pro", "hidden")
    assert (created["input"], created["started_at"]) == ({"prompt": "a boat"}, None)
    assert (done["status"], done["error"], done["data_removed"]) == ("succeeded", None, False)
    (url,) = done["output"]
    async with http.get(url) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_the_data_of_a_prediction_are_removed_after_an_hour(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=100_000)
    _, created = await call(world, "POST", SEEDANCE, BOAT)

    while not (prediction := (await ended(call, world, created)))["data_removed"]:
        pass

    assert (prediction["status"], prediction["output"], prediction["input"]) == (
        "succeeded",
        None,
        {},
    )


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Key r8_sim_replicate_key"])
async def test_a_key_is_refused_with_a_problem(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    status, problem = await call(world, "POST", SEEDANCE, BOAT, key=key)

    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthenticated")
    assert world.jobs == {}


async def test_the_older_word_before_a_key_is_accepted_too(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, account = await call(world, "GET", "/account", key="Token r8_sim_replicate_key")

    assert (status, account["type"]) == (200, "organization")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": None}, "input.prompt"),
        ({"duration": "5"}, "duration"),
        ({"duration": 7}, "input.duration"),
        ({"resolution": "4k"}, "input.resolution"),
        ({"aspect_ratio": "21:9"}, "input.aspect_ratio"),
        ({"seed": "7"}, "seed"),
        ({"image": "ftp://x.test/1.png"}, "image"),
    ],
)
async def test_an_invalid_input_is_named_with_its_field(
    start: Start, call: Call, fields: dict[str, object], field: str
) -> None:
    world = await start(SCENARIO)

    status, problem = await call(world, "POST", SEEDANCE, {"input": {"prompt": "a boat", **fields}})

    assert (status, problem["title"]) == (422, "Input validation failed")
    assert [each["field"] for each in problem["invalid_fields"]] == [field]
    assert world.jobs == {}


async def test_an_unknown_model_or_prediction_is_not_found(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    for method, path in (
        ("POST", "/models/nobody/nothing/predictions"),
        ("GET", "/models/nobody/nothing"),
        ("GET", "/predictions/none"),
        ("GET", "/nothing"),
    ):
        assert (await call(world, method, path, BOAT))[0] == 404


@pytest.mark.parametrize(
    ("code", "text"), [("e6716", "(E6716)"), ("video_generation_failed", "(E1000)")]
)
async def test_a_failure_is_one_string_with_a_code_inside(
    start: Start, call: Call, code: str, text: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, code=code, message="boom")

    _, created = await call(world, "POST", SEEDANCE, BOAT)
    done = await ended(call, world, created)

    assert done["status"] == "failed"
    assert done["error"] == f"Prediction failed: boom {text}"


async def test_a_prediction_that_has_not_started_is_aborted_and_not_billed(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO, speed=0.1)
    _, created = await call(world, "POST", SEEDANCE, BOAT)

    status, cancelled = await call(world, "POST", created["urls"]["cancel"])

    assert (status, cancelled["status"]) == (200, "aborted")
    assert world.ledger.as_json(world.second())["total"]["billed_usd"] == 0


async def test_a_prediction_that_runs_is_canceled_and_billed(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="stall")
    _, created = await call(world, "POST", SEEDANCE, BOAT)
    while (await call(world, "GET", created["urls"]["get"]))[1]["status"] != "processing":
        pass

    _, cancelled = await call(world, "POST", created["urls"]["cancel"])
    _, again = await call(world, "POST", created["urls"]["cancel"])

    assert (cancelled["status"], again["status"]) == ("canceled", "canceled")
    assert world.ledger.as_json(world.second())["total"]["billed_usd"] > 0


async def test_the_list_has_pages_newest_first(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    made = [(await call(world, "POST", SEEDANCE, BOAT))[1]["id"] for _ in range(102)]

    _, first = await call(world, "GET", "/predictions")
    _, second = await call(world, "GET", first["next"])

    listed = [each["id"] for page in (first, second) for each in page["results"]]
    assert (len(first["results"]), second["next"]) == (100, None)
    assert listed == made[::-1]


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
        ("content_rejected", 422),
    ],
)
async def test_every_state_is_a_problem(start: Start, call: Call, sign: str, status: int) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    found, problem = await call(world, "POST", SEEDANCE, BOAT)

    assert (found, problem["status"]) == (status, status)
    assert world.jobs == {}
