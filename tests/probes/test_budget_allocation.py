"""The allocation of money for routine probes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.probes.budget_allocation import (
    RESERVED_RATIO,
    DecayingSpend,
    ProbeCandidate,
    allocate_schedules,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
A, B = ServiceId("a"), ServiceId("b")
STEADY = ProbeCandidate(
    interval=6 * HOUR, price=0.40, time_between_outages=2 * DAY, outage_length=HOUR
)

candidates = st.builds(
    ProbeCandidate,
    interval=st.sampled_from((HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR)),
    price=st.sampled_from((0.05, 0.12, 0.4, 1.2, 5.0)),
    time_between_outages=st.integers(1, 500).map(lambda hours: hours * HOUR),
    outage_length=st.integers(1, 100).map(lambda minutes: minutes * 10 * timedelta(minutes=1)),
    extra_per_day=st.floats(0, 2),
)
candidate_sets = st.lists(candidates, min_size=1, max_size=8).map(
    lambda found: {ServiceId(str(n)): candidate for n, candidate in enumerate(found)}
)


def _cost_per_day(candidates_by_id: dict[ServiceId, ProbeCandidate], total: Budget) -> float:
    schedules = allocate_schedules(candidates_by_id, total)
    return sum(
        candidate.price * (DAY / schedules[id_].routine_interval)
        for id_, candidate in candidates_by_id.items()
    )


@given(candidate_sets)
def test_routine_probes_never_cost_more_than_the_configured_intervals(
    candidates_by_id: dict[ServiceId, ProbeCandidate],
) -> None:
    planned = sum(
        candidate.price * (DAY / candidate.interval) for candidate in candidates_by_id.values()
    )

    assert _cost_per_day(candidates_by_id, Budget()) <= planned * 1.000001


@given(candidate_sets, st.integers(50, 500))
def test_routine_probes_leave_a_reserve_of_the_total_budget(
    candidates_by_id: dict[ServiceId, ProbeCandidate], cents: int
) -> None:
    limit = Decimal(cents) / 100

    spent = _cost_per_day(candidates_by_id, Budget(per_day=limit))

    assert spent <= (1 - RESERVED_RATIO) * float(limit) * 1.000001


@given(candidates, st.integers(50, 500))
def test_routine_probes_leave_a_reserve_of_a_services_own_budget(
    candidate: ProbeCandidate, cents: int
) -> None:
    limit = Decimal(cents) / 100
    candidates_by_id = {ServiceId("one"): replace(candidate, budget=Budget(per_day=limit))}

    assert (
        _cost_per_day(candidates_by_id, Budget()) <= (1 - RESERVED_RATIO) * float(limit) * 1.000001
    )


def test_the_cheaper_of_two_similar_services_is_probed_more_often() -> None:
    candidates_by_id = {ServiceId("dear"): STEADY, ServiceId("cheap"): replace(STEADY, price=0.10)}

    schedules = allocate_schedules(candidates_by_id, Budget())

    assert (
        schedules[ServiceId("cheap")].routine_interval
        < schedules[ServiceId("dear")].routine_interval
    )


def test_the_less_reliable_of_two_similar_services_is_probed_more_often() -> None:
    candidates_by_id = {
        ServiceId("good"): STEADY,
        ServiceId("bad"): replace(STEADY, time_between_outages=DAY / 2),
    }

    schedules = allocate_schedules(candidates_by_id, Budget())

    assert (
        schedules[ServiceId("bad")].routine_interval < schedules[ServiceId("good")].routine_interval
    )


def test_recent_extra_spending_reduces_routine_probes() -> None:
    calm = allocate_schedules({ServiceId("one"): STEADY}, Budget())
    stormy = allocate_schedules({ServiceId("one"): replace(STEADY, extra_per_day=1.2)}, Budget())

    assert stormy[ServiceId("one")].routine_interval > calm[ServiceId("one")].routine_interval


def test_without_a_budget_the_next_probe_is_due_in_a_year() -> None:
    schedules = allocate_schedules({ServiceId("one"): STEADY}, Budget(per_day=Decimal(0)))

    assert schedules[ServiceId("one")].routine_interval >= 365 * DAY


@given(st.lists(st.floats(0, 5), max_size=9))
def test_recent_spending_decays_and_is_never_negative(amounts: list[float]) -> None:
    lately, at = DecayingSpend(0.0, START), START

    for amount in amounts:
        at += DAY
        lately = lately.plus(amount, at)

    assert lately.per_day(at) >= lately.per_day(at + 10 * DAY) >= 0
    assert lately.amount_usd <= sum(amounts) + 1e-9


def test_a_service_that_is_probed_at_least_so_often_has_money_of_its_own() -> None:
    about, firm = replace(STEADY, price=0.1), replace(STEADY, is_at_least=True)

    schedules = allocate_schedules({A: about, B: firm}, Budget())
    alone = allocate_schedules({A: about}, Budget())

    assert schedules[B].routine_interval == firm.interval
    assert schedules[A].routine_interval == alone[A].routine_interval


def test_intervals_of_at_least_so_often_grow_alike_where_the_budget_is_too_small() -> None:
    firm = {
        A: replace(STEADY, price=0.1, is_at_least=True),
        B: replace(STEADY, is_at_least=True, interval=3 * HOUR),
    }
    planned = sum(each.price * (DAY / each.interval) for each in firm.values())

    schedules = allocate_schedules(firm, Budget(per_day=Decimal(planned) / 2))

    factors = {id_: schedules[id_].routine_interval / firm[id_].interval for id_ in firm}
    assert factors[A] == pytest.approx(factors[B])
    assert factors[A] == pytest.approx(2 / 0.75)
