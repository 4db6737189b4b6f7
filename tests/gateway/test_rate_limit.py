from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.rate_limit import full_bucket, take_token

RATES = st.integers(1, 10_000)


def test_a_full_bucket_lets_one_minutes_requests_pass_at_once() -> None:
    bucket = full_bucket(0, 3)

    waits = []
    for _ in range(4):
        bucket, wait = take_token(bucket, 0, 3)
        waits.append(wait)

    assert waits == [None, None, None, timedelta(seconds=20)]


@given(RATES, st.floats(0, 1e6))
def test_a_caller_that_waits_for_retry_after_passes(rate: int, start: float) -> None:
    bucket, now = full_bucket(start, rate), start
    wait = None
    while wait is None:
        bucket, wait = take_token(bucket, now, rate)
    now += wait.total_seconds() + 1e-6

    assert take_token(bucket, now, rate).retry_after is None


@given(RATES, st.lists(st.floats(0, 20), min_size=1, max_size=300))
def test_never_more_pass_than_a_full_bucket_and_its_refill(rate: int, gaps: list[float]) -> None:
    bucket, now, passed = full_bucket(0, rate), 0.0, 0
    for gap in gaps:
        now += gap
        bucket, wait = take_token(bucket, now, rate)
        passed += wait is None

    assert passed <= rate + now * rate / 60 + 1e-6


@given(RATES, st.floats(-100, 0))
def test_a_stopped_clock_refills_nothing(rate: int, step: float) -> None:
    bucket, _ = take_token(full_bucket(0, rate), 0, rate)

    after, _ = take_token(bucket, step, rate)

    assert after.tokens == pytest.approx(max(bucket.tokens - 1, bucket.tokens % 1))
