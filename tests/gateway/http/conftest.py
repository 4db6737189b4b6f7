"""A gateway over a simulation, called over HTTP; one for each module, in its own loop."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tallylight.app.serving import RunningServer, running_server
from tallylight.clock import SystemClock
from tallylight.config.settings import load_configuration
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.files import load_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

SPEED = 50.0  # scenario seconds per real second: a job of 4 s takes 80 ms
LARGEST_BODY = 4 * 1024 * 1024
ROUTE = "boats"
ALLOWED_ORIGIN = "https://app.example"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway.

    Args:
        address: Where it is, without `/v1`.
        key: Opens everything.
        served: Its server.
        world: What it asks for videos.
        http: A plain HTTP client of it that sends the key.
    """

    address: str
    key: str
    served: RunningServer
    world: Simulation
    http: aiohttp.ClientSession

    async def make_key(self, *routes: str, per_minute: int | None = None) -> str:
        """Create a key."""
        keys = self.served.runtime.gateway_wiring.keys
        _, secret = await keys.create("another", routes=routes, per_minute=per_minute)
        return secret


def _write_configuration(folder: Path, world: Simulation, *, is_open: bool) -> Path:
    """Write the gateway's configuration, and return its path."""
    document = client_catalogue(world.scenario, world.base_urls, today=SystemClock().now().date())
    document["probes"] = {"reach": "off", "credentials": "off", "generation": "off"}
    document["database"] = {"url": f"sqlite:///{folder / 'gateway.db'}"}
    document["status"] = {"listen": "127.0.0.1:0"}
    document["gateway"] = {
        "open": is_open,
        "largest_body": LARGEST_BODY,
        "allowed_origins": [ALLOWED_ORIGIN],
    }
    document["routes"] = {
        ROUTE: {"services": ["sora-2-official", "sora-2-pro-official"], "explicit": True},
        "relayed/boats": {"services": ["sora-2-reverse"], "substitutes": ["seconds", "size"]},
    }
    path = folder / "tallylight.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@asynccontextmanager
async def _running_gateway(folder: Path, *, is_open: bool) -> AsyncIterator[Gateway]:
    async with serve_simulation(load_scenario("calm"), speed=SPEED) as world:
        configuration = load_configuration(_write_configuration(folder, world, is_open=is_open), {})
        async with running_server(configuration, SystemClock()) as served:
            _, key = await served.runtime.gateway_wiring.keys.create("test")
            headers = {"Authorization": f"Bearer {key}"}
            async with aiohttp.ClientSession(served.address, headers=headers) as http:
                yield Gateway(served.address, key, served, world, http)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Serve the Videos API over the scenario `calm`."""
    async with _running_gateway(tmp_path_factory.mktemp("gateway"), is_open=False) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """Serve it without keys."""
    async with _running_gateway(tmp_path_factory.mktemp("open"), is_open=True) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """Return the official SDK's client of the gateway."""
    async with AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key=gateway.key) as client:
        yield client
