import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, chi2

from tallylight.verdicts.intervals import (
    jeffreys_interval,
    mean_time_between_interval,
    unavailability_interval,
    wilson_interval,
)
from tallylight.verdicts.quantiles import beta_quantile, chi_square_quantile

# Vectors of a reference implementation on scipy: (hits, of), Wilson's ends, Jeffreys' ends.
VECTORS = [
    ((24, 24), (0.862, 1.0), (0.9016, 1.0)),
    ((23, 24), (0.7976, 0.9926), (0.8213, 0.9955)),
    ((0, 5), (0.0, 0.4345), (0.0, 0.3794)),
    ((1437, 1440), (0.9939, 0.9993), (0.9945, 0.9994)),
]
MONTH = 30 * 86400.0


@pytest.mark.parametrize(("counts", "of_wilson", "of_jeffreys"), VECTORS)
def test_the_share_intervals_agree_with_the_reference_vectors(
    counts: tuple[int, int], of_wilson: tuple[float, float], of_jeffreys: tuple[float, float]
) -> None:
    found = (wilson_interval(*counts), jeffreys_interval(*counts))

    assert (found[0].low, found[0].high) == pytest.approx(of_wilson, abs=6e-5)
    assert (found[1].low, found[1].high) == pytest.approx(of_jeffreys, abs=6e-5)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.99, 0.9995])
def test_wilson_takes_other_levels(level: float) -> None:
    narrow, wide = wilson_interval(3, 20, 0.5), wilson_interval(3, 20, level)

    assert wide.low < narrow.low < 0.15 < narrow.high < wide.high


@given(probability=st.floats(0.0005, 0.9995), a=st.floats(0.3, 5000.0), b=st.floats(0.3, 5000.0))
def test_beta_quantiles_are_those_of_scipy(probability: float, a: float, b: float) -> None:
    assert beta_quantile(probability, a, b) == pytest.approx(
        float(beta.ppf(probability, a, b)), rel=1e-7, abs=1e-12
    )


@given(probability=st.floats(0.0005, 0.9995), freedom=st.floats(0.3, 5000.0))
def test_chi_square_quantiles_are_those_of_scipy(probability: float, freedom: float) -> None:
    assert chi_square_quantile(probability, freedom) == pytest.approx(
        float(chi2.ppf(probability, freedom)), rel=1e-8, abs=1e-12
    )


def test_three_outages_in_a_month_give_the_availability_interval_of_the_reference() -> None:
    away = unavailability_interval([600.0, 1200.0, 1800.0], MONTH)

    # From the reference formulas: availability 99.8611 % (99.5244 %..99.9761 %).
    assert 1 - away.high == pytest.approx(0.9952439, abs=1e-6)
    assert 1 - away.low == pytest.approx(0.9997607, abs=1e-6)


def test_without_an_outage_the_interval_is_that_of_a_typical_one() -> None:
    away = unavailability_interval([], MONTH)

    assert away.low == 0.0
    assert away.high == pytest.approx(3600 / MONTH * chi2.ppf(0.975, 2) / 2)


def test_gamma_intervals_contain_the_truth_about_as_often_as_they_claim() -> None:
    chance, held, rounds = random.Random(7), 0, 150  # noqa: S311  # a seeded world
    for _ in range(rounds):
        lengths, at = [], chance.expovariate(1 / (2 * 86400))
        while at < MONTH:
            lengths.append(chance.expovariate(1 / 3600))
            at += lengths[-1] + chance.expovariate(1 / (2 * 86400))
        away = unavailability_interval(lengths, MONTH)
        held += away.low <= 1 / 49 <= away.high

    assert 0.86 <= held / rounds <= 0.99  # 89-92 % where Wilson on minute checks holds 15-22 %


def test_the_time_between_outages_has_the_exact_poisson_interval() -> None:
    up = MONTH - 3600
    found = mean_time_between_interval(3, up)

    assert found.low == pytest.approx(2 * up / chi2.ppf(0.975, 8))
    assert found.high == pytest.approx(2 * up / chi2.ppf(0.025, 6))
    assert mean_time_between_interval(0, up).high == math.inf
