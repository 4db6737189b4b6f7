"""Rate limit of a key: a token bucket.

A full bucket holds the requests of one minute, so a caller may send them in one burst. It then
refills at a constant rate.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

_MINUTE = 60.0
_EPSILON = 1e-9  # rounding must not refuse a caller that waited as long as told


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """The state of a token bucket.

    Args:
        tokens: Requests that may be sent at once; only whole tokens count.
        updated_at: Time of this state, in seconds of a monotonic clock.
    """

    tokens: float
    updated_at: float


class RateLimitDecision(NamedTuple):
    """The bucket after a request, and how long to wait if the request was refused."""

    bucket: TokenBucket
    retry_after: timedelta | None


def full_bucket(now: float, per_minute: int) -> TokenBucket:
    """Return the bucket of a key that has sent no request yet."""
    return TokenBucket(float(per_minute), now)


def take_token(bucket: TokenBucket, now: float, per_minute: int) -> RateLimitDecision:
    """Count one request; a refused one takes no token.

    Args:
        bucket: State before the request.
        now: Time in seconds of the bucket's clock.
        per_minute: Rate limit in requests; at least 1.
    """
    rate = per_minute / _MINUTE
    tokens = min(per_minute, bucket.tokens + max(now - bucket.updated_at, 0.0) * rate)
    if tokens >= 1 - _EPSILON:
        return RateLimitDecision(TokenBucket(max(tokens - 1, 0.0), now), None)
    return RateLimitDecision(TokenBucket(tokens, now), timedelta(seconds=(1 - tokens) / rate))
