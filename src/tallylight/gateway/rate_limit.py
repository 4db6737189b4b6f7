"""How many requests a key may make: a bucket of tokens that fills steadily.

A full bucket holds one minute's requests, so a caller may make them all at once, and then goes on
at the steady pace.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

_MINUTE = 60.0
_ROUNDING = 1e-9  # or who waits as long as it was told may come too early


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a key may still ask for.

    Args:
        tokens: So many requests at once; whole ones count.
        at: When that was so, in seconds of any clock that never runs backwards.
    """

    tokens: float
    at: float


class Taken(NamedTuple):
    """What a request leaves, and how long its caller has to wait if it came too early."""

    bucket: Bucket
    wait: timedelta | None


def full(now: float, per_minute: int) -> Bucket:
    """Return the bucket of a key that has not asked yet."""
    return Bucket(float(per_minute), now)


def take(bucket: Bucket, now: float, per_minute: int) -> Taken:
    """Count one request; a refused one takes nothing.

    Args:
        bucket: What stood.
        now: Seconds of the bucket's clock.
        per_minute: How many requests the key may make; 1 at least.
    """
    rate = per_minute / _MINUTE
    tokens = min(per_minute, bucket.tokens + max(now - bucket.at, 0.0) * rate)
    if tokens >= 1 - _ROUNDING:
        return Taken(Bucket(max(tokens - 1, 0.0), now), None)
    return Taken(Bucket(tokens, now), timedelta(seconds=(1 - tokens) / rate))
