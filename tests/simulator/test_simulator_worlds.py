"""The built-in worlds play what they promise, and a world runs as a program of its own."""

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
    """Order from a service over its protocol; return the job's end or the refusal as text."""

    async def attempt(world: Simulation, name: str) -> str:
        service = world.scenario.services[name]
        upstream = world.scenario.upstreams[service.upstream]
        base = world.base_urls[service.upstream]
        headers = {"authorization": f"Bearer {upstream.keys[0].key}"}
        if upstream.protocol == "chat_video":
            messages = [{"role": "user", "content": "a boat"}]
            body = {"model": service.model, "stream": True, "messages": messages}
            url = f"{base}/chat/completions"
            async with http.post(url, json=body, headers=headers) as answer:
                return await answer.text()
        order = {"model": service.model, "prompt": "a boat"}
        async with http.post(f"{base}/videos", json=order, headers=headers) as answer:
            if answer.status != 200:
                return await answer.text()
            job = (await answer.json())["id"]
        while True:
            async with http.get(f"{base}/videos/{job}", headers=headers) as answer:
                text = await answer.text()
            if '"completed"' in text or '"failed"' in text or answer.status != 200:
                return text

    return attempt


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("sora-2-official", ['"completed"']),
        ("sora-2-pro-official", ['"completed"']),
        ("sora-2-reverse", ["sentinel_block", "风控", "Cloudflare challenge"]),
        ("sora-2-pro-reverse", ["temporarily paused"]),
        ("veo-3.1-reverse", ['"completed"']),
        ("gpt-image-reverse", ["![Generated Image]"]),
    ],
)
async def test_january_is_as_the_28th_was(
    start: Start, attempt: Try, service: str, words: list[str]
) -> None:
    world = await start("january")

    text = await attempt(world, service)

    assert any(word in text for word in words), text


async def test_at_sunset_what_delivered_is_gone_and_the_rest_lives_on(
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


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("sora-2-official", "Invalid URL"),
        ("veo-3.1-forward", "is no longer available"),
        ("gemini-omni-relay", '"completed"'),
        ("minimax-h3", '"completed"'),
        ("grok-imagine-reverse", '<video src=\\"'),
    ],
)
async def test_today_the_dead_are_dead_and_the_living_deliver(
    start: Start, attempt: Try, service: str, words: str
) -> None:
    world = await start("today")

    assert words in await attempt(world, service)


def test_every_kind_of_trouble_but_retirement_and_bulk_comes_by_in_the_storm() -> None:
    storm = load_scenario("storm")

    seen = {spell.fault.kind for service in storm.services.values() for spell in service.faults}

    kinds = set(FAULT_ADAPTER.json_schema()["discriminator"]["mapping"])
    assert kinds - seen == {"retire", "large_file"}
    assert all(
        spell.every is not None for service in storm.services.values() for spell in service.faults
    )


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_world_of_its_own_says_where_it_is_and_ends_when_asked(
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

    said = (await process.stdout.readline()).decode().split()
    async with http.get(said[-1]) as answer:
        title = (await answer.json())["scenario"]["title"]
    process.send_signal(stop)
    async with asyncio.timeout(10):
        code = await process.wait()

    assert title == "Calm"
    assert code == 0
