"""Azure's images: a header of its own, deployments, and a cause one level down."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tallylight.model.order import Order
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("openai_images")
AZURE, SERVICE = "azure-images", "gpt-image-on-azure"
OLDER = "/deployments/our-gpt-image-2/images/generations"
BOAT = {"prompt": "a boat"}


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        signed = {"api-key": "sim-azure-images-key"} if headers is None else headers
        method = "GET" if body is None else "POST"
        url = world.base_urls[AZURE] + path
        async with http.request(method, url, json=body, headers=signed) as response:
            return response.status, await response.json()

    return call


async def test_the_key_is_in_a_header_of_its_own(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    bearer = {"authorization": "Bearer sim-azure-images-key"}

    refused, error = await call(world, "/images/generations", BOAT, bearer)
    made, _ = await call(world, "/images/generations", BOAT)

    assert (refused, error["error"]["code"]) == (401, "401")
    assert made == 200


async def test_an_older_path_names_the_deployment_and_needs_a_version(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)

    without, _ = await call(world, OLDER, BOAT)
    other, error = await call(
        world, "/deployments/none/images/generations?api-version=2025-04-01-preview", BOAT
    )
    made, _ = await call(world, f"{OLDER}?api-version=2025-04-01-preview", BOAT)

    assert (without, other, made) == (404, 404, 200)
    assert error["error"]["code"] == "DeploymentNotFound"
    assert [job.reading.model for job in world.jobs.values()] == ["our-gpt-image-2"]


async def test_the_cause_of_a_filtered_picture_is_one_level_down(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    status, error = await call(world, "/images/generations", {"prompt": "gore"})

    assert (status, error["error"]["code"]) == (400, "contentFilter")
    assert error["error"]["inner_error"]["code"] == "ResponsibleAIPolicyViolation"


async def test_our_create_by_an_older_path_is_read_alike(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    definition = PROTOCOLS["openai_images"]
    options = definition.options.model_validate({"api_version": "2025-04-01-preview"})
    adapter = definition.make(Site(world.base_urls[AZURE], "azure", options))
    request = adapter.submit(Order("our-gpt-image-2", "a boat"), "vid_1.1_a")
    url = world.base_urls[AZURE] + request.url

    async with http.post(
        url, json=json.loads(request.json), headers={"api-key": "sim-azure-images-key"}
    ) as response:
        assert response.status == 200

    (job,) = world.jobs.values()
    assert (job.prompt, job.reading.model) == ("a boat", "our-gpt-image-2")


async def test_a_deployment_that_is_too_fresh_is_a_plain_refusal(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    world.override_faults(SERVICE, (FAULT_ADAPTER.validate_python({"kind": "retire"}),))

    status, error = await call(world, "/images/generations", BOAT)

    assert (status, error["error"]["code"]) == (404, "DeploymentNotFound")
    assert not world.jobs
