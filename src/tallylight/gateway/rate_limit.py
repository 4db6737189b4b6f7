"""How many requests a key may make: a bucket of tokens that fills steadily.

A full bucket holds one minute's requests, so a caller may make them all at once, and then goes on
at the steady pace.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

_MINUTE = 60.0
_EPSILON = 1e-9  # or who waits as long as it was told may come too early


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """What a key may still ask for.

    Args:
        tokens: So many requests at once; whole ones count.
        at: When that was so, in seconds of any clock that never runs backwards.
    """

    tokens: float
    updated_at: float


class RateLimitDecision(NamedTuple):
    """What a request leaves, and how long its caller has to wait if it came too early."""

    bucket: TokenBucket
    retry_after: timedelta | None


def full_bucket(now: float, per_minute: int) -> TokenBucket:
    """Return the bucket of a key that has not asked yet."""
    return TokenBucket(float(per_minute), now)


def take_token(bucket: TokenBucket, now: float, per_minute: int) -> RateLimitDecision:
    """Count one request; a refused one takes nothing.

    Args:
        bucket: What stood.
        now: Seconds of the bucket's clock.
        per_minute: How many requests the key may make; 1 at least.
    """
    rate = per_minute / _MINUTE
    tokens = min(per_minute, bucket.tokens + max(now - bucket.updated_at, 0.0) * rate)
    if tokens >= 1 - _EPSILON:
        return RateLimitDecision(TokenBucket(max(tokens - 1, 0.0), now), None)
    return RateLimitDecision(TokenBucket(tokens, now), timedelta(seconds=(1 - tokens) / rate))
