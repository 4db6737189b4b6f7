"""How the money for routine probes is shared out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

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
STEADY = ProbeCandidate(
    interval=6 * HOUR, price=0.40, time_between_outages=2 * DAY, outage_length=HOUR
)

wishes = st.builds(
    ProbeCandidate,
    pace=st.sampled_from((HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR)),
    price=st.sampled_from((0.05, 0.12, 0.4, 1.2, 5.0)),
    between=st.integers(1, 500).map(lambda hours: hours * HOUR),
    length=st.integers(1, 100).map(lambda minutes: minutes * 10 * timedelta(minutes=1)),
    beyond=st.floats(0, 2),
)
fleets = st.lists(wishes, min_size=1, max_size=8).map(
    lambda found: {ServiceId(str(n)): wish for n, wish in enumerate(found)}
)


def _a_day(fleet: dict[ServiceId, ProbeCandidate], total: Budget) -> float:
    shared = allocate_schedules(fleet, total)
    return sum(wish.price * (DAY / shared[id_].routine_interval) for id_, wish in fleet.items())


@given(fleets)
def test_routine_never_costs_more_than_the_paces_mean(
    fleet: dict[ServiceId, ProbeCandidate],
) -> None:
    meant = sum(wish.price * (DAY / wish.interval) for wish in fleet.values())

    assert _a_day(fleet, Budget()) <= meant * 1.000001


@given(fleets, st.integers(50, 500))
def test_routine_leaves_a_part_of_each_budget_to_doubt(
    fleet: dict[ServiceId, ProbeCandidate], cents: int
) -> None:
    limit = Decimal(cents) / 100

    spent = _a_day(fleet, Budget(per_day=limit))

    assert spent <= (1 - RESERVED_RATIO) * float(limit) * 1.000001


@given(wishes, st.integers(50, 500))
def test_routine_leaves_a_part_of_a_services_own_budget(wish: ProbeCandidate, cents: int) -> None:
    limit = Decimal(cents) / 100
    fleet = {ServiceId("one"): replace(wish, budget=Budget(per_day=limit))}

    assert _a_day(fleet, Budget()) <= (1 - RESERVED_RATIO) * float(limit) * 1.000001


def test_of_two_like_services_the_cheaper_one_is_probed_more_often() -> None:
    fleet = {ServiceId("dear"): STEADY, ServiceId("cheap"): replace(STEADY, price=0.10)}

    shared = allocate_schedules(fleet, Budget())

    assert shared[ServiceId("cheap")].routine_interval < shared[ServiceId("dear")].routine_interval


def test_of_two_like_services_the_one_that_fails_more_is_probed_more_often() -> None:
    fleet = {
        ServiceId("good"): STEADY,
        ServiceId("bad"): replace(STEADY, time_between_outages=DAY / 2),
    }

    shared = allocate_schedules(fleet, Budget())

    assert shared[ServiceId("bad")].routine_interval < shared[ServiceId("good")].routine_interval


def test_what_doubt_took_lately_is_not_spent_again() -> None:
    calm = allocate_schedules({ServiceId("one"): STEADY}, Budget())
    stormy = allocate_schedules({ServiceId("one"): replace(STEADY, extra_per_day=1.2)}, Budget())

    assert stormy[ServiceId("one")].routine_interval > calm[ServiceId("one")].routine_interval


def test_without_money_nothing_is_due_for_a_year() -> None:
    shared = allocate_schedules({ServiceId("one"): STEADY}, Budget(per_day=Decimal(0)))

    assert shared[ServiceId("one")].routine_interval >= 365 * DAY


@given(st.lists(st.floats(0, 5), max_size=9))
def test_money_spent_lately_fades_and_is_never_below_nothing(amounts: list[float]) -> None:
    lately, at = DecayingSpend(0.0, START), START

    for amount in amounts:
        at += DAY
        lately = lately.plus(amount, at)

    assert lately.per_day(at) >= lately.per_day(at + 10 * DAY) >= 0
    assert lately.amount_usd <= sum(amounts) + 1e-9
