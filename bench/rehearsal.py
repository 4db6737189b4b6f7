"""Measures CPU and wall time of a rehearsal for each rule on one core.

    python bench/rehearsal.py [--services 12] [--days 90] [--traffic 0] [--ours-alone]

The trace is the default of `tallylight rehearse generate`. On a shared machine CPU seconds are more
reliable, although they grow too where cores share caches.
"""

import argparse
import time

from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.rules import compare_rules
from tallylight.rehearsal.run import RehearsalOptions


def main() -> None:
    """Print one line per rule, ours first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=12)
    options.add_argument("--days", type=float, default=90)
    options.add_argument("--traffic", type=float, default=0, help="callers' jobs per hour")
    options.add_argument("--ours-alone", action="store_true")
    given = options.parse_args()
    group = ServiceGroup(count=given.services, behaviour=Behaviour(traffic=given.traffic))
    trace = generate_trace(Recipe(days=given.days, seed=1, groups={"service": group}))
    clock, cpu = time.perf_counter(), time.process_time()
    for result in compare_rules(trace, 0, RehearsalOptions()):
        wall_s, cpu_s = time.perf_counter() - clock, time.process_time() - cpu
        print(f"{result.rule:36} {wall_s:8.1f} s  {cpu_s:8.1f} s of CPU", flush=True)
        if given.ours_alone:
            return
        clock, cpu = time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
