"""Checks that no video is paid twice, lost or left unfinished while the gateway is killed.

    python -m bench.chaos [--creates 500] [--kills 20] [--share 0.045] [--deadline 40] [--json]

A simulator runs in its own process; its ledger is the ground truth. A gateway on one SQLite file is
killed by SIGKILL at random times and restarted. Callers use the official SDK, which repeats a
request without a response; every second request has an `Idempotency-Key`. Exits with status 1 if a
promise is broken.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing, closing
from pathlib import Path

from bench.chaos.callers import Caller
from bench.chaos.checks import ChaosReport, GatewayRecords, check_promises
from bench.chaos.processes import Gateway, Program, fetch_json, free_port
from bench.chaos.world import SPEED, configuration, models, scenario

_BETWEEN_KILLS = (1.0, 6.0)
_LEASE = 20.0
"""Upper limit of the time until the videos of a killed process are taken over."""


def main() -> None:
    """Run the bench, print the report, and exit with 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.045, help="of creates, for each fault")
    parser.add_argument("--deadline", type=float, default=40.0, help="of a video, in seconds")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder for database and logs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallylight-chaos-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(_chaos(options, folder))
    print(json.dumps(report.as_json()) if options.json else report.as_text())
    sys.exit(bool(report.broken))


async def _chaos(options: argparse.Namespace, folder: Path) -> ChaosReport:
    started_at = time.monotonic()
    rng = random.Random(options.seed)  # noqa: S311  # repeatable, not a secret
    (folder / "world.yaml").write_text(scenario(options.share), encoding="utf-8")
    async with AsyncExitStack() as stack:
        arguments = ["simulate", "--scenario", "world.yaml", "--port", "0", "--speed", f"{SPEED:g}"]
        world = stack.enter_context(closing(Program(arguments, folder, "world")))
        address = await world.wait_for_output(r"(http://\S+)/_sim/scenario\n")
        simulation = fetch_json(f"{address}/_sim/scenario")
        port = free_port()
        database = folder / "history.db"
        document = configuration(
            simulation["catalogue"], f"127.0.0.1:{port}", f"sqlite:///{database}", options.deadline
        )
        (folder / "tallylight.yaml").write_text(json.dumps(document), encoding="utf-8")
        gateway = stack.enter_context(closing(Gateway(folder, port)))
        await gateway.start()
        caller = Caller(gateway.address, options.deadline + _LEASE)
        await stack.enter_async_context(aclosing(caller))
        names = models()
        send_times = sorted(rng.uniform(0, _spread(options.kills)) for _ in range(options.creates))
        async with asyncio.TaskGroup() as tasks:
            watchdog = tasks.create_task(gateway.watch())
            requests = [
                tasks.create_task(caller.generate(f"boat {number}", next(names), send_at))
                for number, send_at in enumerate(send_times)
            ]
            kills = await _kill(gateway, options.kills, rng)
            records = [await request for request in requests]
            watchdog.cancel()
        # Every video must end, even if its caller has stopped waiting.
        await _until(lambda: not _unfinished(database), options.deadline + 2 * _LEASE)
        await gateway.stop()
        await gateway.start()
        later = await caller.retrieve_again([record for record in records if record.id])
        ledger = fetch_json(f"{address}/_sim/ledger")
        await gateway.stop()
        rows = _gateway_records(database)
    seconds = time.monotonic() - started_at
    return check_promises(records, later, ledger, rows, kills=kills, seconds=seconds)


def _spread(kills: int) -> float:
    """Return the seconds over which creates are spread: as long as the gateway is being killed."""
    return max(5.0, kills * (sum(_BETWEEN_KILLS) / 2 + 1))


async def _kill(gateway: Gateway, times: int, rng: random.Random) -> int:
    for _ in range(times):
        await asyncio.sleep(rng.uniform(*_BETWEEN_KILLS))  # noqa: TID251  # real time is the test
        gateway.kill()
        await gateway.start()
    return times


async def _until(condition: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not condition():  # noqa: ASYNC110  # another process writes the rows
        await asyncio.sleep(0.5)  # noqa: TID251  # as above


def _unfinished(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*) FROM videos WHERE ended_at_us IS NULL"
        return int(connection.execute(query).fetchone()[0])


def _gateway_records(database: Path) -> GatewayRecords:
    """Return the rows of the gateway's tables."""

    def rows(query: str) -> list[Mapping[str, object]]:
        return [dict(row) for row in connection.execute(query)]

    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return GatewayRecords(
            videos=rows("SELECT * FROM videos"),
            attempts=rows("SELECT * FROM attempts ORDER BY video, number"),
            entries=rows("SELECT * FROM ledger WHERE purpose = 'traffic'"),
            webhooks=rows("SELECT * FROM outbox"),
        )


if __name__ == "__main__":
    main()
