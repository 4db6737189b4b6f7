"""When jobs are called slow, and when no longer: the cumulative-sum chart of durations."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.judge import initial_state, jobs_are_uncertain, judge
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.snapshot import dump_state, load_state

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0
POLICY = Policy()


def usual_seconds(count: int) -> list[float]:
    """Return durations around a minute, of a spread of .42."""
    draws = Random(1)  # noqa: S311  # a simulation
    return [60 * math.exp(draws.gauss(0, 0.42)) for _ in range(count)]


class Jobs:
    """A service whose jobs all deliver."""

    def __init__(self) -> None:
        self.state = initial_state(ServiceId("sora-2"), START)
        self.now = START

    def deliver(
        self, seconds: Iterable[float], *, each: float, source: Source = Source.GENERATION
    ) -> None:
        """Deliver jobs of these durations, one after so much time each."""
        for one in seconds:
            self.now += timedelta(seconds=each)
            latency = timedelta(seconds=one)
            evidence = Evidence(self.state.service, self.now, source, latency=latency)
            self.state = judge(self.state, evidence, POLICY)

    @property
    def status(self) -> Status:
        """Return the current status."""
        return self.state.verdict.status

    @property
    def is_uncertain(self) -> bool:
        """Tell whether a paid look is worth it now."""
        return jobs_are_uncertain(self.state, self.now, POLICY)


@pytest.fixture
def jobs() -> Jobs:
    """Return a service with a baseline of 60 paid jobs, 13 a day."""
    service = Jobs()
    service.deliver(usual_seconds(60), each=DAY / 13)
    return service


def test_paid_jobs_alone_show_that_jobs_take_four_times_as_long(jobs: Jobs) -> None:
    before = jobs.now
    jobs.deliver([240] * 2, each=DAY / 13)
    after_two = jobs.status
    jobs.deliver([240] * 2, each=300)

    assert after_two is Status.OPERATIONAL
    assert jobs.status is Status.DEGRADED
    assert jobs.now - before < timedelta(hours=4)


def test_slowness_begins_at_the_first_slow_job(jobs: Jobs) -> None:
    first_slow_at = jobs.now + timedelta(seconds=DAY / 13)
    jobs.deliver([240] * 6, each=DAY / 13)

    assert jobs.state.verdict.since == first_slow_at


def test_the_reason_says_how_much_slower_jobs_are_than_usual(jobs: Jobs) -> None:
    jobs.deliver([240] * 6, each=DAY / 13)
    reason = jobs.state.verdict.reasons[0]

    assert reason.code is ReasonCode.JOBS_SLOW
    assert reason.facts["typical_seconds"] == 240
    assert float(reason.facts["times"]) == pytest.approx(4, rel=0.3)


@settings(max_examples=25)
@given(seconds=st.floats(60, 86_400))
def test_one_job_proves_nothing_however_slow(seconds: float) -> None:
    service = Jobs()
    service.deliver([60] * 30, each=HOUR)
    service.deliver([seconds, 60, 60, seconds], each=HOUR)

    assert service.status is Status.OPERATIONAL


def test_a_suspected_slowness_is_cause_for_a_paid_look(jobs: Jobs) -> None:
    before = jobs.is_uncertain
    jobs.deliver([400], each=HOUR)
    suspected = jobs.is_uncertain
    jobs.deliver([55] * 2, each=300)

    assert (before, suspected, jobs.is_uncertain) == (False, True, False)


def test_a_suspected_recovery_is_cause_for_a_paid_look(jobs: Jobs) -> None:
    jobs.deliver([240] * 6, each=HOUR)
    while_slow = jobs.is_uncertain
    jobs.deliver([60], each=HOUR)

    assert jobs.status is Status.DEGRADED
    assert (while_slow, jobs.is_uncertain) == (False, True)


def test_jobs_at_the_usual_pace_end_slowness(jobs: Jobs) -> None:
    jobs.deliver([240] * 20, each=HOUR)
    slow = jobs.status
    jobs.deliver([60] * 4, each=300)

    assert slow is Status.DEGRADED
    assert jobs.status is Status.OPERATIONAL


def test_slow_jobs_do_not_become_the_baseline(jobs: Jobs) -> None:
    usual = jobs.state.job_history.median_seconds
    jobs.deliver([240] * 40, each=HOUR)

    assert jobs.state.job_history.median_seconds == usual


def test_after_a_week_the_new_pace_is_normal(jobs: Jobs) -> None:
    jobs.deliver([240] * 24 * 6, each=HOUR)
    after_six_days = jobs.status
    jobs.deliver([240] * 24 * 2, each=HOUR)

    assert after_six_days is Status.DEGRADED
    assert jobs.status is Status.OPERATIONAL
    assert jobs.state.job_history.median_seconds == pytest.approx(240, rel=0.06)


def test_jobs_that_are_half_as_slow_again_are_not_called_slow(jobs: Jobs) -> None:
    jobs.deliver([1.5 * each for each in usual_seconds(60)], each=DAY / 13)

    assert jobs.status is Status.OPERATIONAL


def test_callers_jobs_of_five_minutes_count_as_one() -> None:
    service = Jobs()
    service.deliver(usual_seconds(60), each=400, source=Source.TRAFFIC)
    service.deliver([300] * 200, each=1, source=Source.TRAFFIC)
    after_a_burst = service.status
    service.deliver([300] * 4, each=301, source=Source.TRAFFIC)

    assert after_a_burst is Status.OPERATIONAL
    assert service.status is Status.DEGRADED


def test_fewer_than_ten_jobs_are_no_baseline() -> None:
    service = Jobs()
    service.deliver([60] * 9, each=HOUR)
    service.deliver([600], each=HOUR)

    assert not service.is_uncertain


def test_a_restart_forgets_no_slow_job(jobs: Jobs) -> None:
    jobs.deliver([240] * 2, each=HOUR)
    jobs.state = load_state(dump_state(jobs.state))
    jobs.deliver([240] * 2, each=HOUR)

    assert jobs.status is Status.DEGRADED
    assert load_state(dump_state(jobs.state)) == jobs.state


def test_healthy_services_are_practically_never_called_slow() -> None:
    draws, alarms, months = Random(2), 0, 6  # noqa: S311  # a simulation
    service = Jobs()
    for _ in range(months * 390):
        before = service.status
        service.deliver([60 * math.exp(draws.gauss(0, 0.42))], each=DAY / 13)
        alarms += service.status is Status.DEGRADED and before is Status.OPERATIONAL

    assert alarms == 0
