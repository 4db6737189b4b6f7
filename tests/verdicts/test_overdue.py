"""Jobs that still run long after any job of their service should have ended."""

from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.judge import initial_state, jobs_are_uncertain, judge
from tallylight.verdicts.overdue import overdue_after, overdue_failure
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.snapshot import dump_state, load_state
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE = 3600.0, 60.0
POLICY = Policy()
JOB_TIMEOUT = timedelta(minutes=20)
STALLED = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "job:stalled", "no video after 1200 s")


class Jobs:
    """A service whose jobs of a minute were delivered every five hours, until now."""

    def __init__(self) -> None:
        self.state = initial_state(ServiceId("sora-2"), START)
        for n in range(12):
            self.end(-5 * HOUR * (12 - n), 60)

    def end(
        self,
        sent_at: float,
        age: float,
        failure: Failure | None = None,
        source: Source = Source.GENERATION,
    ) -> None:
        """Report a job that was sent at this time, at this age."""
        at, latency = self.at(sent_at + age), timedelta(seconds=age)
        evidence = Evidence(self.state.service, at, source, failure, latency)
        self.state = judge(self.state, evidence, POLICY)

    def overdue(self, sent_at: float, source: Source = Source.GENERATION) -> None:
        """Report that a job that was sent at this time is overdue."""
        self.end(sent_at, 4 * MINUTE, overdue_failure(timedelta(minutes=4)), source)

    def page_reports(self, at: float) -> None:
        """Let the status page report an outage."""
        claim = Evidence(
            self.state.service, self.at(at), Source.FEED, claimed_status=Status.SUSPENDED
        )
        self.state = judge(self.state, claim, POLICY)

    @property
    def status(self) -> Status:
        """Return the current status."""
        return self.state.verdict.status

    @staticmethod
    def at(seconds: float) -> datetime:
        """Return a moment; 0 is ten days after the start."""
        return START + timedelta(days=10, seconds=seconds)


@pytest.fixture
def jobs() -> Jobs:
    """Return a service with a baseline."""
    return Jobs()


def test_one_overdue_job_alone_is_doubt(jobs: Jobs) -> None:
    jobs.overdue(0)

    assert jobs.status is Status.OPERATIONAL
    assert jobs_are_uncertain(jobs.state, jobs.at(4 * MINUTE), POLICY)


def overdue_facts(jobs: Jobs) -> list[dict[str, str | int | float]]:
    """Return the facts of the reason that tells of overdue jobs."""
    told = [r for r in jobs.state.verdict.reasons if r.code is ReasonCode.JOBS_OVERDUE]
    return [dict(reason.facts) for reason in told]


def test_an_overdue_job_is_a_reason_of_its_own(jobs: Jobs) -> None:
    jobs.overdue(0)
    (facts,) = overdue_facts(jobs)

    assert facts == {
        "jobs": 1,
        "sent_at": jobs.at(0).isoformat(),
        "seconds": 240,
        "source": "generation",
        "median_seconds": pytest.approx(60, rel=0.05),
    }

    jobs.overdue(4 * MINUTE)
    failing, overdue, *_ = jobs.state.verdict.reasons
    assert (failing.code, overdue.code) == (ReasonCode.JOBS_FAILING, ReasonCode.JOBS_OVERDUE)
    assert overdue.facts["jobs"] == 2
    assert "answer" not in failing.facts  # its text is ours, and the other reason tells it


