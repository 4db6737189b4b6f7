"""Alibaba's video tasks: the header, UNKNOWN, a list without prompts, and the maker's own SDK."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from dashscope import AsyncClient

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("dashscope")
CREATE, TASKS = "/services/aigc/video-generation/video-synthesis", "/tasks"
BOAT: dict[str, Any] = {"model": "wan3.0-video", "input": {"prompt": "a boat"}}
ASYNC = {"X-DashScope-Async": "enable"}
PICTURE = "https://x.test/1.png"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(  # noqa: PLR0913  # a request
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        upstream: str = "dashscope",
        key: str = "sim-dashscope-key",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        sent = (ASYNC if headers is None else headers) | (
            {"authorization": f"Bearer {key}"} if key else {}
        )
        url = world.base_urls[upstream] + path
        async with http.request(method, url, json=body, headers=sent) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("wan-3.0", (FAULT_ADAPTER.validate_python(fault),))


def with_parameters(**parameters: object) -> dict[str, Any]:
    return BOAT | {"parameters": parameters}


async def created(call: Call, world: Simulation, body: dict[str, Any] = BOAT) -> str:
    status, answer = await call(world, "POST", CREATE, body)
    assert status == 200, answer
    assert answer["output"]["task_status"] == "PENDING"
    return str(answer["output"]["task_id"])


async def ended(call: Call, world: Simulation, task: str) -> dict[str, Any]:
    while True:
        _, answer = await call(world, "GET", f"{TASKS}/{task}")
        if answer["output"]["task_status"] not in {"PENDING", "RUNNING"}:
            return answer


async def test_a_task_tells_its_prompt_and_what_is_billed(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    task = await created(call, world, with_parameters(resolution="720P", duration=10))
    done = await ended(call, world, task)

    assert done["output"]["orig_prompt"] == "a boat"
    assert (done["usage"]["duration"], done["usage"]["SR"]) == (10, "720")
    async with http.get(done["output"]["video_url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_a_resolution_that_is_left_out_is_1080p(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    await created(call, world)

    (job,) = world.jobs.values()
    assert (job.reading.resolution, job.reading.seconds, job.price) == ("1080p", 5, Decimal(1))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (BOAT | {"model": "wan9"}, 404, "ModelNotFound"),
        (BOAT | {"input": {"prompt": ""}}, 400, "InvalidParameter"),
        (BOAT | {"input": "a boat"}, 400, "InvalidParameter"),
        (with_parameters(resolution="720p"), 400, "InvalidParameter"),
        (with_parameters(duration="5"), 400, "InvalidParameter"),
        (with_parameters(duration=7), 400, "InvalidParameter"),
        (with_parameters(ratio="21:9"), 400, "InvalidParameter"),
        (with_parameters(seed=2**31), 400, "InvalidParameter"),
        (BOAT | {"input": {"prompt": "gore"}}, 400, "DataInspectionFailed"),
        (BOAT | {"input": {"media": [{"type": "mask", "url": PICTURE}]}}, 400, "InvalidParameter"),
        (BOAT | {"input": {"media": [{"type": "first_frame"}]}}, 400, "InvalidURL"),
        (
            BOAT | {"model": "wan2.6-t2v", "parameters": {"size": "1280x720"}},
            400,
            "InvalidParameter",
        ),
    ],
)
async def test_an_invalid_create_is_refused_with_a_code(
    start: Start, call: Call, body: dict[str, Any], status: int, code: str
) -> None:
    world = await start(SCENARIO)

    actual, refusal = await call(world, "POST", CREATE, body)

    assert (actual, refusal["code"]) == (status, code)
    assert world.jobs == {}


async def test_a_create_needs_its_header_and_its_path(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    without, refusal = await call(world, "POST", CREATE, BOAT, headers={})
    elsewhere, _ = await call(world, "POST", CREATE.replace("video-generation", "text2image"), BOAT)

    assert (without, refusal["code"], elsewhere) == (403, "AccessDenied", 400)


async def test_a_task_that_is_not_there_is_unknown_to_a_good_key(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    task = await created(call, world)

    answers = [
        await call(world, "GET", f"{TASKS}/nothing"),
        await call(world, "GET", f"{TASKS}/{task}", key="sim-dashscope-other"),
    ]
    refused, refusal = await call(world, "GET", f"{TASKS}/nothing", key="sk-wrong")

    assert [(status, each["output"]["task_status"]) for status, each in answers] == [
        (200, "UNKNOWN"),
        (200, "UNKNOWN"),
    ]
    assert (refused, refusal["code"]) == (401, "InvalidApiKey")


@pytest.mark.parametrize(
    ("sign", "status", "code"),
    [
        ("risk_control", 403, "RiskControl"),
        ("suspended", 403, "AccountSuspended"),
        ("maintenance", 503, "ServiceUnavailable"),
        ("overloaded", 503, "ModelServingError"),
        ("rate_limited", 429, "Throttling.RateQuota"),
        ("quota", 400, "Arrearage"),
        ("auth", 401, "InvalidApiKey"),
        ("content_rejected", 400, "DataInspectionFailed"),
    ],
)
async def test_every_state_has_its_code(
    start: Start, call: Call, sign: str, status: int, code: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", CREATE, BOAT)

    assert (actual, refusal["code"]) == (status, code)


async def test_the_list_has_the_accounts_own_tasks_and_no_prompts(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    first = await created(call, world)
    second = await created(call, world, BOAT | {"model": "wan2.6-t2v"})
    await ended(call, world, first)
    await ended(call, world, second)
    strike(world, kind="stall")
    third = await created(call, world)
    await call(world, "POST", CREATE, BOAT, key="sim-dashscope-other")

    async def ids(query: str) -> list[str]:
        _, page = await call(world, "GET", f"{TASKS}?{query}")
        assert "a boat" not in str(page)
        return [each["task_id"] for each in page["data"]]

    assert await ids("") == [third, second, first]
    assert await ids("page_no=2&page_size=2") == [first]
    assert await ids("model_name=wan3.0-video") == [third, first]
    assert await ids("status=SUCCEEDED") == [second, first]
    assert (await call(world, "GET", f"{TASKS}?page_size=0"))[0] == 400


async def test_a_cancel_ends_what_waits_alone(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    done = await created(call, world)
    await ended(call, world, done)
    strike(world, kind="slow", factor=1000)
    waiting = await created(call, world)

    cancelled, _ = await call(world, "POST", f"{TASKS}/{waiting}/cancel")
    again, refusal = await call(world, "POST", f"{TASKS}/{waiting}/cancel")
    late, _ = await call(world, "POST", f"{TASKS}/{done}/cancel")

    assert (cancelled, again, late, refusal["code"]) == (200, 400, 400, "UnsupportedOperation")
    assert (await ended(call, world, waiting))["output"]["task_status"] == "CANCELED"
    assert (await ended(call, world, done))["output"]["task_status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("fault", "code"),
    [({}, "InternalError.Algo"), ({"code": "moderation_blocked"}, "DataInspectionFailed")],
)
async def test_a_failed_task_has_a_code_under_http_200(
    start: Start, call: Call, fault: dict[str, object], code: str
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, message="engine died", **fault)

    done = await ended(call, world, await created(call, world))

    assert (done["output"]["code"], done["output"]["message"]) == (code, "engine died")
    assert "usage" not in done


async def test_pictures_are_read_in_the_form_of_each_generation(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    media = [{"type": "first_frame", "url": PICTURE}, {"type": "last_frame", "url": PICTURE}]

    await created(call, world, BOAT | {"input": {"prompt": "a boat", "media": media}})
    old = {"prompt": "a boat", "img_url": PICTURE}
    await created(call, world, BOAT | {"model": "wan2.6-i2v", "input": old})

    roles = [[each.role for each in job.reading.inputs] for job in world.jobs.values()]
    assert roles == [["first_frame", "last_frame"], ["first_frame"]]
    assert {job.reading.aspect for job in world.jobs.values()} == {"input"}


async def test_a_reseller_answers_polls_in_words_of_its_own(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    at = {"upstream": "dashscope-resold", "key": "sim-wan-key-of-a-reseller"}
    body = BOAT | {"model": "happyhorse-1.1-t2v"}

    _, answer = await call(world, "POST", f"/wan/api/v1{CREATE}", body, **at)
    path = f"/v1/tasks/{answer['output']['task_id']}"
    words = []
    while (task := (await call(world, "GET", path, **at))[1])["status"] != "completed":
        words.append(task["status"])
    unknown, _ = await call(world, "GET", "/v1/tasks/nothing", **at)
    unlisted, _ = await call(world, "GET", "/v1/tasks", **at)

    assert set(words) <= {"submitted", "in_progress"}
    assert task["result_url"].startswith(world.base_url)
    assert (unknown, unlisted) == (404, 404)


@pytest.fixture
async def sdk() -> AsyncIterator[Callable[[Simulation], Any]]:
    clients = []

    def client(world: Simulation) -> Any:  # it has no types
        url = world.base_urls["dashscope"]
        clients.append(AsyncClient(api_key="sim-dashscope-key", base_url=url, max_retries=0))
        return clients[-1]

    yield client
    for each in clients:
        await each.aclose()


async def test_the_makers_sdk_makes_lists_and_cancels(
    start: Start, sdk: Callable[[Simulation], Any]
) -> None:
    world = await start(SCENARIO)
    jobs = sdk(world).videos.jobs

    job = await jobs.create(
        model="wan3.0-video", prompt="a boat", resolution="480P", ratio="16:9", duration=5, seed=7
    )
    while (found := await jobs.fetch(job.task_id)).status != "SUCCEEDED":
        assert found.status in {"PENDING", "RUNNING"}
    strike(world, kind="slow", factor=1000)
    waiting = await jobs.create(model="wan3.0-video", prompt="another boat")
    await jobs.cancel(waiting.task_id)

    assert found.video_url.startswith(world.base_url)
    assert [each.reading.seed for each in world.jobs.values()] == [7, None]
    assert (await jobs.fetch(waiting.task_id)).status == "CANCELED"
    assert (await jobs.list(page_size=10)).total == 2
