"""The built-in scenarios do what they describe, and the simulator runs as a program."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Try = Callable[..., Awaitable[str]]


@pytest.fixture
def attempt(http: aiohttp.ClientSession) -> Try:
    """Create a job over the service's protocol; return its end or the refusal as text."""

    async def attempt(world: Simulation, name: str) -> str:
        service = world.scenario.services[name]
        upstream = world.scenario.upstreams[service.upstream]
        base = world.base_urls[service.upstream]
        headers = {"authorization": f"Bearer {upstream.keys[0].key}"}
        if upstream.protocol == "chat_video":
            messages = [{"role": "user", "content": "a boat"}]
            body = {"model": service.model, "stream": True, "messages": messages}
            url = f"{base}/chat/completions"
            async with http.post(url, json=body, headers=headers) as response:
                return await response.text()
        body = {"model": service.model, "prompt": "a boat"}
        async with http.post(f"{base}/videos", json=body, headers=headers) as response:
            if response.status != 200:
                return await response.text()
            job = (await response.json())["id"]
        while True:
            async with http.get(f"{base}/videos/{job}", headers=headers) as response:
                text = await response.text()
            if '"completed"' in text or '"failed"' in text or response.status != 200:
                return text

    return attempt


@pytest.mark.parametrize(
    ("service", "texts"),
    [
        ("sora-2-official", ['"completed"']),
        ("sora-2-pro-official", ['"completed"']),
        ("sora-2-reverse", ["sentinel_block", "风控", "Cloudflare challenge"]),
        ("sora-2-pro-reverse", ["temporarily paused"]),
        ("veo-3.1-reverse", ['"completed"']),
        ("gpt-image-reverse", ["![Generated Image]"]),
    ],
)
async def test_january_is_as_the_market_was_on_the_28th(
    start: Start, attempt: Try, service: str, texts: list[str]
) -> None:
    world = await start("january")

    text = await attempt(world, service)

    assert any(word in text for word in texts), text


async def test_at_sunset_the_retired_services_end_and_the_others_deliver(
    start: Start, attempt: Try
) -> None:
    world = await start("sunset", speed=20)
    before = await attempt(world, "sora-2-official")
    world.clock.speed = 1_000_000  # to long after midnight

    after = await attempt(world, "sora-2-official")
    forward = await attempt(world, "sora-2-forward")
    omni = await attempt(world, "gemini-omni-relay")

    assert '"completed"' in before
    assert "Invalid URL (POST /v1/videos)" in after
    assert "model_not_found" in forward
    assert '"completed"' in omni


def test_today_a_team_has_ten_services_at_ten_protocols() -> None:
    today = load_scenario("today")

    protocols = [today.upstreams[each.upstream].protocol for each in today.services.values()]
    faults = [one.fault.kind for each in today.services.values() for one in each.faults]

    assert len(protocols) == len(set(protocols)) == 10
    assert sorted(faults) == ["refuse", "retire"]


def test_the_storm_has_every_kind_of_fault_but_retirement_and_large_files() -> None:
    storm = load_scenario("storm")

    seen = {entry.fault.kind for service in storm.services.values() for entry in service.faults}

    kinds = set(FAULT_ADAPTER.json_schema()["discriminator"]["mapping"])
    assert kinds - seen == {"retire", "large_file"}
    assert all(
        entry.every is not None for service in storm.services.values() for entry in service.faults
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_prints_its_urls_and_ends_on_a_signal(
    stop: signal.Signals, http: aiohttp.ClientSession
) -> None:
    program = (
        "from tallylight.simulator.files import load_scenario\n"
        "from tallylight.simulator.server import run_simulator\n"
        "run_simulator(load_scenario('calm'), 0)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    first_line = (await process.stdout.readline()).decode().split()
    async with http.get(first_line[-1]) as response:
        title = (await response.json())["scenario"]["title"]
    process.send_signal(stop)
    async with asyncio.timeout(10):
        code = await process.wait()

    assert title == "Calm"
    assert code == 0
