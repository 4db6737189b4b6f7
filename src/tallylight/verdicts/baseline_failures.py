"""Which share of its jobs a service always loses: only more than that is a partial failure.

Some services refuse one prompt in twelve by chance and are as well as they ever are. What counts
as normal is learned from good times alone.
"""

from collections.abc import Iterable

from tallylight.verdicts.intervals import jeffreys
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Minute, Normal

_LONG = 2048  # then the memory is halved, so that a service may change its ways
_LEVEL = 0.5  # three times in four the share is below the upper end: the other test is strict
_SELDOM = 32  # a quantile costs half a millisecond


def usual_share(normal: Normal, policy: Policy) -> float:
    """Return the share of bad jobs that says nothing against a service.

    A service that always loses more than it should is not well for that: `degraded_most`.
    """
    least = policy.degraded_share
    if normal.of < policy.noise_from:
        return least
    most = min(policy.degraded_most * least, (1 + least) / 2)  # the operator may set any share
    return min(max(least, normal.high), most)


def with_minutes(normal: Normal, minutes: Iterable[Minute]) -> Normal:
    """Return what is normal after some more minutes of good times."""
    bad, of = normal.bad, normal.of
    for minute in minutes:
        bad, of = bad + minute.bad, of + minute.good + minute.bad
    if of // _SELDOM == normal.of // _SELDOM:
        return normal if of == normal.of else Normal(bad, of, normal.high)
    high = jeffreys(bad, of, _LEVEL).high
    return Normal(bad // 2, of // 2, high) if of >= _LONG else Normal(bad, of, high)
