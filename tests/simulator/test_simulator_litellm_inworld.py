"""Dialects `litellm` and `inworld`: what the contract of all protocols does not ask of them."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, Any]]]
SCENARIO = scenario_of("openai_videos")
PROXY, INWORLD = "litellm", "inworld"
SIGNED = {PROXY: "Bearer sim-litellm-key", INWORLD: "Basic sim-inworld-key"}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(  # noqa: PLR0913  # a request
        world: Simulation,
        upstream: str,
        path: str,
        body: object = None,
        *,
        method: str = "",
        signed: str = "",
    ) -> tuple[int, Any]:
        headers = {"authorization": signed or SIGNED[upstream]}
        url = world.base_urls[upstream] + path
        method = method or ("GET" if body is None else "POST")
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


async def ended(call: Call, world: Simulation, upstream: str, job: str) -> dict[str, Any]:
    """Return a job as the upstream describes it at its end."""
    while True:
        _, found = await call(world, upstream, f"/videos/{job}")
        if found["status"] in {"completed", "failed", "cancelled"}:
            return dict(found)


def strike(world: Simulation, service: str, **fault: object) -> None:
    world.override_faults(service, (FAULT_ADAPTER.validate_python(fault),))


async def test_an_id_of_the_proxy_holds_the_way_to_the_supplier(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, job = await call(world, PROXY, "/videos", {"prompt": "a boat"})

    way = base64.b64decode(job["id"].removeprefix("video_")).decode()
    assert way.startswith("litellm:custom_llm_provider:gemini;model_id:")
    assert "prompt" not in job


async def test_the_proxy_says_processing_and_completes_what_has_failed(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    strike(world, "veo-on-litellm", kind="stall")
    _, stalled = await call(world, PROXY, "/videos", {"prompt": "a boat"})
    strike(world, "veo-on-litellm", kind="fail", code="internal", message="it broke")
    _, failing = await call(world, PROXY, "/videos", {"prompt": "a boat"})

    _, running = await call(world, PROXY, f"/videos/{stalled['id']}")
    failed = await ended(call, world, PROXY, failing["id"])
    status, error = await call(world, PROXY, f"/videos/{failing['id']}/content")

    assert running["status"] in {"queued", "processing"}
    assert (failed["status"], failed["error"]["message"]) == ("completed", "it broke")
    assert status == 404
    assert error["error"]["code"] == "404"


@pytest.mark.parametrize(("method", "path"), [("GET", "/videos"), ("DELETE", "/videos/a")])
async def test_the_proxy_has_no_list_and_no_delete(
    start: Start, call: Call, method: str, path: str
) -> None:
    world = await start(SCENARIO)

    status, _ = await call(world, PROXY, path, method=method)

    assert status in {404, 405}


async def test_inworld_takes_its_own_scheme_and_no_picture(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    picture = {"prompt": "a boat", "input_reference": "https://pictures.test/a.png"}

    bearer, _ = await call(
        world, INWORLD, "/videos", {"prompt": "a"}, signed="Bearer sim-inworld-key"
    )
    refused, error = await call(world, INWORLD, "/videos", picture)

    assert (bearer, refused) == (401, 400)
    assert error["error"]["param"] == "input_reference"
    assert not world.jobs


async def test_inworld_cancels_a_queued_job_and_no_other(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, "film-at-inworld", kind="slow", factor=5000)
    _, queued = await call(world, INWORLD, "/videos", {"prompt": "a"})
    world.restore_script("film-at-inworld")
    _, made = await call(world, INWORLD, "/videos", {"prompt": "b"})
    await ended(call, world, INWORLD, made["id"])

    first = await call(world, INWORLD, f"/videos/{queued['id']}/cancel", {})
    second = await call(world, INWORLD, f"/videos/{made['id']}/cancel", {})

    assert (first[0], first[1]["status"]) == (200, "cancelled")
    assert (second[0], second[1]["error"]["code"]) == (409, "video_not_cancellable")
    assert world.jobs[queued["id"]].billed_usd(world.second()) == 0


async def test_inworld_lists_jobs_without_links(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    _, job = await call(world, INWORLD, "/videos", {"prompt": "a boat"})
    done = await ended(call, world, INWORLD, job["id"])

    _, listed = await call(world, INWORLD, "/videos")

    assert done["output"]["videos"][0]["url"].startswith("http")
    assert [(each["id"], "output" in each) for each in listed["data"]] == [(job["id"], False)]
