"""Runway: a version in each request, a schema for each model, and a DELETE that destroys."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from runwayml import AsyncRunwayML, BadRequestError, NotFoundError

from tallylight.model.frames import Frame
from tallylight.model.order import Input, Order, Role
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, Any]]]
SCENARIO = scenario_of("runway")
KEY, EMPTY = "key_sim_runway", "key_sim_runway_empty"
TEXT, IMAGE, VIDEO = "/v1/text_to_video", "/v1/image_to_video", "/v1/video_to_video"
BOAT = {"model": "kling_4", "promptText": "a boat"}
HAILUO = {"model": "hailuo3", "promptText": "a boat"}
VEO = {"model": "veo3.1", "promptText": "a boat", "ratio": "1280:720"}
PICTURE, FILM = "https://x.test/1.png", "https://x.test/1.mp4"


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON, None for an empty body."""

    async def call(  # noqa: PLR0913, PLR0917  # what is asked, and as whom
        world: Simulation,
        method: str,
        path: str,
        body: object = None,
        key: str = KEY,
        version: str = "2024-11-06",
    ) -> tuple[int, Any]:
        headers = {"x-runway-version": version} if version else {}
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        url = world.base_urls["runway"] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json() if await response.read() else None

    return call


def strike(world: Simulation, service: str = "kling-4-on-runway", **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


def sdk(world: Simulation, key: str = KEY) -> AsyncRunwayML:
    return AsyncRunwayML(api_key=key, base_url=world.base_urls["runway"], max_retries=0)


async def ended(call: Call, world: Simulation, task: str) -> Any:
    while True:
        _, document = await call(world, "GET", f"/v1/tasks/{task}")
        if document["status"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            return document


async def test_the_makers_sdk_makes_a_film_and_is_read_like_us(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    order = Order(
        "veo3.1",
        "a boat",
        seconds=6,
        frame=Frame("1080p", "16:9", 1920, 1080),
        audio=False,
        negative="rain",
        seed=7,
        inputs=(Input(url=PICTURE), Input(url=PICTURE, role=Role.LAST_FRAME)),
    )

    async with sdk(world) as client:
        created = await client.image_to_video.create(
            model="veo3.1",
            prompt_text="a boat",
            prompt_image=[
                {"uri": PICTURE, "position": "first"},
                {"uri": PICTURE, "position": "last"},
            ],
            ratio="1920:1080",
            duration=6,
            audio=False,
            negative_prompt="rain",
            seed=7,
        )
        task = await client.tasks.retrieve(created.id)
        while task.status not in {"SUCCEEDED", "FAILED"}:
            task = await client.tasks.retrieve(created.id)
        organization = await client.organization.retrieve()
    adapter = PROTOCOLS["runway"].make(Site(world.base_urls["runway"], "runway"))
    request = adapter.submit(order, "")
    headers = {**request.headers, "authorization": f"Bearer {KEY}"}
    url = world.base_urls["runway"] + request.url
    async with http.post(url, data=request.json, headers=headers) as response:
        assert response.status == 200

    theirs, ours = world.jobs.values()
    assert theirs.reading == ours.reading
    assert task.status == "SUCCEEDED"
    assert task.cost.credits == 120  # 6 s without sound at 0.20 dollars
    assert set(organization.tier.models) == {"kling_4", "hailuo3", "veo3.1", "gen4_turbo"}
    async with http.get(task.output[0]) as response:
        assert (await response.read())[4:8] == b"ftyp"


async def test_the_makers_sdk_cancels_a_task_and_destroys_a_finished_one(start: Start) -> None:
    world = await start(SCENARIO)
    strike(world, kind="slow", factor=1000)

    async with sdk(world) as client:
        running = await client.text_to_video.create(model="kling_4", prompt_text="a boat")
        await client.tasks.delete(running.id)
        cancelled = await client.tasks.retrieve(running.id)
        world.restore_script("kling-4-on-runway")
        finished = await client.text_to_video.create(model="kling_4", prompt_text="a boat")
        while (await client.tasks.retrieve(finished.id)).status != "SUCCEEDED":
            pass
        await client.tasks.delete(finished.id)
        with pytest.raises(NotFoundError):
            await client.tasks.retrieve(finished.id)

    assert cancelled.status == "CANCELLED"
    assert cancelled.cost.credits == 0


async def test_no_credit_is_400(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    async with sdk(world, EMPTY) as client:
        with pytest.raises(BadRequestError, match="not have enough credits"):
            await client.text_to_video.create(model="kling_4", prompt_text="a boat")
    _, organization = await call(world, "GET", "/v1/organization", key=EMPTY)

    assert organization["creditBalance"] == 0
    assert world.jobs == {}


@pytest.mark.parametrize("version", ["", "2020-01-01"])
async def test_a_request_without_the_version_is_refused(
    start: Start, call: Call, version: str
) -> None:
    world = await start(SCENARIO)

    for method, path in (("POST", TEXT), ("GET", "/v1/organization"), ("GET", "/v1/tasks/1")):
        status, refusal = await call(world, method, path, BOAT, version=version)
        assert status == 400
        assert "X-Runway-Version" in refusal["error"]


async def test_a_task_that_waits_for_the_account_is_throttled(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="slow", factor=1000)
    strike(world, "hailuo-3-on-runway", kind="slow", factor=1000)

    body = HAILUO | {"resolution": "2k", "ratio": "16:9"}
    _, throttled = await call(world, "POST", TEXT, body)
    _, pending = await call(world, "POST", TEXT, BOAT)

    assert throttled["estimatedCost"] == {"credits": 75.0}
    for task, status in ((throttled, "THROTTLED"), (pending, "PENDING")):
        _, found = await call(world, "GET", f"/v1/tasks/{task['id']}")
        assert found["status"] == status


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({}, "INTERNAL.BAD_OUTPUT.CODE01"),
        ({"code": "THIRD_PARTY.UNAVAILABLE"}, "THIRD_PARTY.UNAVAILABLE"),
        ({"code": "moderation_blocked"}, "SAFETY.INPUT.TEXT"),
    ],
)
async def test_a_failed_task_has_a_code_and_its_cost(
    start: Start, call: Call, fault: dict[str, object], code: str
) -> None:
    world = await start(SCENARIO)
    failing = {"kind": "fail", "after": 0, "message": "engine died"} | fault
    world.override_faults("kling-4-on-runway", (FAULT_ADAPTER.validate_python(failing),))
    _, created = await call(world, "POST", TEXT, BOAT)

    done = await ended(call, world, created["id"])

    assert (done["status"], done["failureCode"]) == ("FAILED", code)
    assert (done["failure"], done["cost"]) == ("engine died", {"credits": 0.0})


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (TEXT, {**BOAT, "model": "gen3a_turbo"}, "model"),
        (TEXT, {**BOAT, "model": "gen4_turbo"}, "model"),
        (VIDEO, {**VEO, "videoUri": FILM}, "model"),
        (TEXT, {**BOAT, "promptText": ""}, "promptText"),
        (TEXT, {**BOAT, "promptText": "😀" * 501}, "promptText"),
        (TEXT, {**BOAT, "duration": 7}, "duration"),
        (TEXT, {**BOAT, "duration": "5"}, "duration"),
        (TEXT, {**BOAT, "ratio": "16:9"}, "ratio"),
        (TEXT, {**BOAT, "ratio": "auto_720p"}, "ratio"),
        (TEXT, {**BOAT, "resolution": "720p"}, "resolution"),
        (TEXT, {**BOAT, "audio": True}, "audio"),
        (TEXT, {**BOAT, "promptImage": PICTURE}, "promptImage"),
        (TEXT, {**HAILUO, "resolution": "1080p"}, "resolution"),
        (TEXT, {**HAILUO, "ratio": "1280:720"}, "ratio"),
        (IMAGE, BOAT, "promptImage"),
        (IMAGE, {**BOAT, "promptImage": [{"uri": PICTURE, "position": "middle"}]}, "position"),
        (VIDEO, BOAT, "videoUri"),
    ],
)
async def test_what_the_schema_of_a_model_has_not_is_an_issue(
    start: Start, call: Call, path: str, body: dict[str, object], place: str
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", path, body)

    assert (status, refusal["issues"][0]["path"]) == (400, [place])
    assert world.jobs == {}


async def test_inputs_and_frames_are_read_by_path_and_model(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    for path, body in (
        (IMAGE, {**BOAT, "promptImage": PICTURE, "ratio": "auto_1080p"}),
        (IMAGE, {**HAILUO, "promptImage": PICTURE, "resolution": "2K", "ratio": "adaptive"}),
        (VIDEO, {**BOAT, "videoUri": "data:video/mp4;base64,bXA0"}),
        (TEXT, {**BOAT, "references": [{"uri": PICTURE}]}),
    ):
        status, refusal = await call(world, "POST", path, body)
        assert status == 200, refusal

    kling, hailuo, edit, referred = (job.reading for job in world.jobs.values())
    assert (kling.resolution, kling.aspect) == ("1080p", "input")
    assert (hailuo.resolution, hailuo.aspect) == ("2k", "input")
    assert [(each.role, each.source) for each in edit.inputs] == [("source", "video/mp4, 3 bytes")]
    assert [each.role for each in referred.inputs] == ["reference"]


@pytest.mark.parametrize(
    ("sign", "status"),
    [
        ("risk_control", 403),
        ("suspended", 503),
        ("maintenance", 503),
        ("overloaded", 503),
        ("rate_limited", 429),
        ("quota", 400),
        ("auth", 401),
        ("content_rejected", 400),
    ],
)
async def test_every_state_has_its_status_and_a_text(
    start: Start, call: Call, sign: str, status: int
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)

    actual, refusal = await call(world, "POST", TEXT, BOAT)

    assert actual == status
    assert isinstance(refusal["error"], str)
