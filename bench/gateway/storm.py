"""Compares four ways to get videos during ten minutes of the scenario `storm`.

    python bench/gateway/storm.py [--minutes 10] [--every 2] [--ways naive,gateway,all,litellm]

- naive: the plain SDK calls the official service, and the reverse one if that fails.
- litellm: LiteLLM's proxy with a fallback from the first to the second.
- gateway: tallylight with a route over the same two services.
- all: the same with a third service, which has another protocol and substitutes parameters.

The ways run at the same time, each with its own simulator. A video counts as delivered if its bytes
arrive within four minutes of its first request. The spend is that of the simulator's ledger, after
all jobs have ended.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from compare import (  # type: ignore[import-not-found]  # in the same folder
    KEY,
    LITELLM,
    free_port,
    litellm_home,
    until_ready,
)
from openai import APIError, AsyncOpenAI

from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.files import load_scenario
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation

warnings.simplefilter("ignore", DeprecationWarning)

TIMEOUT_S = 240.0
ATTEMPT_TIMEOUT_S = 110.0
FIRST, SECOND, THIRD = "sora-2-official", "veo-3.1-reverse", "sora-2-reverse"
SETTLED_AFTER_S = 100_000.0


@dataclass
class StormResult:
    """The result of one way."""

    requested: int = 0
    delivered: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)


def client_of(base_url: str, key: str) -> AsyncOpenAI:
    """Return the official SDK with its defaults."""
    return AsyncOpenAI(base_url=base_url, api_key=key, timeout=ATTEMPT_TIMEOUT_S)


async def generate(client: AsyncOpenAI, model: str, prompt: str) -> bytes:
    """Generate a video and return its bytes.

    All calls use the id of the create. The id in LiteLLM's poll responses lacks the service: its
    proxy would request the content from api.openai.com.
    """
    created = await client.videos.create(model=model, prompt=prompt, seconds="8", size="1280x720")
    video = await client.videos.poll(created.id)
    if video.status != "completed":
        raise RuntimeError(video.error.code if video.error else video.status)
    content = await (await client.videos.download_content(created.id)).aread()
    if not content:
        raise RuntimeError("empty")
    return content


@asynccontextmanager
async def naive(world: Simulation) -> AsyncIterator[object]:
    """Call one service after the other."""
    clients = []
    for name in (FIRST, SECOND):
        service = world.scenario.services[name]
        upstream = world.scenario.upstreams[service.upstream]
        client = client_of(world.base_urls[service.upstream], upstream.keys[0].key)
        clients.append((client, service.model))

    async def make(prompt: str) -> bytes:
        for client, model in clients[:-1]:
            try:
                async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
                    return await generate(client, model, prompt)
            except (APIError, RuntimeError, TimeoutError):
                continue
        client, model = clients[-1]
        return await generate(client, model, prompt)

    yield make


@asynccontextmanager
async def through_tallylight(world: Simulation, services: list[str]) -> AsyncIterator[object]:
    """Call a gateway with a route over some services."""
    with tempfile.TemporaryDirectory(prefix="tl-storm-") as folder:
        port = free_port()
        document = client_catalogue(world.scenario, world.base_urls, feed_urls=world.feed_urls)
        for upstream in cast("dict[str, dict[str, object]]", document["upstreams"]).values():
            upstream |= {"job_timeout": "60s"}
        document |= {
            "routes": {
                "video": {
                    "services": services,
                    "prefer": "official",
                    "deadline": f"{TIMEOUT_S:.0f}s",
                    "hold": "3m",
                    "substitutes": ["seconds", "size"],
                }
            },
            "probes": {"generation": None},
            "status": {"listen": f"127.0.0.1:{port}"},
            "gateway": {"open": True},
            "database": {"url": f"sqlite:///{folder}/storm.db"},
        }
        config = Path(folder) / "tallylight.yaml"
        config.write_text(json.dumps(document, default=str))
        script = Path(sys.executable).with_name("tallylight")
        async with running([str(script), "serve", "--config", str(config)], port):
            client = client_of(f"http://127.0.0.1:{port}/v1", KEY)
            yield lambda prompt: generate(client, "video", prompt)


@asynccontextmanager
async def through_litellm(world: Simulation) -> AsyncIterator[object]:
    """Call LiteLLM's proxy, which falls back from the first to the second."""
    models = []
    for name in (FIRST, SECOND):
        service = world.scenario.services[name]
        upstream = world.scenario.upstreams[service.upstream]
        models.append(
            {
                # With another name its polls would go to api.openai.com.
                "model_name": service.model,
                "litellm_params": {
                    "model": f"openai/{service.model}",
                    "api_base": world.base_urls[service.upstream],
                    "api_key": upstream.keys[0].key,
                },
            }
        )
    first, second = (model["model_name"] for model in models)
    with tempfile.TemporaryDirectory(prefix="tl-storm-") as folder:
        port, config = free_port(), Path(folder) / "litellm.yaml"
        config.write_text(
            json.dumps(
                {
                    "model_list": models,
                    "router_settings": {"fallbacks": [{first: [second]}]},
                    "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
                }
            )
        )
        command = [str(litellm_home() / "bin" / "litellm")]
        async with running([*command, "--config", str(config), "--port", str(port)], port):
            client = client_of(f"http://127.0.0.1:{port}/v1", KEY)
            yield lambda prompt: generate(client, str(first), prompt)


