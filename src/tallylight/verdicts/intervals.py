"""Confidence intervals of rates, from counts and from the durations of outages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from tallylight.verdicts.quantiles import beta_quantile, chi_square_quantile

_TYPICAL_OUTAGE_SECONDS = 3600.0
"""Assumed duration of one more outage if there was none: even then an uncertainty remains."""

_TAIL = (1 - 0.95) / 2


@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """The lowest and the highest value that agree with the observations."""

    low: float
    high: float


def wilson_interval(hits: int, trials: int, level: float = 0.95) -> ConfidenceInterval:
    """Return the Wilson score interval of a share; cheap, for "is it surely above x?".

    Source:
        Brown, Cai, DasGupta, Statistical Science 16 (2001) 101-133.
    """
    if trials == 0:
        return ConfidenceInterval(0.0, 1.0)
    z = _normal_quantile(level)
    share, spread = hits / trials, 1 + z * z / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return ConfidenceInterval(
        max(0.0, (centre - half) / spread), min(1.0, (centre + half) / spread)
    )


def jeffreys_interval(hits: float, trials: float, level: float = 0.95) -> ConfidenceInterval:
    """Return the Jeffreys interval of a share: Beta(hits + 1/2, misses + 1/2), equal tails.

    Its end at a boundary is the boundary (Brown, Cai, DasGupta 2001).
    """
    tail, misses = (1 - level) / 2, trials - hits
    return ConfidenceInterval(
        0.0 if hits <= 0 else beta_quantile(tail, hits + 0.5, misses + 0.5),
        1.0 if misses <= 0 else beta_quantile(1 - tail, hits + 0.5, misses + 0.5),
    )


def unavailability_interval(outages: Sequence[float], total: float) -> ConfidenceInterval:
    """Return the 95 % interval of unavailability: downtime is a weighted sum of Poisson counts.

    One more outage is assumed to be as long as the longest one.

    Args:
        outages: Duration of each outage in seconds.
        total: Monitored time in seconds.

    Source:
        Fay and Feuer, Statistics in Medicine 16 (1997) 791-801.
    """
    y = sum(outages) / total
    v = sum(d * d for d in outages) / total**2
    w = max(outages, default=_TYPICAL_OUTAGE_SECONDS) / total
    low = v / (2 * y) * chi_square_quantile(_TAIL, 2 * y * y / v) if y else 0.0
    y, v = y + w, v + w * w
    high = v / (2 * y) * chi_square_quantile(1 - _TAIL, 2 * y * y / v)
    return ConfidenceInterval(min(1.0, low), min(1.0, high))


def mean_time_between_interval(events: int, total: float) -> ConfidenceInterval:
    """Return the exact 95 % Poisson interval of the mean time between events; high may be inf."""
    low = 2 * total / chi_square_quantile(1 - _TAIL, 2 * events + 2)
    high = math.inf if events == 0 else 2 * total / chi_square_quantile(_TAIL, 2 * events)
    return ConfidenceInterval(low, high)


@lru_cache(maxsize=4096)
def binomial_tail(hits: int, trials: int, share: float) -> float:
    """Return the binomial probability of at least so many hits, for a share between 0 and 1.

    Near 0 or 1 and far out in the tail, the normal distribution behind Wilson's interval is wrong
    by several times.
    """
    term = math.comb(trials, hits) * share**hits * (1 - share) ** (trials - hits)
    total = 0.0
    for count in range(hits, trials + 1):
        total += term
        term *= (trials - count) / (count + 1) * share / (1 - share)
    return total


@cache
def _normal_quantile(level: float) -> float:
    # The square of a standard normal is chi-square with one degree of freedom.
    return _Z95 if level == 0.95 else math.sqrt(chi_square_quantile(level, 1))  # noqa: PLR2004


_Z95 = 1.959963984540054
