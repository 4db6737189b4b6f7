"""Latencies as a histogram with fixed, log-spaced bounds: what sums up, where averages do not.

Bin 0 holds what took at most 1 ms. Each further bin ends a fourth of a doubling later (19 %), so
that a quantile is right within a tenth over the whole range from a millisecond to half a day.
"""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

_SMALLEST = timedelta(milliseconds=1)
_PER_DOUBLING = 4
_LAST = 4 * 26  # 2**26 ms are 18.6 hours; all that is longer lies here too

Bins = Mapping[int, int]
"""How many latencies lie in which bin; bins without any are left out."""


def bin_of(latency: timedelta) -> int:
    """Return the bin that a latency lies in."""
    if latency <= _SMALLEST:
        return 0
    return min(_LAST, math.ceil(_PER_DOUBLING * math.log2(latency / _SMALLEST)))


def upper_bound(number: int) -> timedelta:
    """Return the longest latency that lies in a bin."""
    seconds: float = _SMALLEST.total_seconds() * 2 ** (number / _PER_DOUBLING)
    return timedelta(seconds=seconds)


def total_count(bins: Bins) -> int:
    """Return how many latencies a histogram holds."""
    return sum(bins.values())


def merge_bins(*histograms: Bins) -> Bins:
    """Return the histogram of all latencies together."""
    total: Counter[int] = Counter()
    for bins in histograms:
        total.update(bins)
    return dict(total)


def latency_quantile(bins: Bins, share: float) -> timedelta | None:
    """Return the latency that a share of all latencies does not exceed; None if there are none.

    Args:
        bins: The histogram.
        share: From 0.0 to 1.0; 0.5 is the median.

    Returns:
        A latency within its bin, between whose bounds latencies are taken to lie evenly on the
        logarithmic scale.
    """
    total = total_count(bins)
    if total == 0:
        return None
    rank = share * total
    below = 0
    for number in sorted(bins):
        if below + bins[number] >= rank:
            inside = (rank - below) / bins[number]
            return upper_bound(0) if number == 0 else _between(number - 1, inside)
        below += bins[number]
    return upper_bound(max(bins))


def _between(lower: int, share: float) -> timedelta:
    seconds: float = _SMALLEST.total_seconds() * 2 ** ((lower + share) / _PER_DOUBLING)
    return timedelta(seconds=seconds)


def format_bins(bins: Bins) -> str:
    """Return a histogram as short text: "33:57 34:3"."""
    return " ".join(f"{number}:{bins[number]}" for number in sorted(bins))


def parse_bins(text: str) -> Bins:
    """Return the histogram that `bins_text` wrote."""
    pairs = (pair.split(":") for pair in text.split())
    return {int(number): int(times) for number, times in pairs}
