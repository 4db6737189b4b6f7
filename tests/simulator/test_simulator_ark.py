"""Ark's video tasks: the maker's errors, its list and its DELETE, and its own SDK."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from volcenginesdkarkruntime import AsyncArk  # type: ignore[import-untyped]

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("ark")
TASKS = "/contents/generations/tasks"
TEXT = {"type": "text", "text": "a boat"}
BOAT = {"model": "doubao-seedance-2-0-260128", "content": [TEXT]}
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
        upstream: str = "ark",
        key: str = "sim-ark-key",
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = world.base_urls[upstream] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("seedance-2.0", (FAULT_ADAPTER.validate_python(fault),))


async def created(call: Call, world: Simulation, **fields: object) -> str:
    status, answer = await call(world, "POST", TASKS, BOAT | fields)
    assert status == 200, answer
    return str(answer["id"])


async def ended(call: Call, world: Simulation, task: str) -> dict[str, Any]:
    while True:
        _, answer = await call(world, "GET", f"{TASKS}/{task}")
        if answer["status"] not in {"queued", "running"}:
            return answer


async def test_a_task_tells_what_it_made_and_its_tokens(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    done = await ended(call, world, await created(call, world, safety_identifier="mine", seed=7))

    told = ("model", "resolution", "ratio", "duration", "seed", "safety_identifier", "error")
    assert [done[each] for each in told] == [BOAT["model"], "720p", "16:9", 5, 7, "mine", None]
    assert done["usage"]["completion_tokens"] == 1280 * 720 * 24 * 5 // 1024
    async with http.get(done["content"]["video_url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": None}, 400, "MissingParameter"),
        ({"content": []}, 400, "MissingParameter"),
        ({"content": [{"type": "text", "text": ""}]}, 400, "MissingParameter"),
        ({"model": "seedance"}, 404, "InvalidEndpointOrModel.NotFound"),
        ({"duration": "5"}, 400, "InvalidParameter"),
        ({"duration": 7}, 400, "InvalidParameter"),
        ({"resolution": "720P"}, 400, "InvalidParameter"),
        ({"resolution": "4k"}, 400, "InvalidParameter"),
        ({"ratio": "5:4"}, 400, "InvalidParameter"),
        ({"seed": 2**32}, 400, "InvalidParameter"),
        ({"generate_audio": "yes"}, 400, "InvalidParameter"),
        ({"content": [TEXT, {**PICTURE, "role": "mask"}]}, 400, "InvalidParameter"),
        ({"content": [TEXT, {"type": "video_url"}]}, 400, "InvalidParameter"),
        (
            {"content": [PICTURE | {"role": each} for each in ("first_frame", "reference_image")]},
            400,
            "InvalidParameter",
        ),
        (
            {"content": [{"type": "text", "text": "gore"}]},
            400,
            "InputTextSensitiveContentDetected",
        ),
    ],
)
async def test_an_invalid_create_is_refused_with_a_code(
    start: Start, call: Call, fields: dict[str, object], status: int, code: str
) -> None:
    world = await start(SCENARIO)

    actual, refusal = await call(world, "POST", TASKS, BOAT | fields)

    assert (actual, refusal["error"]["code"]) == (status, code)
    assert "Request id: " in refusal["error"]["message"]
    assert world.jobs == {}


@pytest.mark.parametrize(
    ("key", "code"), [("", "MissingAuthenticationHeader"), ("sk-wrong", "AuthenticationError")]
)
async def test_a_key_is_refused(start: Start, call: Call, key: str, code: str) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "GET", TASKS, key=key)

    assert (status, refusal["error"]["code"]) == (401, code)


@pytest.mark.parametrize(
    ("sign", "status", "code"),
    [
        ("risk_control", 403, "RiskControl"),
        ("suspended", 400, "InvalidEndpoint.ClosedEndpoint"),
        ("maintenance", 503, "ServiceUnavailable"),
        ("overloaded", 429, "ServerOverloaded"),
        ("rate_limited", 429, "RateLimitExceeded.EndpointRPMExceeded"),
        ("quota", 403, "AccountOverdueError"),
        ("auth", 401, "AuthenticationError"),
        ("content_rejected", 400, "InputTextSensitiveContentDetected"),
    ],
)
async def test_every_state_has_arks_code(
    start: Start, call: Call, sign: str, status: int, code: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", TASKS, BOAT)

    assert (actual, refusal["error"]["code"]) == (status, code)


async def test_the_list_has_the_accounts_own_tasks_by_page_model_status_and_id(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    first, second = [await created(call, world) for _ in range(2)]
    await ended(call, world, first)
    await ended(call, world, second)
    strike(world, kind="stall")
    third = await created(call, world)
    await call(world, "POST", TASKS, BOAT, key="sim-ark-other")

    async def listed(query: str) -> tuple[int, list[str]]:
        status, page = await call(world, "GET", f"{TASKS}?{query}")
        assert status == 200
        return page["total"], [each["id"] for each in page["items"]]

    assert await listed("") == (3, [third, second, first])
    assert await listed("page_num=2&page_size=2") == (3, [first])
    assert await listed("filter.status=succeeded") == (2, [second, first])
    assert await listed(f"filter.task_ids={first}&filter.task_ids={third}") == (2, [third, first])
    assert await listed("filter.model=other") == (0, [])
    assert (await call(world, "GET", f"{TASKS}?page_size=501"))[0] == 400


async def test_a_delete_cancels_what_is_queued_and_destroys_what_has_ended(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    done = await created(call, world)
    await ended(call, world, done)
    strike(world, kind="slow", factor=1000)
    queued = await created(call, world)

    assert (await call(world, "DELETE", f"{TASKS}/{queued}"))[0] == 200
    assert (await call(world, "DELETE", f"{TASKS}/{queued}"))[0] == 409
    assert (await call(world, "DELETE", f"{TASKS}/{done}"))[0] == 200

    assert (await ended(call, world, queued))["status"] == "cancelled"
    status, refusal = await call(world, "GET", f"{TASKS}/{done}")
    assert (status, refusal["error"]["code"]) == (404, "ResourceNotFound")


async def test_a_reseller_has_creates_and_polls_alone(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    at = {"upstream": "ark-resold", "key": "sim-ark-resold-key"}
    _, task = await call(world, "POST", TASKS, BOAT, **at)
    path = f"{TASKS}/{task['id']}"

    statuses = [
        (await call(world, method, each, **at))[0]
        for method, each in (("GET", path), ("GET", TASKS), ("DELETE", path))
    ]

    assert statuses == [200, 404, 404]


async def test_a_length_that_is_left_to_the_model_is_not_the_shortest(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)

    for fields in ({}, {"duration": -1}):
        await created(call, world, model="doubao-seedance-2-5-260628", **fields)

    assert [job.reading.seconds for job in world.jobs.values()] == [10, 10]


async def test_a_model_that_wants_the_pictures_shape_refuses_another(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    body = {
        "model": "doubao-seedance-2-5-260628",
        "content": [TEXT, PICTURE | {"role": "first_frame"}],
    }

    refused, _ = await call(world, "POST", TASKS, body | {"ratio": "9:16"})
    accepted, _ = await call(world, "POST", TASKS, body | {"ratio": "adaptive"})

    assert (refused, accepted) == (400, 200)
    assert [job.reading.aspect for job in world.jobs.values()] == ["input"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({}, "InternalServiceError"),
        ({"code": "moderation_blocked"}, "OutputVideoSensitiveContentDetected"),
    ],
)
async def test_a_failed_task_has_a_code_and_no_tokens(
    start: Start, call: Call, fault: dict[str, object], code: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, message="engine died", **fault)

    done = await ended(call, world, await created(call, world))

    assert done["error"] == {"code": code, "message": "engine died"}
    assert "usage" not in done


@pytest.fixture
async def sdk() -> AsyncIterator[Callable[[Simulation], AsyncArk]]:
    clients = []

    def client(world: Simulation) -> AsyncArk:
        url = world.base_urls["ark"]
        clients.append(AsyncArk(api_key="sim-ark-key", base_url=url, max_retries=0, timeout=10))
        return clients[-1]

    yield client
    for each in clients:
        await each.close()


async def test_the_makers_sdk_makes_lists_and_deletes_a_film(
    start: Start, sdk: Callable[[Simulation], AsyncArk]
) -> None:
    world = await start(SCENARIO)
    tasks = sdk(world).content_generation.tasks
    content: Any = [TEXT]

    task = await tasks.create(
        model=str(BOAT["model"]), content=content, duration=10, resolution="1080p", ratio="16:9"
    )
    while (found := await tasks.get(task_id=task.id)).status != "succeeded":
        assert found.status in {"queued", "running"}
    listed = await tasks.list(page_size=10, model=str(BOAT["model"]), status="succeeded")
    await tasks.delete(task_id=task.id)

    assert found.content.video_url.startswith(world.base_url)
    assert (found.duration, found.resolution, found.error) == (10, "1080p", None)
    assert [each.id for each in listed.items] == [task.id]
    assert (await tasks.list()).total == 0
