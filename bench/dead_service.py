"""What callers feel of a dead service beside a healthy one: nothing fails, and how fast it goes on.

    python -m bench.dead_service [--creates 1000] [--clients 16] [--json]

For each way of being dead (nobody listens, every create is refused with 503, with 429) a gateway of
its own with the dead service first in a written order. Told are the creates that failed, how many
tried the dead one, and the time from its refusal until the second one had taken the job: the second
try is written down, sent and answered in it. Ends with status 1 if a create failed, or if that took
more than 50 ms at the 99th percentile.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from bench.chaos.processes import Gateway, Program, fetched, free_port

DEATHS = {
    "nobody listens": None,
    "503": {"kind": "refuse", "sign": "overloaded"},
    "429": {"kind": "refuse", "sign": "rate_limited"},
}
_SOON_MS = 50.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way of being dead led to; times in milliseconds."""

    death: str
    creates: int
    failed: int
    tried_dead: int
    second_try_p50: float
    second_try_p99: float
    second_try_max: float
    create_p50: float
    create_p99: float


def main() -> None:
    """Run all, print the figures, and say by the exit status whether they hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = []
    for death in DEATHS:
        with tempfile.TemporaryDirectory(prefix="tallylight-dead-") as folder:
            found.append(asyncio.run(_run(Path(folder), death, options.creates, options.clients)))
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        print("\n".join(str(one) for one in found))
    sys.exit(any(one.failed or one.second_try_p99 > _SOON_MS for one in found))


async def _run(folder: Path, death: str, creates: int, clients: int) -> Figures:
    (folder / "world.yaml").write_text(_scenario(death), encoding="utf-8")
    with Program(["simulate", "--scenario", "world.yaml", "--port", "0"], folder, "world") as world:
        address = await world.says(r"(http://\S+)/_sim/scenario\n")
        told = fetched(f"{address}/_sim/scenario")
        port, database = free_port(), folder / "history.db"
        document = told["catalogue"] | {
            "probes": {"reach": "off", "credentials": "off", "generation": "off"},
            "database": {"url": f"sqlite:///{database}"},
            "status": {"listen": f"127.0.0.1:{port}"},
            "gateway": {"open": True},
            "routes": {"film": {"services": ["dead", "healthy"], "explicit": True}},
        }
        (folder / "tallylight.yaml").write_text(json.dumps(document), encoding="utf-8")
        with Gateway(folder, port) as gateway:
            await gateway.start()
            times, failed = await _load(gateway.address, creates, clients)
            gaps = _gaps(database)
    times.sort()
    return Figures(
        death,
        creates,
        failed,
        len(gaps),
        _at(gaps, 0.5),
        _at(gaps, 0.99),
        _at(gaps, 1.0),
        _at(times, 0.5),
        _at(times, 0.99),
    )


def _scenario(death: str) -> str:
    trouble = DEATHS[death]
    service = {
        "model": "sora-2",
        "access": "official",
        "price": {"unit": "per_call", "rates": {"*": "0.10"}},
        "lengths": [4],
        "sizes": ["720x1280"],
        "latency": [2000, 3000],  # nobody waits for the videos here
    }
    upstream = {"protocol": "openai_videos", "dialect": "openai"}
    return json.dumps(
        {
            "title": "One is dead",
            "start": "2026-11-22T09:00:00Z",
            "upstreams": {
                "dead": {**upstream, "provider": "a", "keys": ["sk-a"], "listens": bool(trouble)},
                "healthy": {**upstream, "provider": "b", "keys": ["sk-b"]},
            },
            "services": {
                "dead": {
                    **service,
                    "name": "Dead",
                    "upstream": "dead",
                    "faults": [{"fault": trouble}] if trouble else [],
                },
                "healthy": {**service, "name": "Healthy", "upstream": "healthy"},
            },
        }
    )


async def _load(address: str, creates: int, clients: int) -> tuple[list[float], int]:
    """Return how long creates took, and how many failed."""
    numbers = iter(range(creates))
    times: list[float] = []
    failed = 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal failed
        for number in numbers:
            began = time.monotonic()
            asked = {"model": "film", "prompt": f"boat {number}", "seconds": "4"}
            async with session.post(f"{address}/v1/videos", json=asked) as reply:
                await reply.read()
                failed += reply.status != 200
            times.append((time.monotonic() - began) * 1000)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return times, failed


def _gaps(database: Path) -> list[float]:
    """Return the times from a refusal until the second service had the job, ascending."""
    query = (
        "SELECT (b.accepted_at_us - a.ended_at_us) / 1000.0 FROM attempts a JOIN attempts b"
        " ON a.video = b.video AND a.number = 1 AND b.number = 2 ORDER BY 1"
    )
    with closing(sqlite3.connect(database)) as connection:
        return [float(row[0]) for row in connection.execute(query)]


def _at(ascending: Sequence[float], share: float) -> float:
    place = min(int(len(ascending) * share), len(ascending) - 1)
    return round(ascending[place], 1) if ascending else 0.0


if __name__ == "__main__":
    main()
