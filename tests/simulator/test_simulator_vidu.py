"""Vidu's API: four kinds by their paths, credits, and errors with a reason."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("vidu")
BOAT = {"model": "viduq3-pro", "prompt": "a boat"}
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
        key: str = "Token vda_sim_key_of_an_account",
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": key} if key else {}
        url = f"{world.base_urls['vidu']}/ent/v2/{path}"
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("vidu-q3", (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, task: str) -> dict[str, Any]:
    while True:
        _, document = await call(world, "GET", f"tasks/{task}/creations")
        if document["state"] in {"success", "failed"}:
            return document


async def test_a_task_tells_its_price_at_once_and_succeeds(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    status, created = await call(world, "POST", "text2video", {**BOAT, "payload": "mine"})
    done = await ended(call, world, created["task_id"])

    assert (status, created["state"], created["payload"]) == (200, "created", "mine")
    # 5 s at 0.15 dollars, in credits of 0.005
    assert (created["credits"], done["credits"]) == (150, 150)
    assert (done["state"], done["err_code"], done["payload"]) == ("success", "", "mine")
    async with http.get(done["creations"][0]["url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


@pytest.mark.parametrize("key", ["", "Token wrong", "Bearer vda_sim_key_of_an_account"])
async def test_a_key_is_refused_with_a_reason(start: Start, call: Call, key: str) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", "text2video", BOAT, key=key)

    assert (status, refusal["code"], refusal["reason"]) == (401, 401, "Unauthorized")
    assert world.jobs == {}


async def test_the_credits_that_remain_are_told_with_the_queue(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=0.1)
    await call(world, "POST", "text2video", BOAT)

    _, full = await call(world, "GET", "credits")
    _, empty = await call(world, "GET", "credits", key="Token vda_sim_key_empty")

    assert full["remains"][0]["queue_count"] == 1
    assert empty["remains"][0]["credit_remain"] == 0


@pytest.mark.parametrize(
    ("kind", "images", "roles"),
    [
        ("img2video", 1, ["first_frame"]),
        ("start-end2video", 2, ["first_frame", "last_frame"]),
        ("reference2video", 3, ["reference"] * 3),
    ],
)
async def test_each_kind_reads_its_pictures(
    start: Start, call: Call, kind: str, images: int, roles: list[str]
) -> None:
    world = await start(SCENARIO)

    status, _ = await call(world, "POST", kind, {**BOAT, "images": [URL] * images})

    (job,) = world.jobs.values()
    assert (status, [each.role for each in job.reading.inputs]) == (200, roles)


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("text2video", {"prompt": ""}, "FieldInvalid"),
        ("text2video", {"prompt": "a" * 5001}, "FieldInvalid"),
        ("text2video", {"duration": "5"}, "FieldInvalid"),
        ("text2video", {"duration": 7}, "FieldInvalid"),
        ("text2video", {"resolution": "4k"}, "FieldInvalid"),
        ("text2video", {"images": [URL]}, "FieldInvalid"),
        ("text2video", {"off_peak": True}, "FieldInvalid"),
        ("text2video", {"model": "viduq9"}, "FieldInvalid"),
        ("img2video", {}, "FieldInvalid"),
        ("img2video", {"images": URL}, "FieldInvalid"),
        ("start-end2video", {"images": [URL]}, "FieldInvalid"),
        ("reference2video", {"images": [URL] * 8}, "FieldInvalid"),
        ("img2video", {"images": ["ftp://x.test/1.png"]}, "ImageDownloadFailure"),
    ],
)
async def test_an_invalid_create_is_refused_with_its_reason(
    start: Start, call: Call, kind: str, fields: dict[str, object], reason: str
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", kind, {**BOAT, **fields})

    assert (status, refusal["reason"]) == (400, reason)
    assert refusal["metadata"]["trace_id"]
    assert world.jobs == {}


async def test_an_unknown_kind_or_task_is_not_found(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    assert (await call(world, "POST", "audio2video", BOAT))[0] == 404
    assert (await call(world, "GET", "tasks/1/creations"))[0] == 404


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("gore everywhere", "CreationPolicyViolation"), ("a boat", "InternalServiceFailure")],
)
async def test_a_failed_task_has_a_code(start: Start, call: Call, prompt: str, code: str) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0)

    _, created = await call(world, "POST", "text2video", {**BOAT, "prompt": prompt})
    failed = await ended(call, world, created["task_id"])

    assert (failed["state"], failed["err_code"], failed["creations"]) == ("failed", code, [])


@pytest.mark.parametrize(
    ("sign", "status", "reason"),
    [
        ("risk_control", 403, "Forbidden"),
        ("suspended", 503, "Unavailable"),
        ("maintenance", 503, "Unavailable"),
        ("overloaded", 503, "SystemThrottling"),
        ("rate_limited", 429, "QuotaExceeded"),
        ("quota", 429, "CreditInsufficient"),
        ("auth", 401, "Unauthorized"),
        ("content_rejected", 400, "AuditSubmitIllegal"),
    ],
)
async def test_every_state_has_a_reason(
    start: Start, call: Call, sign: str, status: int, reason: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    found, refusal = await call(world, "POST", "text2video", BOAT)

    assert (found, refusal["reason"]) == (status, reason)
    assert world.jobs == {}
