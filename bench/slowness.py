"""How soon the judge finds jobs that have become slower, and how often it does so without a cause.

usage: python bench/slowness.py [--months 300] [--trials 300]

The jobs are log-normal; each trial begins with a baseline of 60 of them. "False" is how often a
service without a change is called slow, per month of it.
"""

import argparse
import math
import random
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Source
from tallylight.verdicts.durations import with_duration
from tallylight.verdicts.job_history import DeliveredVideo, JobHistory
from tallylight.verdicts.policy import Policy

_START = datetime(2026, 1, 1, tzinfo=UTC)
_MEDIAN_S = 75.0
_BASELINE_JOBS = 60
_MAX_JOBS = 60
_SPREADS = (0.25, 0.42, 0.6)
_POLICY = Policy()


class Service:
    """A service whose jobs end at an even pace."""

    def __init__(self, per_day: float, source: Source) -> None:
        self._between, self._source = timedelta(days=1 / per_day), source
        self._at, self.history = _START, JobHistory()

    def end_job(self, deviation: float) -> bool:
        """Let a job end this logarithm later than usual; tell whether jobs are slow."""
        self._at += self._between
        delivery = DeliveredVideo(self._at, self._source, _MEDIAN_S * math.exp(deviation))
        self.history = with_duration(self.history, delivery, _POLICY)
        return self.history.slow_since is not None


def jobs_until_seen(factor: float, spread: float, per_day: float, trial: int) -> int | None:
    """Return how many slower jobs it takes; None if 60 do not suffice."""
    draws = random.Random(f"{factor}/{spread}/{trial}")  # noqa: S311  # a simulation
    service = Service(per_day, Source.GENERATION)
    for _ in range(_BASELINE_JOBS):
        service.end_job(draws.gauss(0, spread))
    for count in range(1, _MAX_JOBS + 1):
        if service.end_job(math.log(factor) + draws.gauss(0, spread)):
            return count
    return None


def false_alarms(deviations: Iterator[float], per_day: float, source: Source, days: float) -> int:
    """Return how often a service without a change is called slow."""
    service, alarms, was_slow = Service(per_day, source), 0, False
    for _ in range(int(days * per_day)):
        is_slow = service.end_job(next(deviations))
        alarms += is_slow and not was_slow
        was_slow = is_slow
    return alarms


def normal(spread: float, seed: str) -> Iterator[float]:
    """Yield log-normal durations."""
    draws = random.Random(seed)  # noqa: S311  # a simulation
    while True:
        yield draws.gauss(0, spread)


def with_outliers(spread: float, seed: str) -> Iterator[float]:
    """Yield log-normal durations of which three in a hundred are three times as long."""
    draws = random.Random(seed)  # noqa: S311  # a simulation
    while True:
        yield draws.gauss(0, spread) + (math.log(3) if draws.random() < 0.03 else 0.0)


def heavy_tailed(spread: float, seed: str) -> Iterator[float]:
    """Yield durations whose logarithms are of Student's t with four degrees of freedom."""
    draws = random.Random(seed)  # noqa: S311  # a simulation
    while True:
        scale = math.sqrt(sum(draws.gauss(0, 1) ** 2 for _ in range(4)) / 4)
        yield spread * draws.gauss(0, 1) / scale


def correlated(spread: float, seed: str) -> Iterator[float]:
    """Yield log-normal durations that are correlated by .5 from one to the next."""
    draws, value = random.Random(seed), 0.0  # noqa: S311  # a simulation
    while True:
        value = 0.5 * value + math.sqrt(0.75) * draws.gauss(0, 1)
        yield spread * value


def _print_delays(trials: int) -> None:
    print("| slower | spread | jobs until seen: median | p90 | never |")
    print("| --- | --- | --- | --- | --- |")
    for factor in (4.0, 3.0, 2.0, 1.5):
        for spread in _SPREADS:
            found = [jobs_until_seen(factor, spread, 13, trial) for trial in range(trials)]
            counts = sorted(_MAX_JOBS + 1 if each is None else each for each in found)
            p90 = counts[int(0.9 * len(counts))]
            median, never = statistics.median(counts), found.count(None)
            print(f"| ×{factor:g} | {spread} | {median:g} | {p90} | {never} |")


def _print_false_alarms(months: int) -> None:
    print("\n| jobs | a day | spread | false a month |\n| --- | --- | --- | --- |")
    cases = (
        ("log-normal", normal, 13, Source.GENERATION, months),
        ("3 % of them ×3", with_outliers, 13, Source.GENERATION, months),
        ("Student's t, 4 degrees", heavy_tailed, 13, Source.GENERATION, months),
        ("log-normal, callers'", normal, 288, Source.TRAFFIC, max(1, months // 40)),
        ("correlated, callers'", correlated, 288, Source.TRAFFIC, max(1, months // 40)),
        ("correlated, callers'", correlated, 2880, Source.TRAFFIC, max(1, months // 200)),
    )
    for name, draw, per_day, source, length in cases:
        for spread in _SPREADS:
            count = false_alarms(draw(spread, name), per_day, source, 30 * length)
            print(f"| {name} | {per_day} | {spread} | {count / length:.3f} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--months", type=int, default=300)
    parser.add_argument("--trials", type=int, default=300)
    options = parser.parse_args()
    _print_delays(options.trials)
    _print_false_alarms(options.months)


if __name__ == "__main__":
    main()
