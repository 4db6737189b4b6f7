"""Checks that no video is paid twice, lost or left unfinished, whatever stalls, stops or dies.

    python -m bench.chaos [--troubles NAME …] [--rounds N] [--creates N] [--seed S] [--list]
                          [--parallel 3] [--time-scale 1] [--keep FOLDER] [--json]
                          [--every-protocol] [--kills 20] [--share 0.045] [--deadline 40]

A simulator runs in its own process; its ledger is the ground truth. Callers use the official SDK,
which repeats a request without a response; every second request has an `Idempotency-Key`. Meanwhile
a trouble strikes the gateway, its clock or its database. Prints one line for each round, then a
table with one row for each trouble; exits with status 1 if a promise is broken.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path

from bench.chaos.callers import CallerRecord
from bench.chaos.checks import ChaosReport, Observations, check_promises
from bench.chaos.processes import ImpossibleHereError, fetch_json
from bench.chaos.records import gateway_records
from bench.chaos.results import TroubleResult, results_table
from bench.chaos.stage import Audience, Stage, opened_stage
from bench.chaos.troubles import Trouble, all_troubles, kill_setup, kills
from bench.chaos.world import every_protocol


def main() -> None:
    """Run the bench, print the results, and exit with 1 if a promise is broken."""
    options = _options()
    kill = Trouble(
        "kills",
        f"eight faults at all services, and {options.kills} times SIGKILL",
        kills(options.kills),
        kill_setup(options.kills, options.share, options.deadline, 500),
    )
    troubles = all_troubles(kill)
    if options.list:
        print("\n".join(f"{trouble.name:24} {trouble.summary}" for trouble in troubles.values()))
        return
    unknown = [name for name in options.troubles if name not in troubles]
    if unknown:
        sys.exit(f"no such trouble: {', '.join(unknown)}; there are {', '.join(troubles)}")
    chosen = [troubles[name] for name in options.troubles or troubles]
    with tempfile.TemporaryDirectory(
        prefix="tallylight-chaos-", ignore_cleanup_errors=True
    ) as scratch:
        folder = (options.keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        results = asyncio.run(_run_all(chosen, options, folder))
    if options.json:
        print(json.dumps([result.as_json() for result in results]))
    else:
        print(results_table(results))
    sys.exit(any(result.is_broken for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--troubles", nargs="+", default=[], metavar="NAME", help="default: all")
    parser.add_argument("--rounds", type=int, default=1, help="of each trouble")
    parser.add_argument(
        "--creates", type=int, help="in each round (default: 500 in 'kills', 100 in others)"
    )
    parser.add_argument(
        "--every-protocol",
        action="store_true",
        help="one service of each protocol and dialect in each route, in place of four services",
    )
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--list", action="store_true", help="name the troubles")
    parser.add_argument("--parallel", type=int, default=3, help="rounds of one trouble at a time")
    parser.add_argument("--time-scale", type=float, default=1.0, help="of stalls and stops")
    parser.add_argument("--kills", type=int, default=20, help="in a round of 'kills'")
    parser.add_argument("--share", type=float, default=0.045, help="of each fault, in 'kills'")
    parser.add_argument("--deadline", type=float, default=40.0, help="of a video, in 'kills'")
    parser.add_argument("--keep", type=Path, help="folder for databases and logs")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def _run_all(
    troubles: Sequence[Trouble], options: argparse.Namespace, folder: Path
) -> list[TroubleResult]:
    task = asyncio.current_task()
    assert task is not None
    for ends in (signal.SIGTERM, signal.SIGINT):  # what a round has started ends with it
        asyncio.get_running_loop().add_signal_handler(ends, task.cancel)
    return [await _run_rounds(trouble, options, folder) for trouble in troubles]


async def _run_rounds(trouble: Trouble, options: argparse.Namespace, folder: Path) -> TroubleResult:
    """Run all rounds of a trouble, a few at a time: a round mostly waits."""
    slots = asyncio.Semaphore(options.parallel)

    async def run_one(number: int) -> ChaosReport | str | ImpossibleHereError:
        async with slots:
            place = folder / f"{trouble.name}-{number}"
            place.mkdir()
            try:
                report = await _run_round(trouble, options, place, options.seed + number)
            except Exception as error:  # noqa: BLE001  # a round that fails is a result
                cause = _cause(error)
                log(f"{trouble.name} {number}: {cause!r}")
                return cause if isinstance(cause, ImpossibleHereError) else repr(cause)
            log(f"{trouble.name} {number}: {_one_line(report)}")
            return report

    done = await asyncio.gather(*(run_one(number) for number in range(options.rounds)))
    return TroubleResult(
        trouble.name,
        [one for one in done if isinstance(one, ChaosReport)],
        [one for one in done if isinstance(one, str)],
        next((str(one) for one in done if isinstance(one, ImpossibleHereError)), ""),
    )


async def _run_round(
    trouble: Trouble, options: argparse.Namespace, folder: Path, seed: int
) -> ChaosReport:
    started_at = time.monotonic()
    rng = random.Random(seed)  # noqa: S311  # repeatable, not a secret
    setup = trouble.setup
    if options.creates is not None:
        setup = replace(setup, creates=options.creates)
    if options.every_protocol:
        setup = replace(setup, world=every_protocol(), missing=())
    async with (
        opened_stage(setup, folder, rng, options.time_scale) as stage,
        asyncio.TaskGroup() as tasks,
    ):
        watching = [tasks.create_task(gateway.watch()) for gateway in stage.gateways]
        audience = Audience(stage, tasks)
        async with aclosing(audience.caller):
            await trouble.strike(stage)
            records = await audience.records()
            # Every video must end, even if its caller has stopped waiting.
            await stage.all_ended()
            for watch in watching:
                watch.cancel()
            seen = await _observations(stage, audience, records)
    taken_over = sum(gateway.log.count('"video.taken_over"') for gateway in stage.gateways)
    stage.notes.append(f"{taken_over} taken over")
    kept = json.dumps(asdict(seen), default=str, indent=1)
    await asyncio.to_thread((folder / "observations.json").write_text, kept)
    report = check_promises(seen)
    seconds = round(time.monotonic() - started_at, 1)
    return replace(report, seconds=seconds, notes=stage.notes)


async def _observations(
    stage: Stage, audience: Audience, records: Sequence[CallerRecord]
) -> Observations:
    """Return what the round has left, after a restart of all gateways."""
    for gateway in stage.gateways:
        await gateway.stop()
    for gateway in stage.gateways:
        await gateway.start()
    later = await audience.caller.retrieve_again([one for one in records if one.id])
    ledger = await fetch_json(f"{stage.simulator}/_sim/ledger")
    deaf = [stretch for gateway in stage.gateways for stretch in gateway.deaf]
    for gateway in stage.gateways:
        await gateway.stop()
    return Observations(
        records,
        later,
        ledger["entries"],
        await asyncio.to_thread(gateway_records, stage.database_url),
        deaf,
        is_alone=len(stage.gateways) == 1,
        listing=stage.setup.world.listing,
        memory_gap=stage.memory_gap,
    )


def _cause(error: BaseException) -> BaseException:
    """Return the first error of nested groups."""
    return _cause(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _one_line(report: ChaosReport) -> str:
    failed = {**report.failed, **report.refused}
    return (
        f"{report.seconds} s, {report.delivered} of {report.creates} delivered, failed {failed}, "
        f"billed ${report.billed}, written ${report.written}, {'; '.join(report.notes)}; "
        f"broken: {dict(report.broken) or 'nothing'}"
    )


def log(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
