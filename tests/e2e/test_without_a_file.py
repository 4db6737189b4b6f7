"""Keys in the environment alone: their models are watched and offered by their usual names."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from openai import AsyncOpenAI

from tallylight import AsyncMonitor, AsyncVideoClient
from tallylight.app.serving import running_server
from tallylight.catalogue import facts
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.clock import SystemClock
from tallylight.config.from_environment import environment_catalogue
from tallylight.config.options import ListenAddress, PageOptions
from tallylight.config.settings import Configuration
from tallylight.gateway.options import GatewayOptions
from tallylight.gateway.routing.routes import usual_routes
from tallylight.model.status import Status
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

if TYPE_CHECKING:
    from tests.e2e.conftest import Launcher

TODAY = datetime(2026, 11, 29, tzinfo=UTC).date()
REFUSED = FAULT_ADAPTER.validate_python({"kind": "refuse", "sign": "quota"})
KEYS = {
    "SAYGM_API_KEY": "gm-live-key",
    "FAL_KEY": "fal-id:fal-secret",
    "KLINGAI_ACCESS_KEY": "kling-access",
    "KLINGAI_SECRET_KEY": "kling-secret-of-32-characters-00",
    "OPENAI_API_KEY": "sk-openai",
}
_PRICE = {"unit": "per_second", "rates": {"*": "0.05"}}
_VIDEO = {"access": "official", "price": _PRICE, "latency": [2.0, 3.0]}
SCENARIO = Scenario.model_validate(
    {
        "title": "Four makers",
        "start": "2026-11-29T09:00:00Z",
        "seed": 7,
        "upstreams": {
            "saygm": {"provider": "saygm", "protocol": "openai_videos", "dialect": "openai"}
            | {"keys": [KEYS["SAYGM_API_KEY"]]},
            "fal": {"provider": "fal", "protocol": "fal", "dialect": "fal"}
            | {"keys": [KEYS["FAL_KEY"]]},
            "kling": {"provider": "kling", "protocol": "kling", "dialect": "kling"}
            | {"keys": [{"key": KEYS["KLINGAI_ACCESS_KEY"], "secret": KEYS["KLINGAI_SECRET_KEY"]}]},
            "openai": {"provider": "openai", "protocol": "openai_images", "dialect": "openai"}
            | {"keys": [KEYS["OPENAI_API_KEY"]]},
        },
        "services": {
            "h3": _VIDEO
            | {"name": "H3", "upstream": "saygm", "model": "minimax/h3"}
            | {"lengths": list(range(4, 16)), "sizes": ["1344x768", "768x1344", "768x768"]},
            "h3-fal": _VIDEO
            | {"name": "H3", "upstream": "fal", "model": "minimax/h3/text-to-video"}
            | {"lengths": list(range(5, 16)), "sizes": ["1366x768", "768x1366", "854x480"]}
            | {"wire": {"duration": "integer", "resolution": "upper"}},
            "kling-v3": _VIDEO
            | {"name": "Kling 3.0", "upstream": "kling", "model": "kling-v3"}
            | {"lengths": list(range(3, 16)), "sizes": ["1280x720", "720x1280", "720x720"]},
            "picture": {"name": "GPT Image 2", "upstream": "openai", "model": "gpt-image-2"}
            | {"medium": "image", "access": "official", "latency": [2.0, 3.0]}
            | {"price": {"unit": "per_call", "rates": {"*": "0.04"}}, "sizes": ["1024x1024"]},
        },
    }
)


@pytest.fixture
async def world() -> AsyncIterator[Simulation]:
    async with serve_simulation(SCENARIO, speed=20.0) as world:
        yield world


def profile_at(profile: BuiltInUpstream, address: str) -> BuiltInUpstream:
    """Return a profile at another address, without its status page."""
    return profile.model_copy(update={"base_url": address, "feed": None})


@pytest.fixture
def configuration(world: Simulation, tmp_path: Path) -> Configuration:
    profiles = {
        name: profile_at(facts.built_in_upstreams()[name], address)
        for name, address in world.base_urls.items()
    }
    found = environment_catalogue(KEYS, TODAY, profiles)
    return Configuration(
        path=None,
        catalogue=found.catalogue,
        routes=usual_routes(found.catalogue.services.values()),
        database_url=f"sqlite:///{tmp_path / 'history.db'}",
        warnings=found.warnings,
    )


async def test_models_of_all_makers_are_watched_for_free(
    configuration: Configuration, world: Simulation
) -> None:
    async with AsyncMonitor(configuration) as monitor:
        for service in ("minimax-h3-saygm", "kling-v3-kling", "gpt-image-2-openai"):
            verdict = await monitor.check(service)
            # Free checks alone do not prove that jobs succeed.
            assert verdict.status in {Status.OPERATIONAL, Status.UNKNOWN}
            assert verdict.blocked is None
        gone = await monitor.check("gpt-image-2.5-flare-openai")

    assert configuration.warnings == ()
    assert gone.status is not Status.OPERATIONAL
    assert not world.ledger.entries


async def test_a_film_is_asked_for_by_its_usual_name_and_made_by_whoever_sells_it(
    configuration: Configuration, world: Simulation
) -> None:
    world.override_faults("h3", (REFUSED,))

    async with AsyncVideoClient(configuration) as client:
        h3 = await client.create("a boat", model="minimax-h3", seconds=5)
        kling = await client.create("a boat", model="kling-3.0", seconds=5)
        await h3.wait()
        await kling.wait()
        (picture,) = await client.images("a boat", model="gpt-image-2", quality="low")

    assert picture.data.startswith(b"\x89PNG")
    assert {job.service for job in world.jobs.values()} == {"h3-fal", "kling-v3", "picture"}
    assert all(entry.price > Decimal(0) for entry in world.ledger.entries)


async def test_a_server_offers_the_usual_names(configuration: Configuration) -> None:
    served_locally = replace(
        configuration,
        status=PageOptions(listen=ListenAddress("127.0.0.1", 0)),
        gateway=GatewayOptions(open=True),
    )

    async with (
        running_server(served_locally, SystemClock()) as served,
        AsyncOpenAI(base_url=f"{served.address}/v1", api_key="none") as client,
    ):
        names = {model.id async for model in client.models.list()}

    usual = {"minimax-h3", "kling-3.0", "gpt-image-2", "seedance-2.5"}
    assert usual | {"minimax/h3", "kling-v3", "minimax-h3-saygm"} <= names


def test_the_commands_work_without_a_file(launch: "Launcher") -> None:
    keys = {"OPENAI_API_KEY": "sk-marked", "AZURE_OPENAI_API_KEY": "az-marked"}
    environment = {**keys, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}

    checked = launch("check", "gpt-image-2-openai", env=environment)
    noted = launch("config", "check", env=environment)

    assert checked.ends() == 1
    assert "GPT Image 2" in checked.said()
    assert noted.ends() == 0
    assert "AZURE_OPENAI_API_KEY: is set, but it needs a tallylight.yaml" in noted.logged()
    assert "marked" not in checked.said() + checked.logged() + noted.said() + noted.logged()
