"""MiniMax's second API: numbers in brackets, one text, and a list that shows no prompts."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("minimax")
CREATE, QUERY = "/video_generation", "/query/video_generation"
TEXT = {"type": "text", "text": "a boat"}
BOAT = {"model": "MiniMax-H3", "content": [TEXT], "duration": 5, "ratio": "16:9"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://x.test/1.png"}}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(  # noqa: PLR0913  # a request
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        upstream: str = "minimax",
        key: str = "sim-minimax-key",
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = world.base_urls[upstream] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("minimax-h3", (FAULT_ADAPTER.validate_python(fault),))


async def created(call: Call, world: Simulation, **fields: object) -> str:
    status, answer = await call(world, "POST", CREATE, BOAT | fields)
    assert status == 200, answer
    return str(answer["task_id"])


async def ended(call: Call, world: Simulation, task: str) -> dict[str, Any]:
    while True:
        _, answer = await call(world, "GET", f"{QUERY}/{task}")
        found: dict[str, Any] = answer["task"]
        if found["status"] not in {"queued", "running"}:
            return found


async def test_a_task_tells_what_it_made_and_the_seconds_that_are_billed(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    done = await ended(call, world, await created(call, world, resolution="2K", duration=10))

    told = ("model", "resolution", "ratio", "duration")
    assert [done[each] for each in told] == ["MiniMax-H3", "2K", "16:9", 10]
    assert done["usage"]["total_seconds"] == 10
    async with http.get(done["content"]["url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("fields", "status", "number"),
    [
        ({"model": "MiniMax-H4"}, 400, 2013),
        ({"content": []}, 400, 2013),
        ({"content": [TEXT, TEXT]}, 400, 2013),
        ({"content": [TEXT | {"text": ""}]}, 400, 2013),
        ({"content": [PICTURE | {"role": "first_frame"}]}, 400, 2013),
        ({"content": [TEXT, {"type": "video_url"}]}, 400, 2013),
        ({"content": [TEXT, PICTURE | {"role": "mask"}]}, 400, 2013),
        ({"duration": None}, 400, 2013),
        ({"duration": "5"}, 400, 2013),
        ({"duration": 7}, 400, 2013),
        ({"ratio": None}, 400, 2013),
        ({"ratio": "adaptive"}, 400, 2013),
        ({"resolution": "768p"}, 400, 2013),
        ({"resolution": "480P"}, 400, 2013),
        (
            {
                "content": [
                    TEXT,
                    *(PICTURE | {"role": each} for each in ("last_frame", "reference_image")),
                ]
            },
            400,
            2013,
        ),
        ({"content": [TEXT | {"text": "gore"}]}, 422, 1026),
    ],
)
async def test_an_invalid_create_is_refused_with_a_number(
    start: Start, call: Call, fields: dict[str, object], status: int, number: int
) -> None:
    world = await start(SCENARIO)

    actual, refusal = await call(world, "POST", CREATE, BOAT | fields)

    assert (actual, refusal["type"]) == (status, "error")
    assert refusal["error"]["message"].endswith(f"({number})")
    assert refusal["error"]["http_code"] == str(status)
    assert world.jobs == {}


@pytest.mark.parametrize(("key", "number"), [("", 1004), ("sk-wrong", 2049)])
async def test_a_key_is_refused(start: Start, call: Call, key: str, number: int) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "GET", QUERY, key=key)

    assert status == 401
    assert refusal["error"]["message"].endswith(f"({number})")


@pytest.mark.parametrize(
    ("sign", "status", "kind"),
    [
        ("risk_control", 403, "forbidden_error"),
        ("suspended", 403, "forbidden_error"),
        ("maintenance", 503, "server_error"),
        ("overloaded", 500, "server_error"),
        ("rate_limited", 429, "rate_limit_error"),
        ("quota", 402, "insufficient_balance_error"),
        ("auth", 401, "authorized_error"),
        ("content_rejected", 422, "unprocessable_entity_error"),
    ],
)
async def test_every_state_has_its_type(
    start: Start, call: Call, sign: str, status: int, kind: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", CREATE, BOAT)

    assert (actual, refusal["error"]["type"]) == (status, kind)


async def test_the_list_has_the_accounts_own_tasks_and_no_prompts(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    first, second = [await created(call, world) for _ in range(2)]
    await ended(call, world, first)
    await ended(call, world, second)
    strike(world, kind="stall")
    third = await created(call, world)
    await call(world, "POST", CREATE, BOAT, key="sim-minimax-other")

    _, page = await call(world, "GET", f"{QUERY}?page_num=2&page_size=2")
    _, done = await call(world, "GET", f"{QUERY}?filter.status=succeeded")
    _, newest = await call(world, "GET", f"{QUERY}?page_size=1")

    assert (page["total"], [each["id"] for each in page["items"]]) == (3, [first])
    assert [each["id"] for each in done["items"]] == [second, first]
    assert [each["id"] for each in newest["items"]] == [third]
    assert "a boat" not in str(page)
    assert (await call(world, "GET", f"{QUERY}?page_size=501"))[0] == 400


async def test_a_delete_cancels_what_is_queued_and_destroys_what_has_ended(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    done = await created(call, world)
    await ended(call, world, done)
    strike(world, kind="slow", factor=1000)
    queued = await created(call, world)

    _, cancelled = await call(world, "DELETE", f"{CREATE}/{queued}")
    again, _ = await call(world, "DELETE", f"{CREATE}/{queued}")
    _, deleted = await call(world, "DELETE", f"{CREATE}/{done}")

    assert (cancelled["status"], again, deleted["status"]) == ("cancelled", 400, "deleted")
    assert (await ended(call, world, queued))["status"] == "cancelled"
    status, refusal = await call(world, "GET", f"{QUERY}/{done}")
    assert (status, refusal["error"]["type"]) == (400, "bad_request_error")
    assert "record not found" in refusal["error"]["message"]


async def test_a_reseller_has_creates_and_polls_alone(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    at = {"upstream": "minimax-resold", "key": "sim-minimax-resold-key"}
    _, answer = await call(world, "POST", CREATE, BOAT, **at)
    task = answer["task_id"]

    statuses = [
        (await call(world, method, path, **at))[0]
        for method, path in (
            ("GET", f"{QUERY}/{task}"),
            ("GET", QUERY),
            ("DELETE", f"{CREATE}/{task}"),
        )
    ]

    assert statuses == [200, 404, 404]


@pytest.mark.parametrize(
    ("fault", "code"), [({}, "1000"), ({"code": "moderation_blocked"}, "1027")]
)
async def test_a_failed_task_has_a_number(
    start: Start, call: Call, fault: dict[str, object], code: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, message="engine died", **fault)

    done = await ended(call, world, await created(call, world))

    assert done["error"] == {"code": code, "message": "engine died"}
    assert "usage" not in done


async def test_a_picture_may_give_the_shape(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    content = [TEXT, PICTURE | {"role": "first_frame"}]

    await created(call, world, content=content, ratio="adaptive")

    (job,) = world.jobs.values()
    assert job.reading.aspect == "input"
    assert [each.role for each in job.reading.inputs] == ["first_frame"]
