"""What is learned of how often and how long the jobs of a service fail."""

from datetime import UTC, datetime, timedelta

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access
from tallylight.verdicts import snapshot
from tallylight.verdicts.judge import initial_state, judge
from tallylight.verdicts.outage_history import expected_outages
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
POLICY = Policy(jobs_ttl=timedelta(days=2))
SIGN = Failure(FailureKind.RISK_CONTROL, Fault.UPSTREAM, "body:challenge", http_status=403)


def _state_after(policy: Policy, *results: tuple[float, Failure | None]) -> ServiceState:
    state = initial_state(SERVICE, START)
    for hours, failure in results:
        at = START + timedelta(hours=hours)
        state = judge(state, Evidence(SERVICE, at, Source.GENERATION, failure), policy)
    return state


def _outage(begin: float, hours: int) -> list[tuple[float, Failure | None]]:
    bad = [(begin + n / 4, BROKEN) for n in range(4 * hours)]
    return [*bad, *((begin + hours + n / 4, None) for n in range(4))]


def test_outages_and_their_duration_are_learned_and_survive_a_restart() -> None:
    state = _state_after(POLICY, (0, None), *_outage(24, 3), *_outage(72, 5))

    restored = snapshot.load_state(snapshot.dump_state(state))

    assert restored.job_history.outage_history.outages == 2
    assert restored.job_history.outage_history.down_seconds == 8 * 3600


def test_a_service_that_fails_often_is_expected_to_fail_again() -> None:
    now = START + timedelta(days=4)
    calm = _state_after(POLICY, (0, None), (90, None))
    stormy = _state_after(POLICY, (0, None), *_outage(24, 3), *_outage(48, 3), *_outage(72, 3))

    assert (
        expected_outages(stormy, now, POLICY).mean_time_between
        < expected_outages(calm, now, POLICY).mean_time_between
    )
    assert (
        expected_outages(stormy, now, POLICY).mean_duration
        > expected_outages(calm, now, POLICY).mean_duration
    )


def test_a_relapse_is_no_new_outage() -> None:
    state = _state_after(POLICY, (0, None), *_outage(24, 3), *_outage(28, 1))

    assert state.job_history.outage_history.outages == 1


def test_signs_of_risk_control_are_never_learned_as_false_alarms() -> None:
    policy = Policy(access=Access.REVERSE, jobs_ttl=timedelta(days=2))
    results = [(n, SIGN if n % 8 == 7 else None) for n in range(400)]

    state = _state_after(policy, *results)

    assert state.jobs.false_alarms.bad == 0


def test_time_between_rare_jobs_shows_less_of_how_rare_outages_are() -> None:
    now = START + timedelta(days=14)
    rare = _state_after(POLICY, *((hours, None) for hours in range(0, 336, 16)))
    often = _state_after(POLICY, *((minutes / 6, None) for minutes in range(2016)))

    expected = [expected_outages(each, now, POLICY).mean_time_between for each in (rare, often)]

    assert timedelta(days=3.3) < expected[0] < timedelta(days=3.6)
    assert timedelta(days=4.5) < expected[1] < timedelta(days=4.8)


def test_how_much_was_seen_survives_a_restart() -> None:
    state = _state_after(POLICY, (0, None), *_outage(24, 3), (40, None))

    restored = snapshot.load_state(snapshot.dump_state(state))

    assert restored.job_history.outage_history == state.job_history.outage_history
    assert restored.job_history.outage_history.exposed_seconds > 0
