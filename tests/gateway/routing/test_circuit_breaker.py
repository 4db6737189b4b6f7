"""What callers' videos show between two verdicts, and the way back."""

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

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
BROKEN = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:503", http_status=503)
CALLERS = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "status:400", http_status=400)
BUSY = Failure(
    FailureKind.RATE_LIMITED, Fault.OURS, "status:429", retry_after=timedelta(seconds=30)
)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def failed(times: int, course: BreakerState = CLOSED_BREAKER) -> BreakerState:
    for _ in range(times):
        course = with_failure(course, BROKEN, NOON)
    return course


def test_one_failure_is_felt_at_once_and_fades() -> None:
    course = failed(1)

    assert failure_discount(course, NOON) == pytest.approx(0.5)
    assert failure_discount(course, later(120)) == pytest.approx(0.5**0.5)
    assert failure_discount(course, later(3600)) > 0.99
    assert traffic_share(course, NOON) == 1.0


def test_a_delivery_clears_what_single_failures_left() -> None:
    assert failure_discount(with_delivery(failed(2)), NOON) == 1.0
    assert traffic_share(with_delivery(failed(2)), NOON) == 1.0


def test_a_caller_s_fault_changes_nothing() -> None:
    assert with_failure(CLOSED_BREAKER, CALLERS, NOON) == CLOSED_BREAKER


def test_a_service_is_left_alone_for_as_long_as_it_asks() -> None:
    course = with_failure(CLOSED_BREAKER, BUSY, NOON)

    assert remaining_wait(course, later(10)) == timedelta(seconds=20)
    assert remaining_wait(course, later(30)) is None
    assert failure_discount(course, NOON) == 1.0


def test_three_failures_in_a_row_make_a_service_rest_and_longer_each_time() -> None:
    assert [traffic_share(failed(n), NOON) for n in (2, 3)] == [1.0, 0.0]
    assert traffic_share(failed(3), later(9)) == 0.0
    assert traffic_share(failed(3), later(10)) == pytest.approx(0.05)
    assert traffic_share(failed(4), later(19)) == 0.0
    assert traffic_share(failed(4), later(20)) == pytest.approx(0.05)
    assert traffic_share(failed(500), later(300)) == pytest.approx(0.05)


def test_more_failures_in_a_row_are_no_news_of_a_service_that_fails_in_part() -> None:
    assert traffic_share(failed(9), NOON, failures_to_open=10) == 1.0
    assert traffic_share(failed(10), NOON, failures_to_open=10) == 0.0


def test_the_way_back_is_a_trickle_that_grows_with_what_is_delivered() -> None:
    course, shares = failed(3), []

    for _ in range(5):
        course = with_delivery(with_acceptance(course, NOON))
        shares.append(traffic_share(course, later(10)))

    assert shares == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0])
    assert course is CLOSED_BREAKER


def test_no_more_is_on_trial_than_went_well_plus_one() -> None:
    course = with_acceptance(failed(3), later(10))

    assert traffic_share(course, later(11)) == 0.0
    course = with_delivery(course)
    assert traffic_share(course, later(12)) == pytest.approx(0.1)
    course = with_acceptance(with_acceptance(course, later(12)), later(13))
    assert traffic_share(course, later(14)) == 0.0


def test_a_trial_of_which_nobody_tells_the_end_does_not_bar_the_way_for_ever() -> None:
    course = with_acceptance(failed(3), later(10))

    assert traffic_share(course, later(10 + 19 * 60)) == 0.0
    assert traffic_share(course, later(10 + 20 * 60)) == pytest.approx(0.05)


def test_a_failure_on_the_way_back_begins_it_anew() -> None:
    course = with_failure(with_delivery(failed(3)), BROKEN, later(60))

    assert traffic_share(course, later(61)) == 0.0
    assert traffic_share(course, later(70)) == pytest.approx(0.05)


EVENTS = st.lists(st.sampled_from([BROKEN, CALLERS, BUSY, "accepted", "delivered"]), max_size=60)


@given(events=EVENTS, many=st.integers(1, 10))
def test_whatever_happens_every_service_gets_another_chance(
    events: list[Failure | str], many: int
) -> None:
    circuit, service, at = CircuitBreaker(), ServiceId("a"), NOON
    for event in events:
        at += timedelta(seconds=1)
        if isinstance(event, Failure):
            circuit.record_failure(service, event, at)
        elif event == "accepted":
            circuit.record_acceptance(service, at)
        else:
            circuit.record_delivery(service, at)

    course = circuit.state(service)

    assert 0.0 <= traffic_share(course, at, many) <= 1.0
    assert 0.0 < failure_discount(course, at) <= 1.0
    much_later = at + timedelta(hours=2)
    assert traffic_share(course, much_later, many) > 0.0
    assert remaining_wait(course, much_later) is None
