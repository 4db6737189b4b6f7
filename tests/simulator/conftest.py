"""Running simulations, and clients for them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import aiohttp
import pytest
from openai import AsyncOpenAI

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

SPEED = 50.0  # scenario seconds to a real one: a job of 4 s takes 80 ms


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Simulation]]]:
    """Return a function that starts a simulation, with faults by service."""
    async with AsyncExitStack() as stack:

        async def start(
            scenario: str | Scenario = "calm",
            *,
            speed: float = SPEED,
            faults: Mapping[str, list[Mapping[str, object]]] | None = None,
        ) -> Simulation:
            if isinstance(scenario, str):
                scenario = load_scenario(scenario)
            world = await stack.enter_async_context(serve_simulation(scenario, speed=speed))
            for service, several in (faults or {}).items():
                world.override_faults(
                    service, tuple(FAULT_ADAPTER.validate_python(one) for one in several)
                )
            return world

        yield start


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., AsyncOpenAI]]:
    """Return a function that makes the official SDK's client for an upstream, without retries."""
    async with AsyncExitStack() as stack:
        clients = []

        def client(
            world: Simulation,
            upstream: str = "openai",
            *,
            key: str | None = None,
            max_retries: int = 0,
            timeout: float = 10,
        ) -> AsyncOpenAI:
            known = world.scenario.upstreams[upstream].keys[0].key
            clients.append(
                AsyncOpenAI(
                    base_url=world.base_urls[upstream],
                    api_key=known if key is None else key,
                    max_retries=max_retries,
                    timeout=timeout,
                )
            )
            return clients[-1]

        yield client
        for one in clients:
            stack.push_async_callback(one.close)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a plain HTTP client."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session
