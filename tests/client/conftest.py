"""Clients in this process beside a simulation over real HTTP, at high speed."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight import AsyncVideoClient
from tallylight.clock import Clock
from tallylight.config.settings import Configuration, configuration_of
from tallylight.documents.document import parse_document
from tallylight.jobs.submit import CreateTiming
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

SPEED = 20.0  # seconds of our clock and of the simulation per real second

WORLD = """
title: An official service and two that resell it
start: 2026-01-28T09:00:00Z
upstreams:
  maker: {provider: maker, protocol: openai_videos, dialect: openai, keys: [sk-maker]}
  second: {provider: second, protocol: openai_videos, dialect: openai, keys: [sk-second]}
  relay: {provider: relay, protocol: openai_videos, dialect: new_api, keys: [sk-relay]}
services:
  official: &service
    name: Official
    upstream: maker
    model: sora-2
    access: official
    price: {unit: per_call, rates: {"*": 0.40}}
    latency: [4, 6]
    lengths: [4, 8]
    sizes: [1280x720, 720x1280]
    blocked_words: [forbidden]
  forwarded:
    <<: *service
    name: Forwarded
    upstream: second
    price: {unit: per_call, rates: {"*": 0.50}}
  reverse:
    <<: *service
    name: Reverse
    upstream: relay
    access: reverse
    price: {unit: per_call, rates: {"*": 0.05}}
"""

SetFaults = Callable[..., None]
Configure = Callable[..., Configuration]
Open = Callable[..., AsyncVideoClient]


@pytest.fixture(autouse=True)
def _time_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let creates begin within 6 real seconds: on this clock, 5 s are too few on a busy machine."""
    send_within = timedelta(seconds=6 * SPEED)
    monkeypatch.setattr("tallylight.app.job_wiring.CreateTiming", lambda: CreateTiming(send_within))


@pytest.fixture
async def clock(hurried: Callable[[float], Clock]) -> Clock:
    return hurried(SPEED)


@pytest.fixture
async def world() -> AsyncIterator[Simulation]:
    async with serve_simulation(parse_scenario(WORLD, "three.yaml"), speed=SPEED) as world:
        yield world


@pytest.fixture
def set_faults(world: Simulation) -> SetFaults:
    """Return a function that gives a service of the simulation faults from now on."""

    def set_faults(name: str, *faults: Mapping[str, object]) -> None:
        world.override_faults(name, tuple(FAULT_ADAPTER.validate_python(one) for one in faults))

    return set_faults


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'history.db'}"


@pytest.fixture
def configure(world: Simulation, database_url: str, tmp_path: Path) -> Configure:
    """Return a function that builds the configuration; its arguments replace whole sections."""

    def configure(**sections: object) -> Configuration:
        document = client_catalogue(world.scenario, world.base_urls) | {
            "routes": {"boats": {"services": ["official", "forwarded", "reverse"]}},
            "database": {"url": database_url},
            "assets": {"location": str(tmp_path / "assets")},
            **sections,
        }
        text = json.dumps(document, default=str)  # JSON is YAML
        return configuration_of(parse_document(text, "test.yaml", tmp_path, {}), tmp_path)

    return configure


@pytest.fixture
async def open_client(configure: Configure, clock: Clock) -> AsyncIterator[Open]:
    """Return a function that opens clients on one database; the test's end closes them."""
    async with AsyncExitStack() as stack:

        def open_client(**sections: object) -> AsyncVideoClient:
            client = AsyncVideoClient(configure(**sections), clock=clock)
            stack.push_async_callback(client.aclose)
            return client

        yield open_client


@pytest.fixture
def client(open_client: Open) -> AsyncVideoClient:
    return open_client()
