"""Simulates lossy and cut lines, and counts which providers the own-network rule calls silent.

    python bench/own_network.py [--runs 240] [--providers 2 3 6 40] [--seed 0]

Each provider is called once a minute, and again 10, 20 and 5 seconds after a miss; witnesses are
asked at once. After ten good minutes the line begins to lose calls, and some providers fall silent.
The figures are those of the 30 minutes that follow: the share of the others that are called silent
(false), and of the silent ones how many are called so, and after how many minutes.
"""

import argparse
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.verdicts.own_network import Call, OwnNetwork

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60.0
BEGIN, END = 10 * MINUTE, 40 * MINUTE
RETRIES = (10.0, 20.0, 5.0)
SILENT = {2: (1,), 3: (1, 2), 6: (1, 2, 3, 5), 40: (1, 2, 20, 38)}
LOSSES = (0.0, 0.05, 0.2, 0.4, 0.6)
CUTS = (40.0, 180.0, 20 * MINUTE)
"""Seconds: shorter than a round of calls, a few rounds, and long."""


@dataclass(frozen=True, slots=True)
class World:
    """One kind of trouble; a cut loses every call for so many seconds."""

    providers: int
    loss: float = 0.0
    silent: int = 0
    cut: float = 0.0


def convictions(world: World, dice: random.Random) -> dict[int, float]:
    """Return when each provider that was called silent was, in seconds from the begin."""
    network, found = OwnNetwork(), dict[int, float]()
    misses = [0] * world.providers
    due = [dice.uniform(0, MINUTE) for _ in range(world.providers)]
    heap = [(at, n) for n, at in enumerate(due)]
    heapq.heapify(heap)
    while heap and heap[0][0] < END:
        now, n = heapq.heappop(heap)
        if due[n] != now:
            continue
        missed = _misses(world, n, now, dice)
        at = START + timedelta(seconds=now)
        failure = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "exception:timeout")
        piece = Evidence(ServiceId(str(n)), at, Source.REACH, failure if missed else None)
        call = Call(ProviderId(str(n)), str(n), "reach", at, at, missed)
        ruling = network.observe(call, piece)
        if missed and ruling.counted:
            found.setdefault(n, now - BEGIN)
        misses[n] = misses[n] + 1 if missed else 0
        due[n] = now + (RETRIES[misses[n] - 1] if 0 < misses[n] <= len(RETRIES) else _pace(dice))
        heapq.heappush(heap, (due[n], n))
        for name in ruling.witnesses:
            due[int(name)] = now
            heapq.heappush(heap, (now, int(name)))
    return found


def _misses(world: World, n: int, now: float, dice: random.Random) -> bool:
    if now < BEGIN:
        return False
    if now < BEGIN + world.cut or n < world.silent:
        return True
    return dice.random() < world.loss


def _pace(dice: random.Random) -> float:
    return MINUTE * dice.uniform(0.9, 1.1)


def _worlds(providers: int) -> Iterator[World]:
    for silent in (0, *SILENT[providers]):
        for loss in LOSSES:
            yield World(providers, loss, silent)
    for cut in CUTS:
        yield World(providers, cut=cut)


def main() -> None:
    """Print one line per world."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=240)
    options.add_argument("--providers", type=int, nargs="*", default=list(SILENT))
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    print("| providers | loss | silent | false | seen | median, min | p90, min |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for providers in given.providers:
        for world in _worlds(providers):
            print(_row(world, given.runs, given.seed), flush=True)


def _row(world: World, runs: int, seed: int) -> str:
    false, delays = 0, list[float]()
    for run in range(runs):
        dice = random.Random(f"{seed}/{run}/{world}")  # noqa: S311  # a simulation
        found = convictions(world, dice)
        false += sum(n >= world.silent for n in found)
        delays += sorted(at / MINUTE for n, at in found.items() if n < world.silent)
    others, silent = runs * (world.providers - world.silent), runs * world.silent
    line = f"cut of {world.cut:g} s" if world.cut else f"{world.loss:.0%}"
    row = f"| {world.providers} | {line} | {world.silent} | {100 * false / others:.1f}% |"
    if not silent:
        return f"{row} – | – | – |"
    delays = sorted(delays) + [float("inf")] * (silent - len(delays))
    seen = sum(delay < END for delay in delays) / silent
    return f"{row} {seen:.0%} | {median(delays):.1f} | {delays[int(0.9 * silent)]:.1f} |"


if __name__ == "__main__":
    main()
