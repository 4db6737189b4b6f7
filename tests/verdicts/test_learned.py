"""What was learned of a service, and that it outlives a restart."""

from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.model.ids import ServiceId
from tallylight.verdicts import snapshot
from tallylight.verdicts.judge import has_conflicting_evidence, initial_state, judge
from tallylight.verdicts.learned import learned_figures
from tallylight.verdicts.policy import Policy
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
JOB = timedelta(seconds=70)


def _job(minutes: float, failure: Failure | None = None) -> Evidence:
    at = START + timedelta(minutes=minutes)
    return Evidence(SERVICE, at, Source.GENERATION, failure, JOB)


def test_nothing_is_learned_without_evidence() -> None:
    result = learned_figures(initial_state(SERVICE, START), Policy())

    assert (result.jobs.rate, result.jobs.is_learned) == (0.03, False)
    assert (result.api.rate, result.api.is_learned) == (0.05, False)
    assert result.feed_lag is None
    assert result.median_job is None


def test_false_alarms_and_durations_are_learned_and_survive_a_restart() -> None:
    state = initial_state(SERVICE, START)
    for n in range(400):
        state = judge(state, _job(60 * n, BROKEN if n % 8 == 5 else None), Policy())

    result = learned_figures(snapshot.load_state(snapshot.dump_state(state)), Policy())

    assert result == learned_figures(state, Policy())
    assert result.jobs.is_learned
    assert 0.1 < result.jobs.rate < 0.2
    assert result.median_job is not None
    assert abs(result.median_job - JOB) < timedelta(seconds=5)


def test_the_lag_of_a_feed_is_learned_from_outages_that_were_known_before() -> None:
    state = judge(initial_state(SERVICE, START), _job(0), Policy())
    for minutes in (10, 11, 12, 13):
        state = judge(state, _job(minutes, BROKEN), Policy())
    claim = Evidence(
        SERVICE, START + timedelta(minutes=30), Source.FEED, claimed_status=state.verdict.status
    )

    result = learned_figures(judge(state, claim, Policy()), Policy())

    assert result.feed_lag == timedelta(minutes=20)


def test_the_first_results_that_contradict_the_layer_are_conflicting() -> None:
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
