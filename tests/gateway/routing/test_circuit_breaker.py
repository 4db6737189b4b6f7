"""The circuit breaker: failures, waiting times and recovery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.routing.circuit_breaker import (
    CLOSED_BREAKER,
    BreakerState,
    CircuitBreaker,
    failure_discount,
    remaining_wait,
    traffic_share,
    with_acceptance,
    with_delivery,
    with_failure,
)
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId
from tests.builders import BROKEN

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CALLERS = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "status:400", http_status=400)
BUSY = Failure(
    FailureKind.RATE_LIMITED, Fault.OURS, "status:429", retry_after=timedelta(seconds=30)
)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def failed(times: int, state: BreakerState = CLOSED_BREAKER) -> BreakerState:
    for _ in range(times):
        state = with_failure(state, BROKEN, NOON)
    return state


def test_one_failure_counts_at_once_and_its_effect_decays() -> None:
    state = failed(1)

    assert failure_discount(state, NOON) == pytest.approx(0.5)
    assert failure_discount(state, later(120)) == pytest.approx(0.5**0.5)
    assert failure_discount(state, later(3600)) > 0.99
    assert traffic_share(state, NOON) == 1.0


def test_a_delivery_clears_single_failures() -> None:
    assert failure_discount(with_delivery(failed(2)), NOON) == 1.0
    assert traffic_share(with_delivery(failed(2)), NOON) == 1.0


def test_a_caller_s_fault_changes_nothing() -> None:
    assert with_failure(CLOSED_BREAKER, CALLERS, NOON) == CLOSED_BREAKER


def test_a_rate_limited_service_gets_no_requests_for_the_time_it_names() -> None:
    state = with_failure(CLOSED_BREAKER, BUSY, NOON)

    assert remaining_wait(state, later(10)) == timedelta(seconds=20)
    assert remaining_wait(state, later(30)) is None
    assert failure_discount(state, NOON) == 1.0


def test_three_failures_in_a_row_open_the_breaker_and_each_further_one_for_longer() -> None:
    assert [traffic_share(failed(n), NOON) for n in (2, 3)] == [1.0, 0.0]
    assert traffic_share(failed(3), later(9)) == 0.0
    assert traffic_share(failed(3), later(10)) == pytest.approx(0.05)
    assert traffic_share(failed(4), later(19)) == 0.0
    assert traffic_share(failed(4), later(20)) == pytest.approx(0.05)
    assert traffic_share(failed(500), later(300)) == pytest.approx(0.05)


def test_an_impaired_service_needs_more_failures_to_open_the_breaker() -> None:
    assert traffic_share(failed(9), NOON, failures_to_open=10) == 1.0
    assert traffic_share(failed(10), NOON, failures_to_open=10) == 0.0


def test_the_share_of_a_recovering_service_grows_with_its_deliveries() -> None:
    state, shares = failed(3), []

    for _ in range(5):
        state = with_delivery(with_acceptance(state, NOON))
        shares.append(traffic_share(state, later(10)))

    assert shares == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert state is CLOSED_BREAKER


def test_a_recovering_service_has_at_most_its_deliveries_plus_one_in_flight() -> None:
    state = with_acceptance(failed(3), later(10))

    assert traffic_share(state, later(11)) == 0.0
    state = with_delivery(state)
    assert traffic_share(state, later(12)) == pytest.approx(0.1)
    state = with_acceptance(with_acceptance(state, later(12)), later(13))
    assert traffic_share(state, later(14)) == 0.0


def test_a_trial_without_a_known_end_expires() -> None:
    state = with_acceptance(failed(3), later(10))

    assert traffic_share(state, later(10 + 19 * 60)) == 0.0
    assert traffic_share(state, later(10 + 20 * 60)) == pytest.approx(0.05)


def test_a_failure_during_recovery_opens_the_breaker_again() -> None:
    state = with_failure(with_delivery(failed(3)), BROKEN, later(60))

    assert traffic_share(state, later(61)) == 0.0
    assert traffic_share(state, later(70)) == pytest.approx(0.05)


EVENTS = st.lists(st.sampled_from([BROKEN, CALLERS, BUSY, "accepted", "delivered"]), max_size=60)


@given(events=EVENTS, failures_to_open=st.integers(1, 10))
def test_after_any_events_every_service_gets_requests_again(
    events: list[Failure | str], failures_to_open: int
) -> None:
    breaker, service, at = CircuitBreaker(), ServiceId("a"), NOON
    for event in events:
        at += timedelta(seconds=1)
        if isinstance(event, Failure):
            breaker.record_failure(service, event, at)
        elif event == "accepted":
            breaker.record_acceptance(service, at)
        else:
            breaker.record_delivery(service, at)

    state = breaker.state(service)

    assert 0.0 <= traffic_share(state, at, failures_to_open) <= 1.0
    assert 0.0 < failure_discount(state, at) <= 1.0
    much_later = at + timedelta(hours=2)
    assert traffic_share(state, much_later, failures_to_open) > 0.0
    assert remaining_wait(state, much_later) is None
