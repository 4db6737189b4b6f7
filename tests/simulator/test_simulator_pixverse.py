"""PixVerse's API: codes under HTTP 200, a trace for each request, and pictures by their numbers."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[dict[str, Any]]]
SCENARIO = scenario_of("pixverse")
KEY = "sim-pixverse-key-of-an-account"
BOAT = {"model": "v6", "prompt": "a boat"}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the JSON, which is always under HTTP 200."""

    async def call(
        world: Simulation, path: str, body: object = None, *, trace: str = "", form: object = None
    ) -> dict[str, Any]:
        headers = {"API-KEY": KEY, "Ai-trace-id": trace or str(uuid4())}
        method = "GET" if body is None and form is None else "POST"
        url = world.base_urls["pixverse"] + path
        async with http.request(method, url, json=body, data=form, headers=headers) as response:
            assert response.status == 200
            return dict(await response.json())

    return call


def a_picture(media_type: str = "image/png") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("image", b"PNG", filename="boat", content_type=media_type)
    return form


async def result(call: Call, world: Simulation, video: object) -> dict[str, Any]:
    """Return a video at its end."""
    while True:
        found = dict((await call(world, f"/video/result/{video}"))["Resp"])
        if found["status"] not in {5, 9}:
            return found


async def test_a_trace_is_a_uuid_that_was_never_used(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    trace = str(uuid4())

    codes = [
        (await call(world, "/account/balance", trace=each))["ErrCode"]
        for each in (trace, trace, "boat")
    ]

    assert codes == [0, 400017, 400017]


async def test_a_picture_is_uploaded_and_named_by_its_number(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    uploaded = await call(world, "/image/upload", form=a_picture())
    number = uploaded["Resp"]["img_id"]
    made = await call(world, "/video/img/generate", {**BOAT, "img_id": number})
    unknown = await call(world, "/video/img/generate", {**BOAT, "img_id": 7})

    assert (made["ErrCode"], unknown["ErrCode"]) == (0, 400032)
    (job,) = world.jobs.values()
    assert [(each.role, each.source) for each in job.reading.inputs] == [
        ("first_frame", "image/png, 3 bytes")
    ]


async def test_a_file_that_is_no_picture_is_refused(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    refused = await call(world, "/image/upload", form=a_picture("text/plain"))

    assert refused["ErrCode"] == 500032


async def test_a_create_tells_its_price_and_a_result_its_state(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=1000)

    created = await call(world, "/video/text/generate", {**BOAT, "quality": "720p"})
    done = await result(call, world, created["Resp"]["video_id"])

    assert created["Resp"]["credits"] == 45
    assert (done["status"], done["outputWidth"], done["credits"]) == (1, 1280, 45)
    assert done["url"].startswith("http")


@pytest.mark.parametrize(
    ("prompt", "fault", "status"), [("gore", {}, 7), ("a", {"kind": "fail"}, 8)]
)
async def test_a_failure_is_a_number(
    start: Start, call: Call, prompt: str, fault: dict[str, object], status: int
) -> None:
    world = await start(SCENARIO, speed=1000)
    if fault:
        world.override_faults("pixverse-v6", (FAULT_ADAPTER.validate_python(fault),))

    created = await call(world, "/video/text/generate", {**BOAT, "prompt": prompt})
    failed = await result(call, world, created["Resp"]["video_id"])

    assert (failed["status"], failed["url"], failed["credits"]) == (status, "", 0)
