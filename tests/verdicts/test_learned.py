"""What was learned of a service, and that it outlives a restart."""

from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.verdicts import snapshot
from tallylight.verdicts.judge import has_conflicting_evidence, initial_state, judge
from tallylight.verdicts.learned import learned_figures
from tallylight.verdicts.policy import Policy

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
BROKEN = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:503", http_status=503)
JOB = timedelta(seconds=70)


def _job(minutes: float, failure: Failure | None = None) -> Evidence:
    at = START + timedelta(minutes=minutes)
    return Evidence(SERVICE, at, Source.GENERATION, failure, JOB)


def test_nothing_is_learned_of_a_service_that_nobody_watched() -> None:
    found = learned_figures(initial_state(SERVICE, START), Policy())

    assert (found.jobs.rate, found.jobs.is_learned) == (0.03, False)
    assert (found.api.rate, found.api.is_learned) == (0.05, False)
    assert found.feed_lag is None
    assert found.median_job is None


def test_noise_and_usual_time_are_learned_and_outlive_a_restart() -> None:
    standing = initial_state(SERVICE, START)
    for n in range(400):
        standing = judge(standing, _job(60 * n, BROKEN if n % 8 == 5 else None), Policy())

    found = learned_figures(snapshot.load_state(snapshot.dump_state(standing)), Policy())

    assert found == learned_figures(standing, Policy())
    assert found.jobs.is_learned
    assert 0.1 < found.jobs.rate < 0.2
    assert found.median_job is not None
    assert abs(found.median_job - JOB) < timedelta(seconds=5)


def test_the_lag_of_a_page_is_learned_from_outages_that_were_known_before() -> None:
    standing = judge(initial_state(SERVICE, START), _job(0), Policy())
    for minutes in (10, 11, 12, 13):
        standing = judge(standing, _job(minutes, BROKEN), Policy())
    told = Evidence(
        SERVICE, START + timedelta(minutes=30), Source.FEED, claimed_status=standing.verdict.status
    )

    found = learned_figures(judge(standing, told, Policy()), Policy())

    assert found.feed_lag == timedelta(minutes=20)


def test_the_first_results_that_contradict_the_rest_are_at_odds_with_it() -> None:
    policy = Policy()
    up = judge(initial_state(SERVICE, START), _job(0), policy)
    once = judge(up, _job(60, BROKEN), policy)
    down = once
    for minutes in (61, 62, 63, 64):
        down = judge(down, _job(minutes, BROKEN), policy)
    passing = judge(down, _job(65), policy)
    partly = judge(judge(passing, _job(66, BROKEN), policy), _job(67), policy)

    assert not has_conflicting_evidence(up)
    assert has_conflicting_evidence(once)
    assert not has_conflicting_evidence(down)
    assert has_conflicting_evidence(passing)
    assert not has_conflicting_evidence(partly)
