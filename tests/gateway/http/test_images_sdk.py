"""The official Python SDK, unchanged, makes and edits images through the gateway."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tallylight.app.serving import RunningServer, running_server
from tallylight.clock import SystemClock
from tallylight.config.settings import load_configuration
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEED = 50.0  # scenario seconds per real second
PNG = b"\x89PNG\r\n\x1a\n"
MODEL = "gpt-image-2"
SCENARIO = """
title: Two that sell the same images, and one that sells films
start: 2026-01-28T09:00:00Z
upstreams:
  first: {provider: one, protocol: openai_images, dialect: openai, keys: [sk-first]}
  second: {provider: two, protocol: openai_images, dialect: relay, keys: [sk-second]}
  films: {provider: three, protocol: openai_videos, dialect: openai, keys: [sk-films]}
services:
  a: &service
    name: A
    upstream: first
    model: gpt-image-2
    medium: image
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    sizes: [1024x1024, 1536x1024]
    blocked_words: [forbidden]
  b: {<<: *service, name: B, upstream: second, price: {unit: per_call, rates: {"*": 0.20}}}
  film:
    name: Film
    upstream: films
    model: sora-2
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    lengths: [4]
    sizes: [1280x720]
catalogue:
  services:
    a: &made
      sizes: null
      modes:
        - inputs: [[], ["reference<=16"], ["reference<=16", mask]]
          frames: {1024p: {1:1: 1024x1024, 3:2: 1536x1024}}
          quality: [low, high]
          count: 1-10
      price: {per_million_tokens: 30, tokens: 4160, quality_tokens: {low: 272, high: 4160}}
    b: *made
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[Simulation]:
    scenario = parse_scenario(SCENARIO, "images.yaml")
    async with serve_simulation(scenario, speed=SPEED) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    world: Simulation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningServer]:
    folder = tmp_path_factory.mktemp("images")
    document = client_catalogue(world.scenario, world.base_urls, today=SystemClock().now().date())
    document["probes"] = {"reach": "off", "credentials": "off", "generation": "off"}
    document["database"] = {"url": f"sqlite:///{folder / 'gateway.db'}"}
    document["status"] = {"listen": "127.0.0.1:0"}
    services = {"services": ["a", "b"], "explicit": True}
    document["routes"] = {MODEL: services, "films": {"services": ["film"]}}
    path = folder / "tallylight.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    async with running_server(load_configuration(path, {}), SystemClock()) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(served: RunningServer) -> str:
    _, key = await served.runtime.gateway_wiring.keys.create("test")
    return key


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(served: RunningServer, key: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.address}/v1", api_key=key) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def http(served: RunningServer, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(served.address, headers=headers) as http:
        yield http


@pytest.fixture(autouse=True)
def _calm(world: Simulation) -> None:
    for name in ("a", "b"):
        strike(world, name)


def strike(world: Simulation, name: str, **fault: object) -> None:
    """Replace the faults of a service."""
    world.override_faults(name, (FAULT_ADAPTER.validate_python(fault),) if fault else ())


def creates(world: Simulation) -> tuple[int, int]:
    """Return how many creates both services have received."""
    return world.requests["a", "create"], world.requests["b", "create"]


async def test_images_are_generated(sdk: AsyncOpenAI) -> None:
    answer = await sdk.images.with_raw_response.generate(
        model=MODEL,
        prompt="two boats",
        n=2,
        size="1536x1024",
        quality="low",
        background="opaque",
        user="u1",
    )
    made = answer.parse()

    assert made.data is not None
    images = [base64.b64decode(each.b64_json or "") for each in made.data]
    assert [image[:8] for image in images] == [PNG, PNG]
    assert (made.quality, made.size, made.output_format) == ("low", "1536x1024", "png")
    assert made.created > 1_700_000_000
    headers = answer.headers
    assert headers["x-tallylight-video"].startswith("image_")
    assert headers["x-tallylight-service"] == "a"
    # Two images of 408 tokens each, as the service told, at $30 a million.
    assert headers["x-tallylight-cost"] == "0.02448"
    assert headers["x-request-id"]


async def test_what_is_left_out_is_chosen_and_the_cheapest(sdk: AsyncOpenAI) -> None:
    made = await sdk.images.generate(model=MODEL, prompt="auto", size="auto", quality="auto")

    assert (made.quality, made.size) == ("low", "1024x1024")


