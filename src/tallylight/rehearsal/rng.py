"""Repeatable random numbers: seed, purpose and moment determine each draw.

A draw does not depend on earlier draws. Hence all rules meet the same services whatever requests
they send, and a new rule does not change the results of the others.
"""

import hashlib
import math
from dataclasses import dataclass

_MASK = (1 << 64) - 1
_STRIDE = 0x9E3779B97F4A7C15
_Z95 = 1.6448536269514722  # the normal distribution's 95th percentile
_EDGE = 2.0**-53


def purpose_seed(*parts: object) -> int:
    """Return a hash of a purpose: seed, service and kind of draw."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def draw(purpose: int, moment: int) -> float:
    """Return a number in (0, 1) for a purpose at a moment.

    Source:
        Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
        (SplitMix64's finaliser).
    """
    z = (purpose + moment * _STRIDE) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * _EDGE + _EDGE / 2


def normal(purpose: int, moment: int) -> float:
    """Return a draw from the standard normal distribution (Box and Muller 1958)."""
    radius = math.sqrt(-2 * math.log(draw(purpose, moment)))
    return radius * math.cos(2 * math.pi * draw(~purpose & _MASK, moment))


def log_normal(purpose: int, moment: int, median: float, p95: float) -> float:
    """Return a log-normal draw with the given median and 95th percentile."""
    if p95 <= median:
        return median
    return median * math.exp(normal(purpose, moment) * math.log(p95 / median) / _Z95)


@dataclass(slots=True)
class RandomSequence:
    """Successive draws for one purpose."""

    purpose: int
    count: int = 0

    def uniform(self) -> float:
        """Return the next number in (0, 1)."""
        self.count += 1
        return draw(self.purpose, self.count)

    def exponential(self, mean: float) -> float:
        """Return the next exponential number with the given mean."""
        return -mean * math.log(self.uniform())

    def uniform_between(self, low: float, high: float) -> float:
        """Return the next number of a uniform range."""
        return low + (high - low) * self.uniform()
