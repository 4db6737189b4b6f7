"""Orders that are refused as too many: what they block, and when they speak against a service."""

from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, ReasonCode
from tallylight.verdicts.judge import advance_to, initial_state, judge
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.rate_limit import attribute_to_pace
from tallylight.verdicts.state import ServiceState
from tests.builders import BROKEN

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERVICE = ServiceId("sora")
LIMITED = Failure(
    FailureKind.RATE_LIMITED,
    Fault.OURS,
    "status:429",
    "too many requests",
    http_status=429,
    retry_after=30 * MINUTE,
)


def at(minutes: float, source: Source, failure: Failure | None = None) -> Evidence:
    return Evidence(SERVICE, NOON + minutes * MINUTE, source, failure)


def refused(*minutes: float, source: Source = Source.GENERATION) -> tuple[Evidence, ...]:
    return tuple(at(minute, source, LIMITED) for minute in minutes)


def after(*evidence: Evidence) -> ServiceState:
    """Return the state of a service that delivered an hour before noon, after some evidence."""
    state = initial_state(SERVICE, NOON - 2 * 60 * MINUTE)
    for piece in (at(-60, Source.GENERATION), *evidence):
        state = judge(state, piece, Policy())
    return state


@pytest.mark.parametrize("source", [Source.GENERATION, Source.ACCEPTANCE])
def test_three_refused_orders_over_ten_minutes_are_trouble_of_the_service(source: Source) -> None:
    before = after(*refused(0, 5, source=source)).verdict
    then = after(*refused(0, 5, 10, 15, 20, source=source)).verdict

    assert (before.status, before.blocked) == (Status.OPERATIONAL, None)
    assert (then.status, then.blocked) == (Status.DEGRADED, Block.RATE)
    assert then.since == NOON
    reason = then.reasons[0]
    assert reason.code is ReasonCode.RATE_LIMITED
    assert reason.facts["times"] == 5
    assert reason.facts["retry_seconds"] == 1800
    assert reason.facts["own_pace"] == 0


def test_orders_of_probes_that_are_refused_are_told_after_ten_minutes() -> None:
    verdict = after(*refused(0, 5, 9.98)).verdict

    assert (verdict.status, verdict.blocked) == (Status.DEGRADED, Block.RATE)


def test_a_limit_alone_is_never_a_suspension() -> None:
    verdict = after(*refused(*range(50))).verdict

    assert verdict.status is Status.DEGRADED


def test_a_suspension_stays_one_when_its_orders_are_refused_as_too_many() -> None:
    broken = [at(minute, Source.GENERATION, BROKEN) for minute in (0, 5, 10)]

    verdict = after(*broken, *refused(20, 30, 40, 50)).verdict

    assert verdict.status is Status.SUSPENDED


def test_refusals_that_our_own_pace_may_have_caused_block_but_say_nothing() -> None:
    verdict = after(*map(attribute_to_pace, refused(0, 5, 10, 15, 60))).verdict

    assert (verdict.status, verdict.blocked) == (Status.OPERATIONAL, Block.RATE)
    codes = {reason.code: reason.facts for reason in verdict.reasons}
    assert codes[ReasonCode.RATE_LIMITED]["own_pace"] == 1


def test_refusals_count_from_the_first_that_our_own_pace_cannot_have_caused() -> None:
    ours = tuple(map(attribute_to_pace, refused(0, 5)))

    assert after(*ours, *refused(10, 15)).verdict.status is Status.OPERATIONAL
    assert after(*ours, *refused(10, 15, 20)).verdict.status is Status.DEGRADED
    assert after(*ours, *refused(10, 15, 20)).verdict.since == NOON + 10 * MINUTE


@pytest.mark.parametrize(
    "good", [at(8, Source.ACCEPTANCE), at(8, Source.TRAFFIC), at(8, Source.GENERATION)]
)
def test_an_accepted_order_or_a_delivery_clears_the_limit(good: Evidence) -> None:
    state = after(*refused(0, 5), good, *refused(10, 15))

    assert state.verdict.blocked is None
    assert state.verdict.status is Status.OPERATIONAL
    assert after(*refused(0, 5, 10, 15), at(16, Source.ACCEPTANCE)).verdict.blocked is None


def test_deliveries_end_the_trouble() -> None:
    delivered = [at(minute, Source.GENERATION) for minute in (20, 25)]

    verdict = after(*refused(0, 5, 10, 15), *delivered).verdict

    assert (verdict.status, verdict.since) == (Status.OPERATIONAL, NOON + 20 * MINUTE)


def test_free_checks_that_are_refused_as_too_many_block_nothing() -> None:
    verdict = after(*refused(0, 5, 10, 15, source=Source.REACH)).verdict

    assert (verdict.status, verdict.blocked) == (Status.OPERATIONAL, None)


def test_a_limit_of_which_nothing_was_heard_for_hours_blocks_no_more() -> None:
    limited = after(*refused(0, 5, 10, 15))

    later = advance_to(limited, NOON + 7 * 60 * MINUTE, Policy()).verdict

    assert (later.status, later.blocked) == (Status.UNKNOWN, None)