@asynccontextmanager
async def running(command: list[str], port: int) -> AsyncIterator[None]:
    """Run a server for the duration of the block."""
    env = {**os.environ, "LITELLM_MASTER_KEY": KEY, "LITELLM_LOG": "ERROR"}  # noqa: TID251
    server = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.to_thread(until_ready, f"http://127.0.0.1:{port}", KEY)
        yield
    finally:
        server.terminate()
        await server.wait()


async def run_way(way: str, args: argparse.Namespace, ready: asyncio.Barrier) -> None:
    """Run one way through the storm, and print its result."""
    result = StormResult()
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(serve_simulation(load_scenario("storm")))
        ways = {
            "naive": lambda: naive(world),
            "litellm": lambda: through_litellm(world),
            "gateway": lambda: through_tallylight(world, [FIRST, SECOND]),
            "all": lambda: through_tallylight(world, [FIRST, SECOND, THIRD]),
        }
        make = await stack.enter_async_context(ways[way]())
        await ready.wait()

        async def one(number: int) -> None:
            started_at = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await make(f"boat {number}")  # type: ignore[operator]
            except (APIError, RuntimeError, TimeoutError) as error:
                name = str(error)[:40] if isinstance(error, RuntimeError) else type(error).__name__
                result.failures[name] = result.failures.get(name, 0) + 1
            else:
                result.delivered += 1
                result.seconds.append(time.monotonic() - started_at)

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(args.minutes * 60 / args.every)):
                result.requested += 1
                tasks.create_task(one(number))
                await asyncio.sleep(args.every)  # noqa: TID251  # real time
        print(json.dumps(result_json(way, result, world)), flush=True)


def result_json(way: str, result: StormResult, world: Simulation) -> dict[str, object]:
    """Return a row of the table."""
    second = world.second() + SETTLED_AFTER_S
    entries = [one for one in world.ledger.entries if one.prompt.startswith("boat ")]
    charged = [one for one in entries if one.billed_usd(second) > 0]
    states = {one.id: one.progress_at(second).status for one in charged}
    completed = [one.prompt for one in charged if states[one.id] is JobStatus.COMPLETED]
    spent = float(sum(one.billed_usd(second) for one in entries))
    median = sorted(result.seconds)[len(result.seconds) // 2] if result.seconds else None
    return {
        "way": way,
        "requested": result.requested,
        "delivered": round(result.delivered / max(result.requested, 1), 4),
        "usd": round(spent, 2),
        "usd_per_delivered": round(spent / result.delivered, 3) if result.delivered else None,
        "delivered_and_paid_twice": len(completed) - len(set(completed)),
        # Jobs that stall forever are never refunded in this scenario.
        "charged_and_not_completed": len(charged) - len(completed),
        "median_s": median and round(median, 1),
        "failures": result.failures,
    }


async def main(args: argparse.Namespace) -> None:
    """Run all ways at once, so that the noise of the machine affects them alike."""
    ways = args.ways.split(",")
    ready = asyncio.Barrier(len(ways))
    async with asyncio.TaskGroup() as tasks:
        for way in ways:
            tasks.create_task(run_way(way, args, ready))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=f"{__doc__}\n\nLiteLLM: {LITELLM}")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--ways", default="naive,gateway,all,litellm")
    asyncio.run(main(parser.parse_args()))
