"""Histograms of latencies with fixed, logarithmic bounds; unlike averages, they can be added.

Bin 0 holds latencies up to 1 ms. The bound of each further bin is 19 % higher (four bins per
doubling), so that a quantile is right within a tenth from a millisecond to half a day.
"""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

_SMALLEST = timedelta(milliseconds=1)
_PER_DOUBLING = 4
_LAST = 4 * 26  # ends at 2**26 ms, 18.6 hours; longer latencies are counted here too

Bins = Mapping[int, int]
"""The number of latencies by bin; empty bins are left out."""


def bin_of(latency: timedelta) -> int:
    """Return the bin of a latency."""
    if latency <= _SMALLEST:
        return 0
    return min(_LAST, math.ceil(_PER_DOUBLING * math.log2(latency / _SMALLEST)))


def upper_bound(number: int) -> timedelta:
    """Return the longest latency of a bin."""
    seconds: float = _SMALLEST.total_seconds() * 2 ** (number / _PER_DOUBLING)
    return timedelta(seconds=seconds)


def total_count(bins: Bins) -> int:
    """Return the number of latencies in a histogram."""
    return sum(bins.values())


def merge_bins(*histograms: Bins) -> Bins:
    """Return the sum of histograms."""
    total: Counter[int] = Counter()
    for bins in histograms:
        total.update(bins)
    return dict(total)


def latency_quantile(bins: Bins, share: float) -> timedelta | None:
    """Return the latency that a share of latencies does not exceed; None for an empty histogram.

    Args:
        bins: The histogram.
        share: From 0.0 to 1.0; 0.5 is the median.

    Returns:
        A latency interpolated on the logarithmic scale between the bounds of its bin.
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
    """Return the histogram that `format_bins` wrote."""
    pairs = (pair.split(":") for pair in text.split())
    return {int(number): int(times) for number, times in pairs}