async def test_images_are_edited(world: Simulation, sdk: AsyncOpenAI) -> None:
    picture, other = ("a.png", PNG + b"a", "image/png"), ("b.png", PNG + b"b", "image/png")

    one = await sdk.images.edit(model=MODEL, prompt="edit one", image=picture, mask=other)
    two = await sdk.images.edit(model=MODEL, prompt="edit two", image=[picture, other])

    assert one.data is not None
    assert two.data is not None
    read = {job.reading.prompt: job.reading.inputs for job in world.jobs.values()}
    assert [each.role for each in read["edit one"]] == ["reference", "mask"]
    assert [each.role for each in read["edit two"]] == ["reference", "reference"]


async def test_an_edit_may_be_json(http: aiohttp.ClientSession) -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    body = {"model": MODEL, "prompt": "json", "images": [{"image_url": url}], "mask": url}

    async with http.post("/v1/images/edits", json=body) as response:
        answer = await response.json()

    assert response.status == 200
    assert base64.b64decode(answer["data"][0]["b64_json"]).startswith(PNG)


async def test_a_repeat_of_the_sdk_joins_the_request(world: Simulation, sdk: AsyncOpenAI) -> None:
    strike(world, "a", kind="answer_late", after=40)  # 0.8 s
    before = creates(world)

    made = await sdk.with_options(timeout=0.5).images.generate(model=MODEL, prompt="late")

    assert made.data is not None
    assert creates(world) == (before[0] + 1, before[1])


async def test_an_unknown_outcome_is_told_and_not_repeated(
    world: Simulation, sdk: AsyncOpenAI
) -> None:
    strike(world, "a", kind="reset", accepts=True)
    before = creates(world)

    with pytest.raises(openai.InternalServerError) as error:
        await sdk.images.generate(model=MODEL, prompt="lost")

    assert (error.value.status_code, error.value.code) == (502, "outcome_unknown")
    assert creates(world) == (before[0] + 1, before[1])


async def test_rejected_content_is_a_bad_request(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        await sdk.images.generate(model=MODEL, prompt="a forbidden boat")

    assert error.value.code == "moderation_blocked"


async def test_a_service_that_is_overloaded_is_followed_by_the_next(
    world: Simulation, sdk: AsyncOpenAI
) -> None:
    strike(world, "a", kind="refuse", sign="overloaded")

    answer = await sdk.images.with_raw_response.generate(model=MODEL, prompt="failover")

    assert answer.parse().data
    assert answer.headers["x-tallylight-service"] == "b"
    assert answer.headers["x-tallylight-attempts"] == "2"


async def test_models_and_media_are_kept_apart(
    sdk: AsyncOpenAI, http: aiohttp.ClientSession
) -> None:
    names = [each.id async for each in sdk.models.list()]
    with pytest.raises(openai.BadRequestError) as no_images:
        await sdk.images.generate(model="films", prompt="a boat")
    async with http.post("/v1/videos", json={"model": MODEL, "prompt": "a"}) as response:
        no_film = await response.json()
    answer = await sdk.images.with_raw_response.generate(model=MODEL, prompt="no video")
    id_ = answer.headers["x-tallylight-video"]
    async with http.get(f"/v1/videos/{id_}") as missing, http.get("/v1/videos") as listed:
        videos = await listed.json()

    assert sorted(names) == ["films", MODEL]
    assert no_images.value.param == "model"
    assert (response.status, no_film["error"]["param"]) == (400, "model")
    assert missing.status == 404
    assert id_ not in [each["id"] for each in videos["data"]]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("generations", {"stream": True}, "stream"),
        ("generations", {"partial_images": 2}, "partial_images"),
        ("generations", {"response_format": "url"}, "response_format"),
        ("generations", {"n": 11}, "n"),
        ("generations", {"size": "large"}, "size"),
        ("generations", {"image": "x"}, "image"),
        ("generations", {"quality": "max"}, "quality"),
        ("generations", {"frame_count": 4}, "frame_count"),
        ("edits", {}, "image"),
        ("edits", {"image": "not a picture"}, "image"),
    ],
)
async def test_a_request_that_cannot_be_served_names_its_field(
    world: Simulation,
    http: aiohttp.ClientSession,
    path: str,
    fields: dict[str, object],
    param: str,
) -> None:
    before = creates(world)

    async with http.post(
        f"/v1/images/{path}", json={"model": MODEL, "prompt": "a boat", **fields}
    ) as response:
        refusal = await response.json()

    assert (response.status, refusal["error"]["param"]) == (400, param)
    assert creates(world) == before


async def test_the_sdk_without_a_loop_works_the_same(served: RunningServer, key: str) -> None:
    def use() -> int:
        with openai.OpenAI(base_url=f"{served.address}/v1", api_key=key) as client:
            return len(client.images.generate(model=MODEL, prompt="a raft", n=3).data or ())

    assert await asyncio.to_thread(use) == 3
