"""The bound of a probability is never too low, and what counts as what."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.attempt_state import AttemptState
from tallylight.model.doubt import (
    NO_DOUBTS,
    DoubtCounts,
    DoubtKind,
    DoubtRecord,
    DoubtResult,
    acceptance_bound,
    counts_by_kind,
    result_of_doubt,
)
from tallylight.model.ids import ServiceId, UpstreamId

counts = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(
    lambda pair: (min(pair), max(pair))
)


def binomial_at_most(successes: int, total: int, chance: float) -> float:
    return sum(
        comb(total, count) * chance**count * (1 - chance) ** (total - count)
        for count in range(successes + 1)
    )


@pytest.mark.parametrize(
    ("accepted", "total", "bound"),
    [(0, 0, 1), (0, 1, 0.95), (3, 3, 1), (0, 20, 0.1391), (1, 10, 0.3942), (5, 10, 0.7776)],
)
def test_the_bound_is_that_of_clopper_and_pearson(accepted: int, total: int, bound: float) -> None:
    assert acceptance_bound(accepted, total) == pytest.approx(bound, abs=5e-5)


@given(counts)
def test_at_the_bound_so_few_acceptances_are_seen_in_5_percent(pair: tuple[int, int]) -> None:
    accepted, total = pair

    bound = acceptance_bound(accepted, total)

    assert accepted / max(total, 1) <= bound <= 1
    if accepted < total:
        assert binomial_at_most(accepted, total, bound) == pytest.approx(0.05, abs=1e-6)


@given(counts)
def test_an_acceptance_raises_the_bound_and_a_refusal_lowers_it(pair: tuple[int, int]) -> None:
    accepted, total = pair

    bound = acceptance_bound(accepted, total)

    assert acceptance_bound(accepted + 1, total + 1) >= bound
    assert acceptance_bound(accepted, total + 1) <= bound


def test_many_doubts_are_counted_exactly() -> None:
    assert acceptance_bound(100_000, 1_000_000) == pytest.approx(0.1005, abs=1e-4)
    assert acceptance_bound(0, 1_000_000) == pytest.approx(3.0e-6, abs=1e-8)


def test_a_doubt_that_was_never_resolved_counts_as_accepted() -> None:
    assert DoubtCounts(1, 7, 2).acceptance_bound == DoubtCounts(3, 7, 0).acceptance_bound
    assert NO_DOUBTS.acceptance_bound == 1


@pytest.mark.parametrize(
    ("state", "has_job", "is_released", "result"),
    [
        (AttemptState.IN_DOUBT, False, False, None),
        (AttemptState.ACCEPTED, True, False, DoubtResult.ACCEPTED),
        (AttemptState.DELIVERED, False, False, DoubtResult.ACCEPTED),
        (AttemptState.FAILED, True, True, DoubtResult.ACCEPTED),
        (AttemptState.REFUSED, False, True, DoubtResult.REFUSED),
        (AttemptState.REFUSED, True, False, DoubtResult.ACCEPTED),
        (AttemptState.UNRESOLVED, False, False, DoubtResult.UNRESOLVED),
        (AttemptState.UNRESOLVED, False, True, DoubtResult.REFUSED),
        (AttemptState.UNRESOLVED, True, False, DoubtResult.ACCEPTED),
    ],
)
def test_what_came_of_a_doubt(
    state: AttemptState, *, has_job: bool, is_released: bool, result: DoubtResult | None
) -> None:
    assert result_of_doubt(state, has_job=has_job, is_released=is_released) is result


def test_the_services_of_an_upstream_count_together_as_configured_now() -> None:
    records = [
        DoubtRecord(ServiceId("a"), "cut", DoubtResult.ACCEPTED, 2),
        DoubtRecord(ServiceId("b"), "cut", DoubtResult.REFUSED, 3),
        DoubtRecord(ServiceId("b"), "status:500", DoubtResult.UNRESOLVED, 1),
        DoubtRecord(ServiceId("gone"), "cut", DoubtResult.REFUSED, 99),
    ]
    maker = UpstreamId("maker")

    found = counts_by_kind(records, {ServiceId("a"): maker, ServiceId("b"): maker})

    assert found == {
        DoubtKind(maker, "cut"): DoubtCounts(2, 3, 0),
        DoubtKind(maker, "status:500"): DoubtCounts(0, 0, 1),
    }
