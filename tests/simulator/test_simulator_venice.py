"""Venice's queue: the film is the answer, and a careless client loses it."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, str, bytes]]]
SCENARIO = scenario_of("venice")
MODEL, OTHER = "seedance-2-0-text-to-video-basic", "veo3-fast-text-to-video"
BOAT = {"model": MODEL, "prompt": "a boat"}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Post to a path; return the status, the media type and the body."""

    async def call(world: Simulation, path: str, body: object) -> tuple[int, str, bytes]:
        headers = {"authorization": "Bearer sim-venice-key-of-an-account"}
        url = world.base_urls["venice"] + path
        async with http.post(url, json=body, headers=headers) as response:
            return response.status, response.content_type, await response.read()

    return call


async def finished(call: Call, world: Simulation) -> str:
    """Return the id of a job that has ended."""
    await call(world, "/video/queue", BOAT)
    (job,) = world.jobs
    while not world.jobs[job].progress_at(world.second()).status.is_final:
        await call(world, "/models", {})
    return job


async def test_the_answer_of_a_finished_job_is_the_film(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=1000)
    job = await finished(call, world)
    asked = {"model": MODEL, "queue_id": job}

    first = await call(world, "/video/retrieve", asked)
    second = await call(world, "/video/retrieve", asked)

    assert first == second
    assert (first[0], first[1], first[2][4:8]) == (200, "video/mp4", b"ftyp")


async def test_another_model_does_not_know_the_job(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=1000)
    job = await finished(call, world)

    status, _, _ = await call(world, "/video/retrieve", {"model": OTHER, "queue_id": job})

    assert status == 404


@pytest.mark.parametrize("path", ["/video/retrieve", "/video/complete"])
async def test_what_was_deleted_is_gone(start: Start, call: Call, path: str) -> None:
    world = await start(SCENARIO, speed=1000)
    job = await finished(call, world)
    asked = {"model": MODEL, "queue_id": job}

    await call(world, path, {**asked, "delete_media_on_completion": True})

    assert (await call(world, "/video/retrieve", asked))[0] == 404


async def test_a_quote_is_the_price_and_makes_nothing(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    asked = {"model": MODEL, "duration": "10s", "resolution": "720p", "audio": True}

    good = await call(world, "/video/quote", asked)
    bad, _, body = await call(world, "/video/quote", {**asked, "duration": "7s"})

    assert good[::2] == (200, b'{"quote":1.9}')
    assert bad == 400
    assert b'"duration"' in body
    assert not world.jobs


async def test_a_failure_says_whether_its_credits_came_back(start: Start, call: Call) -> None:
    world = await start(SCENARIO, speed=1000)
    world.override_faults("seedance-on-venice", (FAULT_ADAPTER.validate_python({"kind": "fail"}),))
    job = await finished(call, world)

    status, _, body = await call(world, "/video/retrieve", {"model": MODEL, "queue_id": job})

    assert status == 500
    assert b'"credits_refunded":true' in body


async def test_an_unknown_field_is_refused(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, _, body = await call(world, "/video/queue", {**BOAT, "seconds": 5})

    assert (status, b'"seconds"' in body) == (400, True)
