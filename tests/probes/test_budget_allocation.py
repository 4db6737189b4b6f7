"""How the money for routine probes is shared out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.probes.budget_allocation import KEPT, Lately, Wish, rhythms

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
STEADY = Wish(pace=6 * HOUR, price=0.40, between=2 * DAY, length=HOUR)

wishes = st.builds(
    Wish,
    pace=st.sampled_from((HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR)),
    price=st.sampled_from((0.05, 0.12, 0.4, 1.2, 5.0)),
    between=st.integers(1, 500).map(lambda hours: hours * HOUR),
    length=st.integers(1, 100).map(lambda minutes: minutes * 10 * timedelta(minutes=1)),
    beyond=st.floats(0, 2),
)
fleets = st.lists(wishes, min_size=1, max_size=8).map(
    lambda found: {ServiceId(str(n)): wish for n, wish in enumerate(found)}
)


def _a_day(fleet: dict[ServiceId, Wish], total: Budget) -> float:
    shared = rhythms(fleet, total)
    return sum(wish.price * (DAY / shared[id_].routine) for id_, wish in fleet.items())


@given(fleets)
def test_routine_never_costs_more_than_the_paces_mean(fleet: dict[ServiceId, Wish]) -> None:
    meant = sum(wish.price * (DAY / wish.pace) for wish in fleet.values())

    assert _a_day(fleet, Budget()) <= meant * 1.000001


@given(fleets, st.integers(50, 500))
def test_routine_leaves_a_part_of_each_budget_to_doubt(
    fleet: dict[ServiceId, Wish], cents: int
) -> None:
    limit = Decimal(cents) / 100

    spent = _a_day(fleet, Budget(per_day=limit))

    assert spent <= (1 - KEPT) * float(limit) * 1.000001


@given(wishes, st.integers(50, 500))
def test_routine_leaves_a_part_of_a_services_own_budget(wish: Wish, cents: int) -> None:
    limit = Decimal(cents) / 100
    fleet = {ServiceId("one"): replace(wish, budget=Budget(per_day=limit))}

    assert _a_day(fleet, Budget()) <= (1 - KEPT) * float(limit) * 1.000001


def test_of_two_like_services_the_cheaper_one_is_probed_more_often() -> None:
    fleet = {ServiceId("dear"): STEADY, ServiceId("cheap"): replace(STEADY, price=0.10)}

    shared = rhythms(fleet, Budget())

    assert shared[ServiceId("cheap")].routine < shared[ServiceId("dear")].routine


def test_of_two_like_services_the_one_that_fails_more_is_probed_more_often() -> None:
    fleet = {ServiceId("good"): STEADY, ServiceId("bad"): replace(STEADY, between=DAY / 2)}

    shared = rhythms(fleet, Budget())

    assert shared[ServiceId("bad")].routine < shared[ServiceId("good")].routine


def test_what_doubt_took_lately_is_not_spent_again() -> None:
    calm = rhythms({ServiceId("one"): STEADY}, Budget())
    stormy = rhythms({ServiceId("one"): replace(STEADY, beyond=1.2)}, Budget())

    assert stormy[ServiceId("one")].routine > calm[ServiceId("one")].routine


def test_without_money_nothing_is_due_for_a_year() -> None:
    shared = rhythms({ServiceId("one"): STEADY}, Budget(per_day=Decimal(0)))

    assert shared[ServiceId("one")].routine >= 365 * DAY


@given(st.lists(st.floats(0, 5), max_size=9))
def test_money_spent_lately_fades_and_is_never_below_nothing(amounts: list[float]) -> None:
    lately, at = Lately(0.0, START), START

    for amount in amounts:
        at += DAY
        lately = lately.spent(amount, at)

    assert lately.a_day(at) >= lately.a_day(at + 10 * DAY) >= 0
    assert lately.usd <= sum(amounts) + 1e-9
