"""What sets and what clears a block, and of which key a refusal speaks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue.services import ProbeIntervals
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.verdicts.blocking import (
    EARLIER_KEY_RULE,
    KeyPeriod,
    attribute_forwarded,
    attribute_to_key,
    has_other_key,
    is_of_earlier_key,
    is_probed,
    is_refusal,
    paid_probes_wait_until,
    with_period,
)
from tallylight.verdicts.judge import initial_state, judge
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState
from tests.builders import BROKEN, UPSTREAM

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SERVICE = ServiceId("sora")
KEY = Failure(FailureKind.AUTH, Fault.OURS, "status:401", "no such key", http_status=401)
BALANCE = Failure(FailureKind.QUOTA, Fault.OURS, "status:402", http_status=402)
REPLACED = KeyPeriod(NOON, is_first=False)
FREE_ONLY = ProbeIntervals()
PAID_TOO = ProbeIntervals(generation=timedelta(hours=3))


def after(*evidence: Evidence) -> ServiceState:
    """Return the state of a service after some evidence."""
    state = initial_state(SERVICE, NOON - timedelta(hours=1))
    for piece in evidence:
        state = judge(state, piece, Policy())
    return state


def at(
    minutes: float, source: Source, failure: Failure | None = None, *, took: float | None = None
) -> Evidence:
    latency = None if took is None else took * MINUTE
    return Evidence(SERVICE, NOON + minutes * MINUTE, source, failure, latency)


@pytest.mark.parametrize("refusal", [KEY, BALANCE])
def test_a_refusal_of_a_request_that_began_with_an_earlier_key_blocks_nothing(
    refusal: Failure,
) -> None:
    late = at(5, Source.GENERATION, refusal)

    attributed = attribute_to_key(late, NOON - SECOND, REPLACED)
    present = attribute_to_key(late, NOON, REPLACED)

    assert attributed.failure is not None
    assert attributed.failure.rule == EARLIER_KEY_RULE
    assert attributed.failure.text == refusal.text
    assert after(attributed).blocked is None
    assert present is late
    assert after(present).blocked is not None


@given(
    began=st.timedeltas(-MINUTE, MINUTE),
    failure=st.sampled_from([None, BROKEN, replace(KEY, fault=Fault.UPSTREAM)]),
    is_first=st.booleans(),
)
def test_whatever_is_no_refusal_says_the_same_under_every_key(
    began: timedelta, failure: Failure | None, *, is_first: bool
) -> None:
    evidence = at(1, Source.TRAFFIC, failure)

    assert not is_refusal(failure)
    assert attribute_to_key(evidence, NOON + began, KeyPeriod(NOON, is_first=is_first)) is evidence


def test_a_refusal_that_another_process_forwards_counts_once_all_have_the_replaced_key() -> None:
    at_once = attribute_forwarded(at(1, Source.ACCEPTANCE, KEY), REPLACED)
    later = attribute_forwarded(at(2, Source.ACCEPTANCE, KEY), REPLACED)
    unreplaced = attribute_forwarded(at(-1, Source.ACCEPTANCE, KEY), KeyPeriod(NOON))

    assert [is_refusal(each.failure) for each in (at_once, later, unreplaced)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("source", [Source.TRAFFIC, Source.GENERATION])
def test_a_job_that_was_accepted_before_a_refusal_does_not_clear_it(source: Source) -> None:
    refused = at(0, Source.ACCEPTANCE, BALANCE)

    before = after(refused, at(2, source, took=3))
    later = after(refused, at(2, source, took=1))

    assert before.blocked is not None
    assert later.blocked is None


def test_the_credentials_probes_of_a_replaced_key_count_again() -> None:
    distrusted = after(
        at(-30, Source.ACCEPTANCE, KEY),
        at(-20, Source.CREDENTIALS),
        at(-10, Source.ACCEPTANCE, KEY),
    )
    good = at(1, Source.CREDENTIALS)

    same_key = judge(with_period(distrusted, KeyPeriod(NOON)), good, Policy())
    replaced = with_period(distrusted, REPLACED)

    assert same_key.blocked is not None
    assert replaced.blocked is not None
    assert is_of_earlier_key(replaced.blocked, REPLACED)
    assert judge(replaced, good, Policy()).blocked is None


def test_another_key_and_another_address_are_told_by_value() -> None:
    upstream = replace(UPSTREAM, key=Secret("one"))

    assert not has_other_key(upstream, replace(upstream, key=Secret("one"), timeout=MINUTE))
    assert has_other_key(upstream, replace(upstream, key=Secret("two")))
    assert has_other_key(upstream, replace(upstream, base_url="https://elsewhere.example/v1"))


@pytest.mark.parametrize(
    ("source", "failure", "intervals", "minutes"),
    [
        (Source.CREDENTIALS, KEY, PAID_TOO, 30),
        (Source.ACCEPTANCE, KEY, PAID_TOO, None),
        (Source.CREDENTIALS, BALANCE, PAID_TOO, None),
        (Source.CREDENTIALS, KEY, replace(PAID_TOO, credentials=None), None),
    ],
)
def test_paid_probes_wait_for_the_credentials_probe_only_while_it_tells(
    source: Source, failure: Failure, intervals: ProbeIntervals, minutes: int | None
) -> None:
    state = after(at(0, source, failure))

    until = paid_probes_wait_until(state, intervals)

    assert until == (None if minutes is None else NOON + minutes * MINUTE)
    assert is_probed(state, intervals, NOON + timedelta(days=1))  # by paid probes, from then on


def test_a_credentials_probe_tells_the_end_of_a_block_for_three_intervals() -> None:
    refused, empty = (after(at(0, Source.ACCEPTANCE, each)) for each in (KEY, BALANCE))

    assert is_probed(refused, FREE_ONLY, NOON + 29 * MINUTE)
    assert not is_probed(refused, FREE_ONLY, NOON + 30 * MINUTE)
    assert not is_probed(empty, FREE_ONLY, NOON)
