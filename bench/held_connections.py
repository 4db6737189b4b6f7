"""Measures what a caller notices while others hold connections open and send nothing.

    python -m bench.held_connections [--connections 1500] [--seconds 30] [--json]

The server may open 1,024 files. For each kind of held connection (no byte, half a head, half a
body, idle after a request) and for each number of addresses that hold them (one other, eight
others, the caller's own) the holders keep their connections open, and open each one anew that is
closed. Meanwhile a caller asks for /healthz and creates a video four times a second, each over a
new connection. Exits with status 1 if one of its requests fails.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp

from bench.chaos.processes import Gateway, Program, fetch_json, free_port

_FILES = 1024
_PAUSE = 0.25
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_REST = 1.0  # seconds before a holder opens a closed connection anew

KINDS = {
    "no byte": b"",
    "half a head": b"POST /v1/videos HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b'Content-Type: application/json\r\nContent-Length: 900\r\n\r\n{"model": "fi',
    "idle": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}
HOLDERS = {
    "one other": ["127.0.0.2"],
    "eight others": [f"127.0.0.{number}" for number in range(2, 10)],
    "the caller's": ["127.0.0.1"],
}


@dataclass(slots=True)
class HeldResult:
    """The measurements for one kind of held connection; times in milliseconds."""

    kind: str
    holders: str
    asked: int = 0
    failed: int = 0
    p50: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Run all, print the results, and exit with 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these (default: all)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hold", nargs=3, metavar=("PORT", "KIND", "HOLDERS"))
    options = parser.parse_args()
    if options.hold:
        port, kind, holders = options.hold
        asyncio.run(_hold(int(port), KINDS[kind], HOLDERS[holders], options.connections))
        return
    with tempfile.TemporaryDirectory(prefix="tallylight-held-") as folder:
        results = asyncio.run(_run(Path(folder), options))
    if options.json:
        print(json.dumps([asdict(one) for one in results]))
    else:
        print("\n".join(str(one) for one in results))
    sys.exit(any(one.failed for one in results))


async def _run(folder: Path, options: argparse.Namespace) -> list[HeldResult]:
    (folder / "world.yaml").write_text(json.dumps(_SCENARIO), encoding="utf-8")
    arguments = ["simulate", "--scenario", "world.yaml", "--port", "0"]
    async with aclosing(Program(arguments, folder, "world")) as world:
        address = await world.wait_for_output(r"(http://\S+)/_sim/scenario\n")
        simulation = await fetch_json(f"{address}/_sim/scenario")
        port = free_port()
        document = simulation["catalogue"] | {
            "database": {"url": f"sqlite:///{folder / 'history.db'}"},
            "status": {"listen": f"127.0.0.1:{port}"},
            "gateway": {"open": True},
        }
        (folder / "gateway.yaml").write_text(json.dumps(document), encoding="utf-8")
        results = []
        limit = ("sh", "-c", f'ulimit -n {_FILES}; exec "$0" "$@"')
        async with aclosing(Gateway(folder, "gateway", port, prefix=limit)) as gateway:
            await gateway.start()
            for kind in options.kind or KINDS:
                for holders in HOLDERS:
                    result = HeldResult(kind, holders)
                    with _holding(port, kind, holders, options.connections):
                        await asyncio.sleep(3)  # noqa: TID251  # measures real time
                        await _call(gateway.address, options.seconds, result)
                    print(result, file=sys.stderr)
                    results.append(result)
        return results


@contextmanager
def _holding(port: int, kind: str, holders: str, connections: int) -> Iterator[None]:
    """Hold connections in another process, which has files of its own."""
    command = [sys.executable, "-m", "bench.held_connections"]
    command += ["--connections", str(connections), "--hold", str(port), kind, holders]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


async def _hold(port: int, sent: bytes, addresses: list[str], connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * connections)), hard))
    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(_hold_one(port, sent, addresses[number % len(addresses)]))


async def _hold_one(port: int, sent: bytes, address: str) -> None:
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0)
            )
            writer.write(sent)
            while await reader.read(65536):
                pass
            writer.close()
        await asyncio.sleep(_REST)  # noqa: TID251  # measures real time


async def _call(address: str, seconds: float, result: HeldResult) -> None:
    times: list[float] = []
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True), timeout=_TIMEOUT
    ) as session:
        while time.monotonic() < end:
            video = {"model": "film", "prompt": f"boat {result.asked}", "seconds": "4"}
            for method, path, body in (("GET", "/healthz", None), ("POST", "/v1/videos", video)):
                began = time.monotonic()
                try:
                    async with session.request(method, address + path, json=body) as reply:
                        await reply.read()
                        error = "" if reply.status == 200 else f"HTTP {reply.status}"
                except (aiohttp.ClientError, TimeoutError) as exception:
                    error = type(exception).__name__
                result.asked += 1
                times.append((time.monotonic() - began) * 1000)
                if error:
                    result.failed += 1
                    result.errors[error] = result.errors.get(error, 0) + 1
            await asyncio.sleep(_PAUSE)  # noqa: TID251  # measures real time
    times.sort()
    result.p50, result.p99, result.slowest = (
        round(times[min(len(times) - 1, int(len(times) * share))], 1) for share in (0.5, 0.99, 1)
    )


_SCENARIO = {
    "title": "One that works",
    "start": "2026-11-22T09:00:00Z",
    "upstreams": {
        "maker": {
            "protocol": "openai_videos",
            "dialect": "openai",
            "provider": "a",
            "keys": ["sk-a"],
        }
    },
    "services": {
        "film": {
            "name": "Film",
            "upstream": "maker",
            "model": "sora-2",
            "access": "official",
            "price": {"unit": "per_call", "rates": {"*": "0.10"}},
            "lengths": [4],
            "sizes": ["720x1280"],
            "latency": [2000, 3000],
        }
    },
    "catalogue": {
        "sections": {"probes": {"reach": "1s", "credentials": "off", "generation": "off"}}
    },
}


if __name__ == "__main__":
    main()
