"""Ten minutes of storm, lived through in four ways at the same time, each in a world of its own.

    python bench/gateway/storm.py [--minutes 10] [--every 2] [--ways naive,gateway,all,litellm]

- naive: the plain SDK asks the official service, and where that fails the reverse one.
- litellm: LiteLLM's proxy with a fallback from the first to the second.
- gateway: tallylight with a route over the same two services.
- all: the same with the third service, which speaks another protocol, and what that substitutes.

A video counts as delivered if its bytes arrive within four minutes of the first request for it.
What was spent is what the world's own ledger says, once everything has met its fate.
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
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from compare import (  # type: ignore[import-not-found]  # beside it, when it is run
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

PATIENCE = 240.0
EACH = 110.0
FIRST, SECOND, THIRD = "sora-2-official", "veo-3.1-reverse", "sora-2-reverse"
LATER = 100_000.0


@dataclass
class Tally:
    """How one way fared."""

    asked: int = 0
    delivered: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)


Make = Callable[[str], "asyncio.Future[bytes]"]


def client_of(base_url: str, key: str) -> AsyncOpenAI:
    """Return the official SDK as it comes."""
    return AsyncOpenAI(base_url=base_url, api_key=key, timeout=EACH)


async def made(client: AsyncOpenAI, model: str, prompt: str) -> bytes:
    """Make a video and return its bytes.

    It is asked for by the id of its create throughout: that which LiteLLM's proxy gives a poll has
    lost its service, so that the content would be sought at api.openai.com.
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
    """Ask one after the other."""
    clients = []
    for name in (FIRST, SECOND):
        part = world.scenario.services[name]
        upstream = world.scenario.upstreams[part.upstream]
        client = client_of(world.base_urls[part.upstream], upstream.keys[0].key)
        clients.append((client, part.model))

    async def make(prompt: str) -> bytes:
        for client, model in clients[:-1]:
            try:
                async with asyncio.timeout(EACH):
                    return await made(client, model, prompt)
            except (APIError, RuntimeError, TimeoutError):
                continue
        client, model = clients[-1]
        return await made(client, model, prompt)

    yield make


@asynccontextmanager
async def through_tallylight(world: Simulation, services: list[str]) -> AsyncIterator[object]:
    """Ask a gateway over some services of the world."""
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
                    "deadline": f"{PATIENCE:.0f}s",
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
            yield lambda prompt: made(client, "video", prompt)


@asynccontextmanager
async def through_litellm(world: Simulation) -> AsyncIterator[object]:
    """Ask LiteLLM's proxy, which falls back from the first to the second."""
    models = []
    for name in (FIRST, SECOND):
        part = world.scenario.services[name]
        upstream = world.scenario.upstreams[part.upstream]
        models.append(
            {
                # Under another name its polls would go to api.openai.com.
                "model_name": part.model,
                "litellm_params": {
                    "model": f"openai/{part.model}",
                    "api_base": world.base_urls[part.upstream],
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
            yield lambda prompt: made(client, str(first), prompt)


@asynccontextmanager
async def running(command: list[str], port: int) -> AsyncIterator[None]:
    """Run a server as long as the block lasts."""
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


async def live_through(way: str, args: argparse.Namespace, ready: asyncio.Barrier) -> None:
    """Live through the storm in one way, and print how it went."""
    tally = Tally()
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
            begun = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    await make(f"boat {number}")  # type: ignore[operator]
            except (APIError, RuntimeError, TimeoutError) as error:
                name = str(error)[:40] if isinstance(error, RuntimeError) else type(error).__name__
                tally.failures[name] = tally.failures.get(name, 0) + 1
            else:
                tally.delivered += 1
                tally.seconds.append(time.monotonic() - begun)

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(args.minutes * 60 / args.every)):
                tally.asked += 1
                tasks.create_task(one(number))
                await asyncio.sleep(args.every)  # noqa: TID251  # real traffic takes real time
        print(json.dumps(told(way, tally, world)), flush=True)


def told(way: str, tally: Tally, world: Simulation) -> dict[str, object]:
    """Return a line of the table."""
    second = world.second() + LATER
    entries = [one for one in world.ledger.entries if one.prompt.startswith("boat ")]
    charged = [one for one in entries if one.billed_usd(second) > 0]
    made_and_paid = [one.prompt for one in charged if one.job_status(second) is JobStatus.COMPLETED]
    spent = float(sum(one.billed_usd(second) for one in entries))
    middle = sorted(tally.seconds)[len(tally.seconds) // 2] if tally.seconds else None
    return {
        "way": way,
        "asked": tally.asked,
        "delivered": round(tally.delivered / max(tally.asked, 1), 4),
        "usd": round(spent, 2),
        "usd_per_delivered": round(spent / tally.delivered, 3) if tally.delivered else None,
        "delivered_and_paid_twice": len(made_and_paid) - len(set(made_and_paid)),
        # Jobs that stall for ever are never refunded here.
        "charged_and_not_made": len(charged) - len(made_and_paid),
        "median_s": middle and round(middle, 1),
        "failures": tally.failures,
    }


async def main(args: argparse.Namespace) -> None:
    """Live through it in all ways at once, so that each meets the same noise of the machine."""
    ways = args.ways.split(",")
    ready = asyncio.Barrier(len(ways))
    async with asyncio.TaskGroup() as tasks:
        for way in ways:
            tasks.create_task(live_through(way, args, ready))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=f"{__doc__}\n\nLiteLLM: {LITELLM}")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--ways", default="naive,gateway,all,litellm")
    asyncio.run(main(parser.parse_args()))
