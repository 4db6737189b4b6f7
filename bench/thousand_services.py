"""Measures the cost of monitoring many services: CPU, bytes written, memory, restart time.

    python bench/thousand_services.py [--services 1000] [--interval 60] [--minutes 3]

A stub on loopback answers the reach probes. `tallylight serve` monitors it on SQLite; its usage is
read from /proc over whole minutes after a warm-up. In the same run a baseline fetches the same URLs
at the same rate with aiohttp, without judging and storing: the ratio is meaningful on a noisy
machine too. Linux only.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


class Target(asyncio.Protocol):
    """Answers any request with a small JSON body and records the time of each path."""

    seen: dict[str, float] = {}  # noqa: RUF012  # one target per process
    request_count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request head."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            path = self.buffer[: self.buffer.find(b" HTTP/")].split(b" ", 1)[1].decode()
            self.buffer = self.buffer[end + 4 :]
            Target.seen[path] = time.monotonic()
            Target.request_count += 1
            body = b'{"object":"list","data":[]}'
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(head % len(body) + body)


def usage(pid: int) -> tuple[float, int, int]:
    """Return CPU seconds, bytes written and resident bytes of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    io = Path(f"/proc/{pid}/io").read_text()
    written = int(
        next(line for line in io.splitlines() if line.startswith("write_bytes")).split()[1]
    )
    return (int(stat[11]) + int(stat[12])) / TICK, written, int(stat[21]) * PAGE


def configuration(folder: Path, port: int, services: int, interval: int, listen: int) -> Path:
    """Write a configuration with this many services at the stub."""
    document = {
        "database": {"url": f"sqlite:///{folder / 'bench.db'}"},
        "status": {"listen": f"127.0.0.1:{listen}"},
        "probes": {"reach": f"{interval}s", "credentials": "off", "generation": "off"},
        "upstreams": {
            f"u{n}": {
                "provider": f"provider-{n}",
                "base_url": f"http://127.0.0.1:{port}/m/{n}",
                "protocol": "openai_videos",
                "dialect": "openai",
            }
            for n in range(services)
        },
        "services": {
            f"s{n}": {"upstream": f"u{n}", "model": "sora-2", "access": "official"}
            for n in range(services)
        },
    }
    path = folder / "tallylight.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(config: Path) -> subprocess.Popen[bytes]:
    """Start the server under test."""
    with (config.parent / "serve.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tallylight", "serve", "--config", str(config)],
            stdout=log,
            stderr=log,
        )


async def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate the server."""
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, 30)


async def all_seen_since(services: int, since: float, limit: float) -> float | None:
    """Return the seconds until every service was probed, None if the limit passed first."""
    while time.monotonic() - since < limit:
        fresh = [at for at in Target.seen.values() if at >= since]
        if len(fresh) >= services:
            return max(fresh) - since
        await asyncio.sleep(0.2)  # noqa: TID251  # measures real time
    return None


async def measure_tallylight(
    config: Path, services: int, interval: int, minutes: int
) -> dict[str, float | int | None]:
    """Run the server and return its measurements."""
    process = start(config)
    started_at = time.monotonic()
    opening = await all_seen_since(services, started_at, 2 * interval + 60)
    if process.poll() is not None:
        raise SystemExit((config.parent / "serve.log").read_text())
    await asyncio.sleep(interval)  # noqa: TID251  # imports, migrations and the first round
    cpu, written, _ = usage(process.pid)
    count = Target.request_count
    await asyncio.sleep(60 * minutes)  # noqa: TID251
    cpu_after, written_after, resident = usage(process.pid)
    checks = Target.request_count - count
    await stop(process)
    process, started_at = start(config), time.monotonic()
    again = await all_seen_since(services, started_at, 2 * interval + 60)
    await stop(process)
    return {
        "checks": checks,
        "cpu_s_per_1000_checks": round(1000 * (cpu_after - cpu) / checks, 3),
        "bytes_written_per_check": round((written_after - written) / checks),
        "rss_mib": round(resident / 2**20, 1),
        "all_checked_after_start_s": opening and round(opening, 1),
        "all_checked_after_restart_s": again and round(again, 1),
    }


BASELINE = """
import asyncio, sys, aiohttp
port, services, interval = map(int, sys.argv[1:])
async def one(session, n):
    await asyncio.sleep(interval * n / services)
    while True:
        async with session.get(f"http://127.0.0.1:{port}/m/{n}/models") as answer:
            await answer.read()
        await asyncio.sleep(interval)
async def main():
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session, n) for n in range(services)))
asyncio.run(main())
"""


async def measure_baseline(port: int, services: int, interval: int) -> float:
    """Return the CPU seconds per thousand bare fetches at the same rate."""
    arguments = [sys.executable, "-c", BASELINE, str(port), str(services), str(interval)]
    process = subprocess.Popen(arguments)  # noqa: ASYNC220  # it runs during this function's awaits
    await asyncio.sleep(interval + 5)  # noqa: TID251
    cpu, _, _ = usage(process.pid)
    count = Target.request_count
    await asyncio.sleep(interval)  # noqa: TID251
    cpu_after, _, _ = usage(process.pid)
    checks = Target.request_count - count
    process.terminate()
    await asyncio.to_thread(process.wait, 10)
    return 1000 * (cpu_after - cpu) / checks


async def main() -> None:
    """Print one line for tallylight and one for the baseline."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=1000)
    options.add_argument("--interval", type=int, default=60)
    options.add_argument("--minutes", type=int, default=3)
    given = options.parse_args()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="tallylight-bench-") as folder:
        config = configuration(
            Path(folder), port, given.services, given.interval, listen=free_port()
        )
        results = await measure_tallylight(config, given.services, given.interval, given.minutes)
    bare = await measure_baseline(port, given.services, given.interval)
    print(json.dumps({"tallylight": results}))
    ratio = float(results["cpu_s_per_1000_checks"] or 0) / bare
    print(json.dumps({"bare_fetch_cpu_s_per_1000": round(bare, 3), "ratio": round(ratio, 1)}))
    print(json.dumps({"aiohttp": aiohttp.__version__, "python": sys.version.split()[0]}))
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