def test_a_late_video_or_a_job_after_it_ends_the_reason(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.end(0, 5 * MINUTE)
    after_delivery = overdue_facts(jobs)
    jobs.overdue(HOUR)
    jobs.end(HOUR + 5 * MINUTE, MINUTE)

    assert after_delivery == overdue_facts(jobs) == []


def test_two_overdue_jobs_are_down(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.overdue(4 * MINUTE)

    assert jobs.status is Status.DEGRADED
    assert jobs.state.verdict.since == jobs.at(4 * MINUTE)


def test_an_overdue_job_beside_a_failed_one_is_down(jobs: Jobs) -> None:
    jobs.end(0, 30, BROKEN)
    after_one_failure = jobs.status
    jobs.overdue(MINUTE)

    assert after_one_failure is Status.OPERATIONAL
    assert jobs.status is Status.DEGRADED


def test_an_overdue_paid_job_beside_a_red_page_is_down(jobs: Jobs) -> None:
    jobs.page_reports(0)
    jobs.overdue(MINUTE)

    assert jobs.status is Status.SUSPENDED


def test_an_overdue_job_that_stalls_counts_once(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.end(0, 20 * MINUTE, STALLED)

    assert jobs.status is Status.OPERATIONAL
    assert jobs.state.jobs.current_run is not None
    assert jobs.state.jobs.current_run.length == 1


def test_an_overdue_job_that_fails_in_the_end_counts_once(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.end(0, 10 * MINUTE, BROKEN)

    assert jobs.status is Status.OPERATIONAL
    assert not jobs.state.job_history.overdue


def test_an_overdue_job_is_reported_twice_and_counts_once(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.end(0, 5 * MINUTE, overdue_failure(timedelta(minutes=5)))

    assert jobs.status is Status.OPERATIONAL


def test_overdue_jobs_that_deliver_take_the_outage_back(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.overdue(4 * MINUTE)
    down = jobs.status
    jobs.end(0, 10 * MINUTE)

    assert down is Status.DEGRADED
    assert jobs.status is Status.OPERATIONAL


def test_an_overdue_job_that_delivers_leaves_no_trace_of_a_failure(jobs: Jobs) -> None:
    undisturbed = Jobs()
    undisturbed.end(0, 10 * MINUTE)
    jobs.overdue(0)
    jobs.end(0, 10 * MINUTE)

    assert jobs.state.jobs.log_odds == pytest.approx(undisturbed.state.jobs.log_odds, abs=0.5)
    assert jobs.state.jobs.false_alarms == undisturbed.state.jobs.false_alarms
    assert sum(minute.bad for minute in jobs.state.job_history.minutes) == 0
    assert jobs.state.job_history.slowness == undisturbed.state.job_history.slowness


def test_a_callers_stalled_job_that_delivers_is_taken_back_as_well(jobs: Jobs) -> None:
    for n in range(3):
        jobs.end(n * MINUTE, 3 * MINUTE, STALLED, Source.TRAFFIC)
    down = jobs.status
    for n in range(3):
        jobs.end(n * MINUTE, 7 * MINUTE, source=Source.TRAFFIC)

    assert down is Status.DEGRADED
    assert jobs.status is Status.OPERATIONAL


def test_a_job_is_overdue_after_four_times_the_slowest_twentieth() -> None:
    slow = initial_state(ServiceId("sora-2"), START)
    for n in range(12):
        at = START + timedelta(hours=n)
        evidence = Evidence(slow.service, at, Source.GENERATION, latency=timedelta(minutes=2))
        slow = judge(slow, evidence, POLICY)

    limit = overdue_after(slow.job_history, POLICY, JOB_TIMEOUT)

    assert limit is not None
    assert limit == pytest.approx(timedelta(minutes=8), abs=timedelta(seconds=40))


def test_no_job_is_overdue_within_three_minutes(jobs: Jobs) -> None:
    for n in range(400):
        jobs.end(n * MINUTE, 5)

    assert overdue_after(jobs.state.job_history, POLICY, JOB_TIMEOUT) == timedelta(minutes=3)


def test_no_job_is_overdue_without_a_baseline_or_after_its_time_limit(jobs: Jobs) -> None:
    empty = initial_state(ServiceId("sora-2"), START)

    assert overdue_after(empty.job_history, POLICY, JOB_TIMEOUT) is None
    assert overdue_after(jobs.state.job_history, POLICY, timedelta(minutes=2)) is None


def test_a_restart_remembers_overdue_jobs(jobs: Jobs) -> None:
    jobs.overdue(0)
    jobs.state = load_state(dump_state(jobs.state))
    jobs.end(0, 20 * MINUTE, STALLED)

    assert jobs.status is Status.OPERATIONAL
