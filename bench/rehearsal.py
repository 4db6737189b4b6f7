"""What a rehearsal costs: seconds of CPU and of the clock for each rule on one core.

    python bench/rehearsal.py [--services 12] [--days 90] [--traffic 0] [--ours-alone]

The trace is the one that `tallylight rehearse generate` writes by default. On a machine that others
use too, CPU seconds are the fairer figure, though they too grow where cores share their caches.
"""

import argparse
import time

from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.rules import compare_rules
from tallylight.rehearsal.run import RehearsalOptions


def main() -> None:
    """Print one line for each rule, ours first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=12)
    options.add_argument("--days", type=float, default=90)
    options.add_argument("--traffic", type=float, default=0, help="callers' jobs an hour")
    options.add_argument("--ours-alone", action="store_true")
    given = options.parse_args()
    cast = ServiceGroup(count=given.services, behaviour=Behaviour(traffic=given.traffic))
    trace = generate_trace(Recipe(days=given.days, seed=1, groups={"service": cast}))
    clock, cpu = time.perf_counter(), time.process_time()
    for line in compare_rules(trace, 0, RehearsalOptions()):
        took, worked = time.perf_counter() - clock, time.process_time() - cpu
        print(f"{line.rule:36} {took:8.1f} s  {worked:8.1f} s of CPU", flush=True)
        if given.ours_alone:
            return
        clock, cpu = time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
