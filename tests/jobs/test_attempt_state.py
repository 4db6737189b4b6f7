"""The properties of the table of attempts, and of the money that goes with it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations, groupby, product
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.attempt import (
    Attempt,
    AttemptChange,
    changed_attempt,
    changed_entry,
)
from tallylight.model.attempt_state import (
    DECISIONS,
    END_STATES,
    MAY_BE_PAID,
    TRANSITIONS,
    AttemptEvent,
    AttemptState,
    MoneyEffect,
    may_send,
    step,
)
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import EntryState, LedgerEntry
from tests.builders import BROKEN, NOON, VIDEO, attempt_of

_S, _E = AttemptState, AttemptEvent

FACTS = tuple(event for event in _E if event not in DECISIONS)
CELLS = tuple(
    (state, event, after, effect)
    for state, row in TRANSITIONS.items()
    for event, (after, effect) in row.items()
)

FREE_WITHOUT_A_JOB = frozenset({_E.NOT_SENT, _E.REFUSED, _E.ABSENT})
FREE = frozenset({_E.FAILED_FREE, _E.CANCELLED})
BILLED = frozenset({_E.DONE, _E.FETCHED, _E.FAILED_BILLED})
OF_A_JOB = FREE | BILLED | {_E.ACCEPTED, _E.SHOWN, _E.WORKING, _E.GONE, _E.NOT_CANCELLED}

HEARD_ONLY_AFTER = {
    _E.ABSENT: {_E.UNCLEAR, _E.LEAVE},
    _E.WORKING: {_E.ACCEPTED, _E.SHOWN},
    _E.GONE: {_E.ACCEPTED, _E.SHOWN},
    _E.CANCELLED: {_E.CANCEL},
    _E.NOT_CANCELLED: {_E.CANCEL},
    _E.FETCHED: {_E.DONE},
}
"""Facts that presuppose another event: nobody polls a job before its id is known."""


class Told(NamedTuple):
    """An event, and the cost in USD that is told with it."""

    event: AttemptEvent
    cost: Decimal | None = None


class Position(NamedTuple):
    attempt: Attempt
    entry: LedgerEntry

    @property
    def outcome(self) -> tuple[AttemptState, EntryState, Decimal | None]:
        return self.attempt.state, self.entry.state, self.entry.amount


START = Position(*attempt_of(VIDEO))


def after(position: Position, events: Iterable[Told]) -> Position:
    for event, cost in events:
        change = AttemptChange(
            position.attempt.id,
            event,
            NOON,
            job=JobRef("job_1") if event in OF_A_JOB else None,
            failure=BROKEN if event in {_E.UNCLEAR, _E.GONE, _E.REFUSED} else None,
            cost=cost,
        )
        position = Position(
            changed_attempt(position.attempt, change),
            changed_entry(position.entry, position.attempt, change),
        )
    return position


def told(*events: AttemptEvent) -> list[Told]:
    return [Told(event) for event in events]


def in_an_order_that_can_be(events: Sequence[Told]) -> list[Told]:
    """Return the events without those that came before what they presuppose."""
    heard: set[AttemptEvent] = set()
    kept = []
    for told in events:
        if told.event not in HEARD_ONLY_AFTER or not heard.isdisjoint(HEARD_ONLY_AFTER[told.event]):
            heard.add(told.event)
            kept.append(told)
    return kept


costs = st.none() | st.sampled_from([Decimal(0), Decimal("0.25"), Decimal("0.7")])
told_facts = st.builds(Told, st.sampled_from(FACTS), costs)
facts = st.lists(told_facts, max_size=8)
histories = st.lists(
    told_facts | st.builds(Told, st.sampled_from(sorted(DECISIONS)), st.none()), max_size=12
)


@pytest.mark.parametrize(("state", "event"), list(product(_S, _E)))
def test_every_state_has_an_answer_to_every_event(state: AttemptState, event: AttemptEvent) -> None:
    after_it, effect = step(state, event)

    assert after_it in _S
    assert effect in MoneyEffect


@pytest.mark.parametrize("event", _E)
@pytest.mark.parametrize("state", sorted(END_STATES))
def test_an_end_absorbs_all_events(state: AttemptState, event: AttemptEvent) -> None:
    after_it, _ = step(state, event)

    assert after_it is state


def test_an_end_never_leaves_money_open() -> None:
    ends = [cell for cell in CELLS if cell[0] not in END_STATES and cell[2] in END_STATES]

    assert ends
    assert [cell for cell in ends if cell[3] is MoneyEffect.KEEP] == []


def test_only_an_end_moves_money() -> None:
    assert [
        cell for cell in CELLS if cell[2] not in END_STATES and cell[3] is not MoneyEffect.KEEP
    ] == []


def test_what_was_accepted_is_never_refused() -> None:
    refusable = {before for before, _, state, _ in CELLS if state is _S.REFUSED}

    assert refusable == {_S.INTENDED, _S.IN_DOUBT, _S.REFUSED}


def test_money_is_released_by_facts_alone() -> None:
    releasing = {event for _, event, _, effect in CELLS if effect is MoneyEffect.RELEASE}

    assert releasing == FREE_WITHOUT_A_JOB | FREE


def test_every_state_can_end() -> None:
    can_end = set(END_STATES)
    for _ in _S:
        can_end |= {before for before, _, state, _ in CELLS if state in can_end}

    assert can_end == set(_S)


def test_decisions_alone_end_every_attempt_that_no_upstream_speaks_of() -> None:
    for state in _S:
        left, _ = step(state, _E.LEAVE)
        closed, _ = step(left, _E.CLOSE)
        assert closed in END_STATES, state


@given(histories)
def test_an_ended_attempt_has_no_open_money(events: list[Told]) -> None:
    position = after(START, events)

    assert position.attempt.is_open == (position.entry.state is EntryState.RESERVED)
    assert position.attempt.is_open == (position.attempt.ended_at is None)


@given(st.lists(st.sampled_from(list(_S)), max_size=4))
def test_a_video_is_sent_on_only_while_no_attempt_may_be_paid(states: list[AttemptState]) -> None:
    assert may_send(states) == all(state in {_S.REFUSED, _S.FAILED} for state in states)
    assert may_send(states, allows_second=True)


def test_every_attempt_that_reserves_money_may_be_paid() -> None:
    assert set(_S) - END_STATES <= MAY_BE_PAID


# Two facts of one create.

CONTRADICTIONS = {
    # It says that it has no job, and it has one.
    frozenset(pair)
    for pair in product(FREE_WITHOUT_A_JOB, OF_A_JOB)
} | {
    # It calls one job free and billed, or failed and made.
    *(frozenset(pair) for pair in product(FREE, BILLED)),
    frozenset({_E.FAILED_BILLED, _E.DONE}),
    frozenset({_E.CANCELLED, _E.NOT_CANCELLED}),
}
"""Pairs of facts of which an upstream can truly say only one."""

BEGINNINGS = (
    (),
    (_E.UNCLEAR,),
    (_E.UNCLEAR, _E.CLOSE),
    (_E.ACCEPTED,),
    (_E.ACCEPTED, _E.GIVE_UP),
    (_E.ACCEPTED, _E.GONE),
    (_E.ACCEPTED, _E.CANCEL),
    (_E.ACCEPTED, _E.CLOSE),
    (_E.ACCEPTED, _E.CANCEL, _E.CLOSE),
    (_E.REFUSED,),
)


def closed(*events: AttemptEvent) -> Position:
    """Return the position after events, once its video has ended."""
    return after(START, told(*events, _E.LEAVE, _E.CLOSE))


def pairs_after(beginning: Iterable[AttemptEvent]) -> list[tuple[AttemptEvent, AttemptEvent]]:
    """Return the pairs of facts that can be heard, in either order, after these events."""
    can_be_heard = [
        fact
        for fact in FACTS
        if fact not in HEARD_ONLY_AFTER or HEARD_ONLY_AFTER[fact].intersection(beginning)
    ]
    return list(combinations(can_be_heard, 2))


@pytest.mark.parametrize("beginning", BEGINNINGS, ids="-".join)
def test_facts_commute_except_where_an_upstream_contradicts_itself(
    beginning: tuple[AttemptEvent, ...],
) -> None:
    for one, other in pairs_after(beginning):
        if frozenset({one, other}) not in CONTRADICTIONS:
            first, second = closed(*beginning, one, other), closed(*beginning, other, one)
            assert first.outcome == second.outcome, (one, other)


@pytest.mark.parametrize("beginning", BEGINNINGS, ids="-".join)
def test_where_an_upstream_contradicts_itself_the_dear_side_counts(
    beginning: tuple[AttemptEvent, ...],
) -> None:
    dear = START.entry.estimate
    has_ended = not after(START, told(*beginning)).attempt.is_open

    for one, other in pairs_after(beginning):
        amounts = {closed(*beginning, *pair).entry.amount for pair in ((one, other), (other, one))}

        heard = {*beginning, one, other}
        # A failure that is told after the end leaves no trace but its money: the later word counts.
        is_repaid = has_ended and _E.FAILED_BILLED in heard and not heard.isdisjoint(FREE)
        is_billed = not heard.isdisjoint(BILLED)
        has_job = not heard.isdisjoint(OF_A_JOB)
        if (is_billed and not is_repaid) or (has_job and heard.isdisjoint(FREE)):
            assert amounts == {dear}, (one, other)


# Facts that are told twice.


@given(facts, st.data())
def test_a_prefix_of_facts_that_is_told_twice_counts_once(
    events: list[Told], data: st.DataObject
) -> None:
    events = in_an_order_that_can_be(events)
    length = data.draw(st.integers(0, len(events)))
    prefix, rest = events[:length], events[length:]

    assert after(START, [*prefix, *prefix, *rest]) == after(START, events)


@given(histories)
def test_facts_that_are_told_again_after_the_end_change_nothing(events: list[Told]) -> None:
    events = in_an_order_that_can_be(events)
    ended = after(START, [*events, *told(_E.LEAVE, _E.CLOSE)])

    again = after(ended, [told for told in events if told.event not in DECISIONS])

    assert again.outcome == ended.outcome


@given(histories, histories)
def test_what_is_told_after_an_end_changes_money_and_what_is_known_only(
    events: list[Told], later: list[Told]
) -> None:
    ended = after(START, [*events, *told(_E.LEAVE, _E.CLOSE)])

    corrected = after(ended, later)

    known = ("job", "cost", "made", "accepted_at", "started_at", "rendered_at")
    assert corrected.attempt == replace(
        ended.attempt, **{name: getattr(corrected.attempt, name) for name in known}
    )
    assert corrected.entry.state is not EntryState.RESERVED


@given(histories)
def test_a_decision_after_an_end_changes_nothing(events: list[Told]) -> None:
    ended = after(START, [*events, *told(_E.LEAVE, _E.CLOSE)])

    assert after(ended, [Told(decision) for decision in DECISIONS]) == ended


# Costs.


def test_an_attempt_is_settled_at_what_it_cost() -> None:
    delivered = after(START, [Told(_E.ACCEPTED), Told(_E.DONE, Decimal("0.25")), Told(_E.FETCHED)])

    assert delivered.outcome == (_S.DELIVERED, EntryState.SETTLED, Decimal("0.25"))


def test_an_attempt_without_a_told_cost_is_settled_at_the_estimate() -> None:
    delivered = after(START, told(_E.ACCEPTED, _E.DONE, _E.FETCHED))

    assert delivered.outcome == (_S.DELIVERED, EntryState.SETTLED, START.entry.estimate)


def test_a_cost_that_is_told_after_the_end_corrects_a_settled_entry() -> None:
    unresolved = after(START, told(_E.ACCEPTED, _E.CLOSE))

    corrected = after(unresolved, [Told(_E.DONE, Decimal("0.7"))])

    assert unresolved.entry.amount == START.entry.estimate
    assert corrected.outcome == (_S.UNRESOLVED, EntryState.SETTLED, Decimal("0.7"))


def test_a_job_that_was_cancelled_after_all_is_free() -> None:
    gone = after(START, told(_E.ACCEPTED, _E.CANCEL, _E.GONE, _E.CANCELLED))
    closed_before = after(START, told(_E.ACCEPTED, _E.CANCEL, _E.CLOSE, _E.CANCELLED))

    assert gone.outcome == (_S.FAILED, EntryState.RELEASED, Decimal(0))
    assert closed_before.outcome == (_S.UNRESOLVED, EntryState.RELEASED, Decimal(0))


def test_a_job_that_a_list_did_not_show_is_paid_when_it_is_made() -> None:
    absent = after(START, told(_E.UNCLEAR, _E.ABSENT))

    made = after(absent, [Told(_E.DONE, Decimal("0.25"))])

    assert absent.outcome == (_S.REFUSED, EntryState.RELEASED, Decimal(0))
    assert made.outcome == (_S.REFUSED, EntryState.SETTLED, Decimal("0.25"))


# The table in the documentation.

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
_MONEY = {MoneyEffect.KEEP: "", MoneyEffect.RELEASE: ", free", MoneyEffect.SETTLE: ", paid"}


def table_of_states() -> str:
    """Return the table as Markdown: a line for each state, with the events that change it."""
    lines = ["| state | what changes it |", "| --- | --- |"]
    for state, row in TRANSITIONS.items():
        effects = [
            ", ".join(f"`{event}`" for event, _ in events)
            + f" → {'stays' if target is state else target}{_MONEY[effect]}"
            for (target, effect), events in groupby(row.items(), key=lambda cell: cell[1])
        ]
        lines.append(f"| `{state}` | {'; '.join(effects) or 'nothing'} |")
    return "\n".join(lines)


def test_the_documentation_shows_the_table() -> None:
    assert table_of_states() in ARCHITECTURE.read_text(encoding="utf-8")
