"""What a further attempt risks: never more than the limit, and more with each doubt."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.risk import SecondPayment, second_payment
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import MAY_BE_PAID, AttemptState
from tallylight.model.ids import AttemptId, ServiceId, VideoId
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tests.builders import order_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNRESOLVED = AttemptState.UNRESOLVED

prices = st.decimals(0, 100, places=6)
chances = st.floats(0, 1)
sequences = st.lists(st.tuples(prices, chances), max_size=6)


def attempt(number: int, state: AttemptState = UNRESOLVED) -> Attempt:
    return Attempt(
        id=AttemptId(f"v.{number}"),
        service=ServiceId("film"),
        purpose=Purpose.TRAFFIC,
        order=order_of("", 4, "1280x720", model="film-1"),
        entry=EntryId(f"v.{number}"),
        intended_at=NOON,
        video=VideoId("v"),
        number=number,
        state=state,
        doubt_rule=f"rule{number}",
    )


def entry(number: int, price: Decimal, state: EntryState = EntryState.SETTLED) -> LedgerEntry:
    id_, service = EntryId(f"v.{number}"), ServiceId("film")
    return LedgerEntry(id_, service, Purpose.TRAFFIC, "", state, price, price, NOON)


def risk_after(
    made: list[tuple[Decimal, float]], price: Decimal, *, state: AttemptState = UNRESOLVED
) -> SecondPayment:
    attempts = [attempt(number, state) for number in range(len(made))]
    entries = {entry(n, cost).id: entry(n, cost) for n, (cost, _) in enumerate(made)}
    return second_payment(
        attempts,
        [each for each in attempts if each.state in MAY_BE_PAID],
        entries,
        price,
        lambda each: made[each.number][1],
    )


@given(st.lists(st.tuples(prices, chances), min_size=1, max_size=8), prices)
def test_the_sum_of_what_a_video_risks_never_exceeds_the_limit(
    offered: list[tuple[Decimal, float]], limit: Decimal
) -> None:
    made: list[tuple[Decimal, float]] = []
    risked = Decimal(0)

    for price, chance in offered:
        risk = risk_after(made, price)
        if risk.is_within(limit):
            made.append((price, chance))
            risked += Decimal(risk.chance) * price

    assert risked <= limit


@given(sequences, prices, prices)
def test_a_higher_price_risks_more(
    made: list[tuple[Decimal, float]], one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one, other))

    assert risk_after(made, low).total <= risk_after(made, high).total


@given(sequences, prices, prices, chances)
def test_a_further_doubt_risks_more(
    made: list[tuple[Decimal, float]], price: Decimal, cost: Decimal, chance: float
) -> None:
    assert risk_after(made, price).total <= risk_after([*made, (cost, chance)], price).total


def test_nothing_is_sent_while_an_earlier_attempt_is_looked_for() -> None:
    risk = risk_after([(Decimal(1), 0.0)], Decimal(0), state=AttemptState.IN_DOUBT)

    assert not risk.is_within(Decimal(100))


def test_an_attempt_that_had_a_job_was_accepted_whatever_was_learned() -> None:
    lost = replace(attempt(0), job=JobRef("job_1"))

    risk = second_payment([lost], [lost], {}, Decimal(2), lambda _: 0.0)

    assert (risk.chance, risk.total) == (1.0, Decimal(2))


def test_an_attempt_whose_money_was_released_risks_nothing() -> None:
    first = attempt(0)
    entries = {first.entry: entry(0, Decimal(0), EntryState.RELEASED)}

    risk = second_payment([first], [first], entries, Decimal(2), lambda _: 1.0)

    assert risk.total == 0
