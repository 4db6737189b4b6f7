"""Is any video paid twice, lost, or left without an end, while the gateway is killed and killed?

    python -m bench.chaos [--creates 500] [--kills 20] [--share 0.045] [--deadline 40] [--json]

A simulated world in a process of its own, whose books are the judge; a gateway on one SQLite file
that dies by SIGKILL at random moments and is started again; callers with the official SDK, which
repeats by itself what got no answer, every second one with an `Idempotency-Key`. Ends with status 1
if a promise was broken.
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
from contextlib import AsyncExitStack, closing
from pathlib import Path

from bench.chaos.callers import Caller
from bench.chaos.judge import Books, Findings, judge
from bench.chaos.processes import Gateway, Program, fetched, free_port
from bench.chaos.world import SPEED, configuration, models, scenario

_BETWEEN_KILLS = (1.0, 6.0)
_LEASE = 20.0
"""So long it takes at most until somebody takes over what a killed process has left."""


def main() -> None:
    """Run it, print what was found, and say by the exit status whether all promises held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.045, help="of creates, for each trouble")
    parser.add_argument("--deadline", type=float, default=40.0, help="of a video, in seconds")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="where database and logs are left")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tallylight-chaos-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(_chaos(options, folder))
    print(json.dumps(found.as_json()) if options.json else found.as_text())
    sys.exit(bool(found.broken))


async def _chaos(options: argparse.Namespace, folder: Path) -> Findings:
    began = time.monotonic()
    dice = random.Random(options.seed)  # noqa: S311  # chance that can be repeated, no secret
    (folder / "world.yaml").write_text(scenario(options.share), encoding="utf-8")
    async with AsyncExitStack() as stack:
        world = stack.enter_context(
            Program(
                ["simulate", "--scenario", "world.yaml", "--port", "0", "--speed", f"{SPEED:g}"],
                folder,
                "world",
            )
        )
        address = await world.says(r"(http://\S+)/_sim/scenario\n")
        told = fetched(f"{address}/_sim/scenario")
        port = free_port()
        database = folder / "history.db"
        document = configuration(
            told["catalogue"], f"127.0.0.1:{port}", f"sqlite:///{database}", options.deadline
        )
        (folder / "tallylight.yaml").write_text(json.dumps(document), encoding="utf-8")
        gateway = stack.enter_context(Gateway(folder, port))
        await gateway.start()
        caller = await stack.enter_async_context(Caller(gateway.address, options.deadline + _LEASE))
        names = models()
        moments = sorted(dice.uniform(0, _spread(options.kills)) for _ in range(options.creates))
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(gateway.stands())
            asking = [
                tasks.create_task(caller.ask(f"boat {number}", next(names), moment))
                for number, moment in enumerate(moments)
            ]
            kills = await _kill(gateway, options.kills, dice)
            answers = [await one for one in asking]
            watching.cancel()
        # Whoever gave up waiting, nobody else does: each video is to have an end of its own.
        await _until(lambda: not _unfinished(database), options.deadline + 2 * _LEASE)
        await gateway.stop()
        await gateway.start()
        again = await caller.look_again([told for told in answers if told.id])
        statement = fetched(f"{address}/_sim/ledger")
        await gateway.stop()
        books = _books(database)
    took = time.monotonic() - began
    return judge(answers, again, statement, books, kills=kills, seconds=took)


def _spread(kills: int) -> float:
    """Return over how many seconds the creates come: as long as the gateway is being killed."""
    return max(5.0, kills * (sum(_BETWEEN_KILLS) / 2 + 1))


async def _kill(gateway: Gateway, times: int, dice: random.Random) -> int:
    for _ in range(times):
        await asyncio.sleep(dice.uniform(*_BETWEEN_KILLS))  # noqa: TID251  # real time is the test
        gateway.kill()
        await gateway.start()
    return times


async def _until(is_so: Callable[[], bool], within: float) -> None:
    ends = time.monotonic() + within
    while time.monotonic() < ends and not is_so():  # noqa: ASYNC110  # another process's rows
        await asyncio.sleep(0.5)  # noqa: TID251  # tell no event


def _unfinished(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*) FROM videos WHERE ended_at_us IS NULL"
        return int(connection.execute(query).fetchone()[0])


def _books(database: Path) -> Books:
    """Return what the gateway itself has written down."""

    def rows(query: str) -> list[Mapping[str, object]]:
        return [dict(row) for row in connection.execute(query)]

    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return Books(
            videos=rows("SELECT * FROM videos"),
            attempts=rows("SELECT * FROM attempts ORDER BY video, number"),
            entries=rows("SELECT * FROM ledger WHERE purpose = 'traffic'"),
            notices=rows("SELECT * FROM outbox"),
        )


if __name__ == "__main__":
    main()
