"""Measures failover from a dead service to a healthy one.

    python -m bench.dead_service [--creates 1000] [--clients 16] [--json]

For each kind of dead service (connections refused, every create refused with 503, with 429) a
gateway runs with the dead service first in an explicit order. The output has the number of failed
creates, the number of attempts at the dead service, and the time from its refusal to the acceptance
by the second service; in that time the second attempt is stored, sent and answered. Exits with
status 1 if a create fails, or if the 99th percentile of that time is above 50 ms.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing, closing
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from bench.chaos.processes import Gateway, Program, fetch_json, free_port

FAULTS = {
    "connection refused": None,
    "503": {"kind": "refuse", "sign": "overloaded"},
    "429": {"kind": "refuse", "sign": "rate_limited"},
}
_MAX_P99_MS = 50.0


@dataclass(frozen=True, slots=True)
class DeadServiceResult:
    """The measurements for one kind of dead service; times in milliseconds."""

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
    """Run all, print the results, and exit with 1 if one is too bad."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for death in FAULTS:
        with tempfile.TemporaryDirectory(prefix="tallylight-dead-") as folder:
            results.append(asyncio.run(_run(Path(folder), death, options.creates, options.clients)))
    if options.json:
        print(json.dumps([asdict(one) for one in results]))
    else:
        print("\n".join(str(one) for one in results))
    sys.exit(any(one.failed or one.second_try_p99 > _MAX_P99_MS for one in results))


async def _run(folder: Path, death: str, creates: int, clients: int) -> DeadServiceResult:
    (folder / "world.yaml").write_text(_scenario(death), encoding="utf-8")
    arguments = ["simulate", "--scenario", "world.yaml", "--port", "0"]
    async with aclosing(Program(arguments, folder, "world")) as world:
        address = await world.wait_for_output(r"(http://\S+)/_sim/scenario\n")
        simulation = await fetch_json(f"{address}/_sim/scenario")
        port, database = free_port(), folder / "history.db"
        document = simulation["catalogue"] | {
            "probes": {"reach": "off", "credentials": "off", "generation": "off"},
            "database": {"url": f"sqlite:///{database}"},
            "status": {"listen": f"127.0.0.1:{port}"},
            "gateway": {"open": True},
            "routes": {"film": {"services": ["dead", "healthy"], "explicit": True}},
        }
        (folder / "gateway.yaml").write_text(json.dumps(document), encoding="utf-8")
        async with aclosing(Gateway(folder, "gateway", port)) as gateway:
            await gateway.start()
            times, failed = await _load(gateway.address, creates, clients)
            gaps = _gaps(database)
    times.sort()
    return DeadServiceResult(
        death,
        creates,
        failed,
        len(gaps),
        _percentile(gaps, 0.5),
        _percentile(gaps, 0.99),
        _percentile(gaps, 1.0),
        _percentile(times, 0.5),
        _percentile(times, 0.99),
    )


def _scenario(death: str) -> str:
    fault = FAULTS[death]
    service = {
        "model": "sora-2",
        "access": "official",
        "price": {"unit": "per_call", "rates": {"*": "0.10"}},
        "lengths": [4],
        "sizes": ["720x1280"],
        "latency": [2000, 3000],  # the bench does not wait for the videos
    }
    upstream = {"protocol": "openai_videos", "dialect": "openai"}
    return json.dumps(
        {
            "title": "One is dead",
            "start": "2026-11-22T09:00:00Z",
            "upstreams": {
                "dead": {**upstream, "provider": "a", "keys": ["sk-a"], "listens": bool(fault)},
                "healthy": {**upstream, "provider": "b", "keys": ["sk-b"]},
            },
            "services": {
                "dead": {
                    **service,
                    "name": "Dead",
                    "upstream": "dead",
                    "faults": [{"fault": fault}] if fault else [],
                },
                "healthy": {**service, "name": "Healthy", "upstream": "healthy"},
            },
        }
    )


async def _load(address: str, creates: int, clients: int) -> tuple[list[float], int]:
    """Return the durations of the creates in milliseconds, and the number of failed ones."""
    numbers = iter(range(creates))
    times: list[float] = []
    failed = 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal failed
        for number in numbers:
            started_at = time.monotonic()
            body = {"model": "film", "prompt": f"boat {number}", "seconds": "4"}
            async with session.post(f"{address}/v1/videos", json=body) as reply:
                await reply.read()
                failed += reply.status != 200
            times.append((time.monotonic() - started_at) * 1000)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return times, failed


def _gaps(database: Path) -> list[float]:
    """Return the milliseconds from a refusal to the acceptance by the second service, ascending."""
    query = (
        "SELECT (b.accepted_at_us - a.ended_at_us) / 1000.0 FROM attempts a JOIN attempts b"
        " ON a.video = b.video AND a.number = 1 AND b.number = 2 ORDER BY 1"
    )
    with closing(sqlite3.connect(database)) as connection:
        return [float(row[0]) for row in connection.execute(query)]


def _percentile(ascending: Sequence[float], share: float) -> float:
    index = min(int(len(ascending) * share), len(ascending) - 1)
    return round(ascending[index], 1) if ascending else 0.0


if __name__ == "__main__":
    main()
