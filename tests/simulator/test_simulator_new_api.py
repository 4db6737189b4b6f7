"""Dialect `new_api`: two envelopes, masked 429s, no list, no delete."""

import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.protocols.measures import relay_measures
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, object]]]]
VEO = "veo-3.1-reverse"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call the relay; return the status and the JSON."""

    async def call(
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "sim-relay-b-key",
    ) -> tuple[int, dict[str, object]]:
        url = world.base_urls["relay-b"] + path
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with http.request(method, url, json=body, headers=headers) as response:
            document = await response.json()
            assert isinstance(document, dict)
            return response.status, document

    return call


async def wait_for_end(call: Call, world: Simulation, job: object) -> dict[str, object]:
    while True:
        _, document = await call(world, "GET", f"/videos/{job}")
        if document["status"] in {"completed", "failed"}:
            return document


async def test_a_task_has_two_ids_and_no_empty_members(start: Start, call: Call) -> None:
    world = await start()

    status, task = await call(world, "POST", "/videos", {"prompt": "a boat", "model": "veo-3.1"})

    assert status == 200
    assert task["id"] == task["task_id"]
    assert str(task["id"]).startswith("task_")
    assert "error" not in task
    assert "completed_at" not in task


async def test_a_completed_task_has_the_url_of_its_file(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start()
    _, task = await call(world, "POST", "/videos", {"prompt": "a boat", "seconds": 8})

    done = await wait_for_end(call, world, task["id"])

    assert done["progress"] == 100
    assert isinstance(done["metadata"], dict)
    async with http.get(done["metadata"]["url"]) as response:
        assert response.content_type == "video/mp4"
        assert (await response.read())[4:8] == b"ftyp"


async def test_progress_is_text_while_the_task_runs(start: Start, call: Call) -> None:
    world = await start(faults={VEO: [{"kind": "stall", "at": 30}]})
    _, task = await call(world, "POST", "/videos", {"prompt": "a boat"})

    document = task
    while document["progress"] != "30%":
        _, document = await call(world, "GET", f"/videos/{task['id']}")

    assert document["status"] == "in_progress"


async def test_the_older_route_returns_the_same_in_another_form(start: Start, call: Call) -> None:
    world = await start(faults={VEO: [{"kind": "fail", "after": 0, "message": "任务超时"}]})
    _, task = await call(world, "POST", "/video/generations", {"prompt": "a boat", "duration": 8})

    _, document = await call(world, "GET", f"/video/generations/{task['id']}")

    assert document["code"] == "success"
    assert document["data"] == {
        "task_id": task["id"],
        "status": "FAILURE",
        "progress": "100%",
        "fail_reason": "任务超时",
    }


@pytest.mark.parametrize(("method", "path"), [("GET", "/videos"), ("DELETE", "/videos/task_1")])
async def test_there_is_no_list_and_no_delete(
    start: Start, call: Call, method: str, path: str
) -> None:
    world = await start()

    status, refusal = await call(world, method, path)

    assert status in {404, 405}
    assert refusal["error"] == {
        "message": f"Invalid URL ({method} /v1{path})",
        "type": "invalid_request_error",
        "code": "",
    }


async def test_an_unknown_task_is_a_400_of_the_relay(start: Start, call: Call) -> None:
    world = await start()

    result = await call(world, "GET", "/videos/task_none")

    expected = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
    assert result == (400, expected)


async def test_an_unknown_model_is_a_503_of_the_distributor(start: Start, call: Call) -> None:
    world = await start()

    status, refusal = await call(world, "POST", "/videos", {"prompt": "a", "model": "sora-2"})

    assert status == 503
    assert isinstance(refusal["error"], dict)
    assert refusal["error"]["code"] == "model_not_found"
    assert "分组 default 下模型 sora-2 无可用渠道" in refusal["error"]["message"]


@pytest.mark.parametrize(
    ("key", "status", "text"),
    [
        ("", 401, "未提供令牌"),
        ("sk-wrong", 401, "无效的令牌"),
        ("sim-relay-b-old", 401, "该令牌已过期"),
        ("sim-relay-b-empty", 403, "用户额度不足"),
    ],
)
async def test_keys_are_refused_in_the_relays_text(
    start: Start, call: Call, key: str, status: int, text: str
) -> None:
    world = await start()

    actual_status, refusal = await call(world, "POST", "/videos", {"prompt": "a boat"}, key=key)

    assert actual_status == status
    assert text in str(refusal["error"])


async def test_an_upstreams_refusal_is_nested_as_text(start: Start, call: Call) -> None:
    world = await start()

    status, refusal = await call(world, "POST", "/videos", {"prompt": "a", "seconds": "99"})

    assert (status, refusal["code"]) == (400, "fail_to_fetch_task")
    nested = json.loads(str(refusal["message"]))
    assert nested["error"]["code"] == "invalid_value"


async def test_the_message_of_every_429_is_masked_and_its_code_kept(
    start: Start, call: Call
) -> None:
    broke = {"message": "Your balance is empty", "type": "insufficient_quota", "code": "broke"}
    refusal = {"kind": "refuse", "http_status": 429, "body": {"error": broke}}
    world = await start(faults={VEO: [refusal]})

    status, document = await call(world, "POST", "/videos", {"prompt": "a boat"})

    assert status == 429
    assert document["error"] == broke | {"message": "当前分组上游负载已饱和，请稍后再试"}


@pytest.mark.parametrize(
    ("sign", "status", "text"),
    [
        ("suspended", 503, "temporarily paused"),
        ("risk_control", 403, "sentinel_block"),
        ("maintenance", 503, "维护"),
        ("overloaded", 500, "do_request_failed"),
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("quota", 403, "insufficient_user_quota"),
        ("auth", 401, "该令牌已过期"),
        ("content_rejected", 500, "sensitive_words_detected"),
    ],
)
async def test_states_have_the_relays_own_forms(
    start: Start, call: Call, sign: str, status: int, text: str
) -> None:
    world = await start(faults={VEO: [{"kind": "refuse", "sign": sign}]})

    actual_status, refusal = await call(world, "POST", "/videos", {"prompt": "a boat"})

    assert actual_status == status
    assert text in json.dumps(refusal, ensure_ascii=False)
    assert world.ledger.entries == ()


async def test_content_of_a_running_task_is_a_400(start: Start, call: Call) -> None:
    world = await start(faults={VEO: [{"kind": "stall"}]})
    _, task = await call(world, "POST", "/videos", {"prompt": "a boat"})

    status, refusal = await call(world, "GET", f"/videos/{task['id']}/content")

    assert status == 400
    assert "Task is not completed yet, current status:" in str(refusal["error"])


async def test_prompts_with_blocked_words_are_refused_without_charge(
    start: Start, call: Call
) -> None:
    world = await start()

    status, refusal = await call(world, "POST", "/videos", {"prompt": "gore"})

    assert status == 500
    assert "sensitive_words_detected" in str(refusal["error"])
    assert world.ledger.entries == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"seconds": "4", "duration": 8},
        {"seconds": "4", "Duration": "8s"},
        {"seconds": "4", "metadata": {"duration": 8}},
        {"duration": 4, "metadata": '{"parameters": {"duration": 8}}'},
        {"seconds": "4", "prompt": "a boat --dur 8"},
    ],
)
def test_a_relay_makes_the_length_that_its_channels_read(fields: dict[str, object]) -> None:
    assert relay_measures(RequestFields(fields, is_form=False)).fields.values["seconds"] == "8"


async def test_a_relay_bills_each_of_several_videos(start: Start, call: Call) -> None:
    world = await start()

    for more in ({}, {"n": 2}):
        await call(world, "POST", "/videos", {"prompt": "a boat", "model": "veo-3.1", **more})

    one, two = world.ledger.entries
    assert two.price == 2 * one.price > 0
