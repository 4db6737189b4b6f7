"""Kling's own API: two kinds of key, tasks by kind, and classes of failure by code."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest

from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("kling")
ACCESS, SECRET = "sim-kling-access", "sim-kling-secret-of-32-characters"
TEXT, IMAGE, OMNI = "/v1/videos/text2video", "/v1/videos/image2video", "/v1/videos/omni-video"
BOAT = {"model_name": "kling-v3", "prompt": "a boat"}
PICTURE = "https://x.test/1.png"


def now() -> int:
    return int(time.time())  # noqa: TID251  # the simulator's clock is the real one


def token(
    secret: str = SECRET, *, algorithm: str = "HS256", typ: str = "JWT", **claims: object
) -> str:
    signed = {"iss": ACCESS, "exp": now() + 1800, "nbf": now() - 5} | claims
    return jwt.encode(
        {name: value for name, value in signed.items() if value is not None},
        secret,
        algorithm=algorithm,
        headers={"typ": typ},
    )


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = "sim-kling-key",
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = world.base_urls["kling"] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("kling-3", (FAULT_ADAPTER.validate_python(fault),))


async def ended(call: Call, world: Simulation, path: str) -> dict[str, Any]:
    while True:
        _, document = await call(world, "GET", path)
        data = document["data"]
        assert isinstance(data, dict)
        if data["task_status"] in {"succeed", "failed"}:
            return data


async def test_a_task_is_submitted_and_succeeds(
    start: Start, call: Call, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)

    status, created = await call(world, "POST", TEXT, {**BOAT, "external_task_id": "mine-1"})
    done = await ended(call, world, f"{TEXT}/{created['data']['task_id']}")

    assert (status, created["code"], created["message"]) == (200, 0, "SUCCEED")
    assert created["data"]["task_status"] == "submitted"
    assert created["data"]["task_info"] == {"external_task_id": "mine-1"}
    assert done["task_status"] == "succeed"
    # 5 s without sound at 0.084 dollars, in units of 0.14
    assert done["final_unit_deduction"] == "3.00"
    (video,) = done["task_result"]["videos"]
    assert video["duration"] == "5"
    async with http.get(video["url"]) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_an_access_key_and_a_secret_key_sign_a_token(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, _ = await call(world, "POST", TEXT, BOAT, key=token())

    assert status == 200
    assert [job.key for job in world.jobs.values()] == [ACCESS]


@pytest.mark.parametrize(
    ("make_key", "code"),
    [
        (lambda: "", 1001),
        (lambda: "sk-wrong", 1002),
        (lambda: ACCESS, 1002),  # the access key alone is no key
        (lambda: token(typ="at+jwt"), 1002),
        (lambda: token(SECRET + SECRET, algorithm="HS512"), 1002),
        (lambda: token(iss="somebody"), 1002),
        (lambda: token(iss="sim-kling-key"), 1002),
        (lambda: token("another-secret-of-32-characters-x"), 1000),
        (lambda: token(nbf=now() + 3600), 1003),
        (lambda: token(exp=now() - 1), 1004),
        (lambda: token(exp=None), 1002),
        (lambda: token(nbf=None), 1002),
    ],
)
async def test_a_key_is_refused_with_the_code_of_its_fault(
    start: Start, call: Call, make_key: Callable[[], str], code: int
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", TEXT, BOAT, key=make_key())

    assert (status, refusal["code"]) == (401, code)
    assert world.jobs == {}


async def test_a_task_is_found_by_its_own_kind_and_account_alone(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, created = await call(world, "POST", TEXT, BOAT)
    task = created["data"]["task_id"]

    other_kind = await call(world, "GET", f"{IMAGE}/{task}")
    other_account = await call(world, "GET", f"{TEXT}/{task}", key=token())
    unknown = await call(world, "GET", f"{TEXT}/1")

    for status, refusal in (other_kind, other_account, unknown):
        assert (status, refusal["code"]) == (404, 1203)


async def test_an_external_id_is_unique_in_the_account(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    marked = {**BOAT, "external_task_id": "mine-1"}

    first, _ = await call(world, "POST", TEXT, marked)
    again, refusal = await call(world, "POST", TEXT, marked)
    other_account, _ = await call(world, "POST", TEXT, marked, key=token())

    assert (first, again, refusal["code"], other_account) == (200, 400, 1201, 200)
    assert len(world.jobs) == 2


async def test_a_create_without_an_answer_is_found_in_the_list_by_its_external_id(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="reset", accepts=True)
    with pytest.raises(aiohttp.ClientError):
        await call(world, "POST", TEXT, {**BOAT, "external_task_id": "lost"})
    world.override_faults("kling-3", ())
    for number in range(3):
        await call(world, "POST", TEXT, {**BOAT, "external_task_id": f"mine-{number}"})

    _, first = await call(world, "GET", f"{TEXT}?pageNum=1&pageSize=3")
    _, second = await call(world, "GET", f"{TEXT}?pageNum=2&pageSize=3")
    _, other = await call(world, "GET", IMAGE)

    def marks(page: dict[str, Any]) -> list[str]:
        return [task["task_info"]["external_task_id"] for task in page["data"]]

    assert marks(first) == ["mine-2", "mine-1", "mine-0"]
    assert marks(second) == ["lost"]
    assert other["data"] == []


@pytest.mark.parametrize("query", ["pageNum=0", "pageNum=1001", "pageSize=501", "pageSize=x"])
async def test_a_page_has_limits(start: Start, call: Call, query: str) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "GET", f"{TEXT}?{query}")

    assert (status, refusal["code"]) == (400, 1201)


@pytest.mark.parametrize(
    ("path", "fields", "status", "code"),
    [
        (TEXT, {"duration": 5}, 400, 1201),
        (TEXT, {"duration": "7"}, 400, 1201),
        (TEXT, {"mode": "ultra"}, 400, 1201),
        (TEXT, {"aspect_ratio": "4:3"}, 400, 1201),
        (TEXT, {"sound": True}, 400, 1201),
        (TEXT, {"prompt": "a" * 2501}, 400, 1201),
        (TEXT, {"prompt": ""}, 400, 1201),
        (TEXT, {"model_name": "kling-3.0"}, 404, 1203),
        (TEXT, {"model_name": "kling-v2-6", "sound": "off"}, 400, 1201),
        (TEXT, {"model_name": "kling-v2-6", "mode": "pro"}, 400, 1201),
        (TEXT, {"prompt": "gore"}, 400, 1301),
        (IMAGE, {}, 400, 1201),
        (IMAGE, {"image": "data:image/png;base64,UE5H"}, 400, 1201),
        ("/v1/videos/effects", {}, 404, 1202),
        ("/v1/images", {}, 404, 1202),
    ],
)
async def test_an_invalid_task_is_refused_with_a_code(  # noqa: PLR0913, PLR0917  # one row of a table
    start: Start, call: Call, path: str, fields: dict[str, object], status: int, code: int
) -> None:
    world = await start(SCENARIO)

    actual, refusal = await call(world, "POST", path, BOAT | fields)

    assert (actual, refusal["code"]) == (status, code)
    assert world.jobs == {}


async def test_a_model_that_is_not_granted_is_not_a_model_that_is_gone(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", TEXT, BOAT, key="sim-kling-narrow")

    assert (status, refusal["code"]) == (403, 1103)


async def read(call: Call, world: Simulation, path: str, body: object) -> dict[str, Any]:
    status, _ = await call(world, "POST", path, body)
    assert status == 200
    entries = world.ledger.as_json(world.second())["entries"]
    return {**entries[-1]["read"], "usd": entries[-1]["charged_usd"]}


async def test_mode_and_sound_are_what_is_billed(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    body = {
        **BOAT,
        "mode": "pro",
        "duration": "10",
        "aspect_ratio": "9:16",
        "sound": "on",
        "negative_prompt": "rain",
    }

    made = await read(call, world, TEXT, body)

    assert (made["resolution"], made["aspect"]) == ("1080p", "9:16")
    assert (made["width"], made["height"], made["seconds"]) == (1080, 1920, 10)
    assert (made["audio"], made["negative"]) == (True, "rain")
    assert made["usd"] == pytest.approx(1.68)


async def test_the_aspect_ratio_is_ignored_with_a_picture(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    body = {**BOAT, "image": PICTURE, "image_tail": "UE5H", "aspect_ratio": "9:16"}

    made = await read(call, world, IMAGE, body)

    assert made["aspect"] == "input"
    assert [(each["role"], each["source"]) for each in made["inputs"]] == [
        ("first_frame", PICTURE),
        ("last_frame", "3 bytes"),
    ]


async def test_references_are_read_by_kind(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    several = {"image_list": [{"image": PICTURE}, {"image": PICTURE}]}
    omni = {
        "image_list": [{"image_url": PICTURE, "type": "end_frame"}, {"image_url": PICTURE}],
        "video_list": [{"video_url": "https://x.test/1.mp4", "refer_type": "base"}],
    }

    multi_made = await read(call, world, "/v1/videos/multi-image2video", {**BOAT, **several})
    omni_made = await read(call, world, OMNI, {**BOAT, **omni})

    assert [each["role"] for each in multi_made["inputs"]] == ["reference", "reference"]
    assert [(each["role"], each["medium"]) for each in omni_made["inputs"]] == [
        ("last_frame", "image"),
        ("reference", "image"),
        ("source", "video"),
    ]


async def test_a_model_without_sound_has_no_switch(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    made = await read(call, world, TEXT, BOAT | {"model_name": "kling-v2-6"})

    assert made["audio"] is None


async def test_a_failed_task_names_its_reason_and_deducts_nothing(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, message="engine died")
    _, created = await call(world, "POST", TEXT, BOAT)

    done = await ended(call, world, f"{TEXT}/{created['data']['task_id']}")

    assert (done["task_status"], done["task_status_msg"]) == ("failed", "engine died")
    assert "final_unit_deduction" not in done
    assert world.ledger.as_json(world.second())["total"]["billed_usd"] == 0


@pytest.mark.parametrize(
    ("key", "status"), [("sim-kling-key", "online"), ("sim-kling-empty", "runOut")]
)
async def test_the_costs_tell_whether_the_pack_is_used_up(
    start: Start, call: Call, key: str, status: str
) -> None:
    world = await start(SCENARIO)
    path = "/account/costs?start_time=1790000000000&end_time=1790086400000"

    incomplete, _ = await call(world, "GET", "/account/costs", key=key)
    both = await asyncio.gather(*(call(world, "GET", path, key=key) for _ in range(2)))

    (_, costs), (too_soon, refusal) = sorted(both, key=lambda each: each[0])
    (pack,) = costs["data"]["resource_pack_subscribe_infos"]
    assert pack["status"] == status
    assert (incomplete, too_soon, refusal["code"]) == (400, 429, 1302)


@pytest.mark.parametrize(
    ("sign", "status", "code"),
    [
        ("risk_control", 400, 1300),
        ("suspended", 429, 1100),
        ("maintenance", 503, 5001),
        ("overloaded", 500, 5000),
        ("rate_limited", 429, 1302),
        ("quota", 429, 1102),
        ("auth", 401, 1000),
        ("content_rejected", 400, 1301),
    ],
)
async def test_every_state_has_klings_code(
    start: Start, call: Call, sign: str, status: int, code: int
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", TEXT, BOAT)

    assert (actual, refusal["code"]) == (status, code)


async def test_a_client_is_told_both_keys_of_an_account(start: Start) -> None:
    world = await start(SCENARIO)

    upstreams = client_catalogue(world.scenario, world.base_urls)["upstreams"]

    assert isinstance(upstreams, dict)
    assert upstreams["kling"]["options"]["access_key"] == ACCESS
    assert upstreams["kling"]["key"] == SECRET
