"""The official SDK and our client make films at services of every protocol, without knowing it."""

import json
from asyncio import gather
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from openai.types import VideoCreateError

from tallylight import AsyncVideoClient
from tallylight.app.serving import running_server
from tallylight.clock import SystemClock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tests.protocols import ALL, scenario_of

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

SPEED = 20.0
SCENARIO = scenario_of(*ALL)
REFUSED = FAULT_ADAPTER.validate_python({"kind": "refuse", "sign": "quota"})

FIRST_OF_DIALECT = {
    (upstream.protocol, upstream.dialect): name
    for name, service in reversed(tuple(SCENARIO.services.items()))
    if service.medium == "video"
    for upstream in (SCENARIO.upstreams[service.upstream],)
}
SERVICES = tuple(FIRST_OF_DIALECT.values())
ROUTES: Mapping[str, object] = {
    **{name: {"services": [name]} for name in SERVICES},
    "pictures": {"services": ["gpt-image-2"]},
    "any": {"services": ["kling-3", "seedance-on-fal", "sora-2"], "explicit": True},
}


@pytest.fixture
async def world() -> AsyncIterator[Simulation]:
    async with serve_simulation(SCENARIO, speed=SPEED) as world:
        yield world


@pytest.fixture
def configuration(world: Simulation, tmp_path: Path) -> Configuration:
    return _configuration(world, tmp_path, ROUTES)


def _configuration(
    world: Simulation, tmp_path: Path, routes: Mapping[str, object]
) -> Configuration:
    document = client_catalogue(world.scenario, world.base_urls)
    document["probes"] = {"reach": "off", "credentials": "off", "generation": "off"}
    document["database"] = {"url": f"sqlite:///{tmp_path / 'gateway.db'}"}
    document["status"] = {"listen": "127.0.0.1:0"}
    document["gateway"] = {"open": True}
    document["routes"] = routes
    path = tmp_path / "tallylight.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return load_configuration(path, {})


@pytest.fixture
async def sdk(configuration: Configuration) -> AsyncIterator[AsyncOpenAI]:
    async with (
        running_server(configuration, SystemClock()) as served,
        AsyncOpenAI(base_url=f"{served.address}/v1", api_key="none") as client,
    ):
        yield client


async def test_the_official_sdk_makes_a_film_at_each_protocol(sdk: AsyncOpenAI) -> None:
    async def film(name: str) -> bytes | VideoCreateError | None:
        video = await sdk.videos.create_and_poll(model=name, prompt="a boat", poll_interval_ms=100)
        if video.status != "completed":
            return video.error
        content = await sdk.videos.download_content(video.id)
        return content.content[4:8]

    made = await gather(*map(film, SERVICES))

    assert dict(zip(SERVICES, made, strict=True)) == dict.fromkeys(SERVICES, b"ftyp")


async def test_the_official_sdk_does_not_notice_a_change_of_protocols(
    sdk: AsyncOpenAI, world: Simulation
) -> None:
    for name in ("kling-3", "seedance-on-fal"):
        world.override_faults(name, (REFUSED,))

    video = await sdk.videos.create_and_poll(
        model="any", prompt="a boat", size="1280x720", poll_interval_ms=100
    )

    assert video.status == "completed", video.error
    (job,) = world.jobs.values()
    assert (job.service, job.reading.size) == ("sora-2", "1280x720")


async def test_our_client_makes_a_film_at_each_protocol(
    configuration: Configuration, tmp_path: Path
) -> None:
    made = await _films(configuration, SERVICES, tmp_path)

    assert made == dict.fromkeys(SERVICES, b"ftyp")


async def _films(
    configuration: Configuration, names: Sequence[str], folder: Path
) -> Mapping[str, bytes]:
    """Return how the films begin that our client makes by some names at once."""

    async def film(client: AsyncVideoClient, name: str) -> bytes:
        video = await client.create("a boat", model=name)
        await video.wait()
        file = folder / f"{name}.mp4"
        await video.save(file)
        return file.read_bytes()[4:8]

    async with AsyncVideoClient(configuration) as client:
        made = await gather(*(film(client, name) for name in names))
    return dict(zip(names, made, strict=True))


async def test_our_client_makes_pictures_and_works_on_them(
    configuration: Configuration, tmp_path: Path
) -> None:
    async with AsyncVideoClient(configuration) as client:
        first, second = await client.images("a boat", model="pictures", count=2, quality="low")
        (edited,) = await client.images(
            "at night", model="pictures", images=[first.save(tmp_path / "boat.png")]
        )

    for each in (first, second, edited):
        assert each.media_type == "image/png"
        assert each.data.startswith(b"\x89PNG")


async def test_the_team_of_today_gets_films_at_eight_protocols(tmp_path: Path) -> None:
    today = load_scenario("today")
    working = [name for name, each in today.services.items() if not each.faults]
    async with serve_simulation(today, speed=SPEED) as world:
        configuration = _configuration(
            world, tmp_path, {name: {"services": [name]} for name in working}
        )
        made = await _films(configuration, working, tmp_path)

    assert len(working) == 8
    assert made == dict.fromkeys(working, b"ftyp")
