"""What a service's own noise is: the share of bad results while it stands.

A bad result that begins an outage looks like noise at first, so results wait until the layer is
found to have stood, and are forgotten where it fell.
"""

from dataclasses import replace
from functools import lru_cache

from tallylight.verdicts.intervals import Interval, jeffreys
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Noise

_LONG = 2048  # then the memory is halved, so that a service may change its ways
_SELDOM = 256  # an interval of so many results hardly moves with one more
_FEW = 16  # fewer results teach nothing, and a quantile costs half a millisecond


def learned(noise: Noise, usual: float, policy: Policy) -> float:
    """Return P(bad | up) of this service.

    The usual figure stands until the results contradict it, that is, until it lies outside the
    Jeffreys interval of their share; from then on the upper end of that interval is taken. Taking
    the upper end from the start would make a judge of few results deaf.
    """
    if noise.of < policy.noise_from or noise.low <= usual <= noise.high:
        return usual
    return min(0.5, max(policy.noise_least, noise.high))


def with_result(noise: Noise, *, is_bad: bool, is_settled: bool) -> Noise:
    """Return the noise after one more result while up; settled: nothing is in doubt any more."""
    pending_bad, pending_of = noise.pending_bad + is_bad, noise.pending_of + 1
    if not is_settled:
        return Noise(noise.bad, noise.of, pending_bad, pending_of, noise.low, noise.high)
    bad, of = noise.bad + pending_bad, noise.of + pending_of
    is_due = of // _SELDOM != noise.of // _SELDOM or (of < _SELDOM and of & (of - 1) == 0)
    if of < _FEW or (not is_due and not (pending_bad and of < _SELDOM)):
        return Noise(bad, of, 0, 0, noise.low, noise.high)
    interval = _interval(bad, of)
    if of >= _LONG:
        bad, of = bad // 2, of // 2
    return Noise(bad, of, 0, 0, interval.low, interval.high)


@lru_cache(maxsize=4096)  # services meet the same few counts again and again
def _interval(bad: int, of: int) -> Interval:
    return jeffreys(bad, of)


def forgotten(noise: Noise) -> Noise:
    """Return the noise without what is pending: it belonged to an outage."""
    return replace(noise, pending_bad=0, pending_of=0) if noise.pending_of else noise
