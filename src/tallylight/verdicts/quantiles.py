"""Quantiles of the beta and chi-square distributions in plain Python.

A statistics library has both, but would cost the process 60 MB of memory.

Source:
    Press et al., Numerical Recipes, chapter 6: continued fractions by Lentz's method; the
    quantiles by Newton's steps inside a bracket that is halved whenever a step leaves it.
"""

import math
from collections.abc import Callable

_TINY = 1e-300
_TOLERANCE = 1e-15
_MAX_ITERATIONS = 500


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return x with P(X <= x) = probability for X from Beta(a, b)."""
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)

    def density(x: float) -> float:
        return math.exp(log_scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))

    return _inverse(lambda x: _beta_cdf(x, a, b), density, probability, 1.0, a / (a + b))


def chi_square_quantile(probability: float, freedom: float) -> float:
    """Return x with P(X <= x) = probability for a chi-square X; freedom need not be whole."""
    shape = freedom / 2
    log_scale = math.lgamma(shape)

    def density(x: float) -> float:
        return math.exp((shape - 1) * math.log(x) - x - log_scale)

    highest = shape + 1.0
    while _gamma_cdf(highest, shape) < probability:
        highest *= 2
    return 2 * _inverse(lambda x: _gamma_cdf(x, shape), density, probability, highest, shape)


def _inverse(
    share: Callable[[float], float],
    density: Callable[[float], float],
    wanted: float,
    high: float,
    x: float,
) -> float:
    low = 0.0
    for _ in range(_MAX_ITERATIONS):
        error = share(x) - wanted
        if error > 0:
            high = x
        else:
            low = x
        slope = density(x)
        step = x - error / slope if slope > 0 else low
        nearer = step if low < step < high else (low + high) / 2
        if abs(nearer - x) <= _TOLERANCE * max(x, _TINY) or high - low <= _TOLERANCE * high:
            return nearer
        x = nearer
    return x


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MAX_ITERATIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _TOLERANCE:
            break
    return value


def _gamma_cdf(x: float, shape: float) -> float:
    """Return the regularised lower incomplete gamma function."""
    if x <= 0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        return front * _gamma_series(x, shape)
    return 1 - front * _gamma_fraction(x, shape)


def _gamma_series(x: float, shape: float) -> float:
    term = total = 1 / shape
    for n in range(1, 20 * _MAX_ITERATIONS):
        term *= x / (shape + n)
        total += term
        if term < total * _TOLERANCE:
            break
    return total


def _gamma_fraction(x: float, shape: float) -> float:
    b = x + 1 - shape
    c, d = 1 / _TINY, 1 / _not_zero(b)
    value = d
    for n in range(1, 20 * _MAX_ITERATIONS):
        term = -n * (n - shape)
        b += 2
        d = 1 / _not_zero(term * d + b)
        c = _not_zero(b + term / c)
        value *= c * d
        if abs(c * d - 1) < _TOLERANCE:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
