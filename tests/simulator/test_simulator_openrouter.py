"""OpenRouter's videos: 202 at the create, two meanings of 402, and a cost that may be elsewhere."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from openrouter import OpenRouter
from openrouter.components import FrameImage, FrameImageImageURL
from openrouter.errors import OpenRouterError
from openrouter.utils import BackoffStrategy, RetryConfig

from tallylight.model.frames import Frame
from tallylight.model.order import Input, Order
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.world import Simulation
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.protocols import scenario_of

Start = Callable[..., Awaitable[Simulation]]
Call = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
SCENARIO = scenario_of("openrouter")
KEY, EMPTY = "sk-or-sim-key", "sk-or-sim-empty"
BOAT = {"model": "google/veo-3.1", "prompt": "a boat"}
HAILUO = {"model": "minimax/hailuo-3-max", "prompt": "a boat"}
PICTURE = "https://x.test/1.png"
#: The SDK's own default sends a create again for an hour.
NEVER_AGAIN = RetryConfig("none", BackoffStrategy(1, 1, 1, 1), retry_connection_errors=False)


@pytest.fixture
def call(http: aiohttp.ClientSession) -> Call:
    """Call a path; return the status and the JSON."""

    async def call(
        world: Simulation, method: str, path: str, body: object = None, *, key: str = KEY
    ) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = world.base_urls["openrouter"] + path
        async with http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    return call


def strike(world: Simulation, **fault: object) -> None:
    world.override_faults("veo-on-openrouter", (FAULT_ADAPTER.validate_python(fault),))


def sdk(world: Simulation, key: str = KEY) -> OpenRouter:
    return OpenRouter(api_key=key, server_url=world.base_urls["openrouter"])


async def ended(call: Call, world: Simulation, job: str) -> dict[str, Any]:
    while True:
        _, document = await call(world, "GET", f"/videos/{job}")
        if document["status"] not in {"pending", "in_progress"}:
            return document


async def test_the_makers_sdk_makes_a_film_and_is_read_like_us(
    start: Start, http: aiohttp.ClientSession
) -> None:
    world = await start(SCENARIO)
    frames = [
        FrameImage(
            image_url=FrameImageImageURL(url=PICTURE), type="image_url", frame_type="first_frame"
        )
    ]
    order = Order(
        "google/veo-3.1",
        "a boat",
        seconds=6,
        frame=Frame("4k", "16:9"),
        audio=False,
        seed=7,
        inputs=(Input(url=PICTURE),),
    )

    async with sdk(world) as client:
        videos = client.video_generation
        job = await videos.generate_async(
            **BOAT,
            duration=6,
            resolution="4K",
            aspect_ratio="16:9",
            generate_audio=False,
            seed=7,
            frame_images=frames,
            retries=NEVER_AGAIN,
        )
        while job.status in {"pending", "in_progress"}:
            job = await videos.get_generation_async(job_id=job.id)
        content = await videos.get_video_content_async(job_id=job.id)
        film = await content.aread()
    adapter = PROTOCOLS["openrouter"].make(Site(world.base_urls["openrouter"], "openrouter"))
    request = adapter.submit(order, "")
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    url = world.base_urls["openrouter"] + request.url
    async with http.post(url, data=request.json, headers=headers) as response:
        assert response.status == 202

    theirs, ours = world.jobs.values()
    assert theirs.reading == ours.reading
    assert (job.status, job.id) == ("completed", theirs.id)
    assert job.usage is not None
    assert job.usage.cost == pytest.approx(2.4)  # 6 s in 4k without sound at 0.40 dollars
    assert film[4:8] == b"ftyp"


async def test_the_makers_sdk_reads_the_refusals(start: Start) -> None:
    world = await start(SCENARIO)

    async with sdk(world, EMPTY) as client:
        with pytest.raises(OpenRouterError) as refused:
            await client.video_generation.generate_async(**BOAT, retries=NEVER_AGAIN)

    assert refused.value.status_code == 402
    assert world.jobs == {}


async def test_the_list_is_public_and_the_key_tells_what_is_left(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    _, models = await call(world, "GET", "/videos/models", key="")
    wrong, _ = await call(world, "GET", "/key", key="sk-or-wrong")
    _, good = await call(world, "GET", "/key")
    _, empty = await call(world, "GET", "/key", key=EMPTY)

    assert [each["id"] for each in models["data"]] == ["google/veo-3.1", "minimax/hailuo-3-max"]
    assert models["data"][1]["supported_durations"] == [5, 10]
    assert models["data"][1]["pricing_skus"]["duration_seconds_480p"] == "0.05"
    assert wrong == 401
    assert (good["data"]["limit_remaining"], empty["data"]["limit_remaining"]) == (None, 0)


async def test_a_create_is_answered_with_202_and_a_relative_address(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)

    status, job = await call(world, "POST", "/videos", BOAT)

    assert (status, job["status"]) == (202, "pending")
    assert job["id"].startswith("gen-vid-")
    assert job["polling_url"] == f"/api/v1/videos/{job['id']}"
    assert "usage" not in job


async def test_the_cost_of_some_jobs_stands_in_their_generation_alone(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    _, job = await call(world, "POST", "/videos", HAILUO)

    done = await ended(call, world, job["id"])
    _, generation = await call(world, "GET", f"/generation?id={done['generation_id']}")
    unknown, _ = await call(world, "GET", "/generation?id=gen-0")

    assert done["usage"]["cost"] is None
    assert generation["data"]["total_cost"] == pytest.approx(0.40)
    assert unknown == 404


async def test_a_failed_job_says_why_in_a_text_and_costs_nothing(start: Start, call: Call) -> None:
    world = await start(SCENARIO)
    strike(world, kind="fail", after=0, message="engine died")
    _, job = await call(world, "POST", "/videos", BOAT)

    done = await ended(call, world, job["id"])

    assert (done["status"], done["error"], done["usage"]["cost"]) == ("failed", "engine died", None)
    assert "urls" not in done
    assert world.ledger.as_json(world.second())["total"]["billed_usd"] == 0


async def test_content_is_refused_while_a_job_runs_and_by_its_index(
    start: Start, call: Call
) -> None:
    world = await start(SCENARIO)
    _, job = await call(world, "POST", "/videos", BOAT)
    path = f"/videos/{job['id']}/content"

    early, _ = await call(world, "GET", path)
    await ended(call, world, job["id"])
    second, _ = await call(world, "GET", f"{path}?index=1")
    odd, _ = await call(world, "GET", f"{path}?index=x")
    foreign, _ = await call(world, "GET", path, key="")

    assert (early, second, odd, foreign) == (409, 410, 400, 401)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "acme/film"},
        {"duration": "6"},
        {"duration": 5},
        {"resolution": "4k"},
        {"resolution": "768p"},
        {"aspect_ratio": "4:3"},
        {"size": "640x360"},
        {"generate_audio": "yes"},
        {"seed": "7"},
        {"prompt": ""},
        {"frame_images": [{"type": "image_url", "image_url": PICTURE}]},
        {"frame_images": [{"type": "image", "image_url": {"url": PICTURE}}]},
        {"model": "minimax/hailuo-3-max", "generate_audio": True},
    ],
)
async def test_what_a_model_has_not_is_refused_and_not_dropped(
    start: Start, call: Call, fields: dict[str, object]
) -> None:
    world = await start(SCENARIO)

    status, refusal = await call(world, "POST", "/videos", BOAT | fields)

    assert (status, refusal["error"]["code"]) == (400, 400)
    assert world.jobs == {}


async def test_a_size_in_pixels_stands_for_resolution_and_aspect(start: Start, call: Call) -> None:
    world = await start(SCENARIO)

    await call(world, "POST", "/videos", BOAT | {"size": "1080x1920"})

    (job,) = world.jobs.values()
    assert (job.reading.resolution, job.reading.aspect) == ("1080p", "9:16")


@pytest.mark.parametrize(
    ("sign", "status", "has_retry_after"),
    [
        ("rate_limited", 402, True),
        ("quota", 402, False),
        ("auth", 401, False),
        ("content_rejected", 403, False),
        ("overloaded", 502, False),
        ("maintenance", 503, False),
        ("suspended", 503, False),
        ("risk_control", 403, False),
    ],
)
async def test_every_state_has_its_status_and_one_402_passes_by_itself(
    start: Start, http: aiohttp.ClientSession, sign: str, status: int, *, has_retry_after: bool
) -> None:
    world = await start(SCENARIO)
    strike(world, kind="refuse", sign=sign)
    url, headers = f"{world.base_urls['openrouter']}/videos", {"authorization": f"Bearer {KEY}"}

    async with http.post(url, json=BOAT, headers=headers) as response:
        body = await response.json()

    assert (response.status, body["error"]["code"]) == (status, status)
    assert ("retry-after" in response.headers) == has_retry_after
