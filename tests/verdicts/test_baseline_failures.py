"""What a service always loses is no partial failure, and what it usually takes is not slow."""

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.verdicts import snapshot
from tallylight.verdicts.baseline_failures import baseline_rate, update_baseline
from tallylight.verdicts.intervals import binomial_tail
from tallylight.verdicts.job_history import FailureBaseline, JobMinute
from tallylight.verdicts.judge import initial_state, judge
from tallylight.verdicts.policy import Policy
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
HALF_MINUTE = timedelta(seconds=30)
HOUR = 120  # half minutes

MINUTES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=400)


class Simulation:
    """A service whose callers send a job each half minute."""

    def __init__(self, seed: int) -> None:
        self.state = initial_state(SERVICE, START)
        self._chance = random.Random(seed)  # noqa: S311  # a seeded world
        self._policy = Policy()
        self._at = START

    def live(self, jobs: int, bad: float, latency: tuple[float, float] = (70, 90)) -> set[Status]:
        """Live through so many jobs, and return all that was shown."""
        shown = set()
        for _ in range(jobs):
            self._at += HALF_MINUTE
            failure = BROKEN if self._chance.random() < bad else None
            took = timedelta(seconds=self._chance.uniform(*latency))
            job = Evidence(SERVICE, self._at, Source.TRAFFIC, failure, took)
            self.state = judge(self.state, job, self._policy)
            shown.add(self.state.verdict.status)
        return shown

    @property
    def usual(self) -> float:
        return baseline_rate(self.state.job_history.failure_baseline, self._policy)


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_always_fails_one_job_in_twelve_is_operational(seed: int) -> None:
    simulation = Simulation(seed)

    shown = simulation.live(48 * HOUR, 0.08)

    assert shown == {Status.OPERATIONAL}
    assert 0.07 <= simulation.usual <= 0.10


@pytest.mark.parametrize("seed", range(3))
def test_three_times_as_many_failures_as_usual_are_a_partial_failure(seed: int) -> None:
    simulation = Simulation(seed)
    simulation.live(24 * HOUR, 0.08)

    during = simulation.live(HOUR, 0.35)
    simulation.live(HOUR, 0.08)

    assert Status.DEGRADED in during
    assert simulation.state.verdict.status is Status.OPERATIONAL


def test_a_lasting_partial_failure_does_not_become_the_baseline() -> None:
    simulation = Simulation(1)
    simulation.live(24 * HOUR, 0.02)
    before = simulation.usual

    hours = [simulation.live(HOUR, 0.3) for _ in range(48)]

    assert all(Status.DEGRADED in shown for shown in hours)
    assert simulation.usual <= 1.2 * before


def test_a_service_that_always_fails_three_jobs_in_ten_is_degraded() -> None:
    simulation = Simulation(2)

    shown = simulation.live(12 * HOUR, 0.3)

    assert Status.DEGRADED in shown
    assert simulation.usual <= 0.10


def test_the_baseline_survives_a_restart() -> None:
    simulation = Simulation(3)
    simulation.live(24 * HOUR, 0.08)

    again = snapshot.load_state(snapshot.dump_state(simulation.state))

    assert again.job_history.failure_baseline == simulation.state.job_history.failure_baseline
    assert again.job_history.failure_baseline.total > 1000


def test_durations_that_always_vary_widely_are_not_slow() -> None:
    simulation = Simulation(4)
    simulation.live(24 * HOUR, 0.02, (20, 200))

    shown = simulation.live(24 * HOUR, 0.02, (20, 200))
    slow = simulation.live(HOUR, 0.02, (500, 700))

    assert shown == {Status.OPERATIONAL}
    assert Status.DEGRADED in slow


@given(MINUTES, st.floats(0.001, 0.999))
def test_the_baseline_stays_within_its_bounds(counts: list[tuple[int, int]], share: float) -> None:
    policy, normal = Policy(degraded_share=share), FailureBaseline()

    for number, (good, bad) in enumerate(counts):
        normal = update_baseline(normal, [JobMinute(number, good, bad)])

    assert 0 <= normal.bad <= normal.total
    assert share <= baseline_rate(normal, policy) < 1
    assert baseline_rate(normal, policy) <= policy.max_baseline_factor * share


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 99))
def test_the_tail_is_that_of_the_binomial_distribution(one: int, other: int, percent: int) -> None:
    hits, of = sorted((one, other))
    share = Fraction(percent, 100)

    exact = sum(comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(hits, of + 1))

    assert binomial_tail(hits, of, percent / 100) == pytest.approx(float(exact), rel=1e-9)
