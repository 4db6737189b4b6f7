"""What a service's own noise is: the share of bad results while it stands.

A bad result that begins an outage looks like noise at first, so results wait until the layer is
found to have stood, and are forgotten where it fell.
"""

from dataclasses import replace
from functools import lru_cache

from tallylight.verdicts.intervals import ConfidenceInterval, jeffreys_interval
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import FalseAlarmRate

_HALVE_AT = 2048  # then the memory is halved, so that a service may change its ways
_RECOMPUTE_EVERY = 256  # an interval of so many results hardly moves with one more
_MIN_RESULTS = 16  # fewer results teach nothing, and a quantile costs half a millisecond


def false_alarm_rate(observed: FalseAlarmRate, default: float, policy: Policy) -> float:
    """Return P(bad | up) of this service.

    The usual figure stands until the results contradict it, that is, until it lies outside the
    Jeffreys interval of their share; from then on the upper end of that interval is taken. Taking
    the upper end from the start would make a judge of few results deaf.
    """
    if observed.total < policy.false_alarm_min_results or observed.low <= default <= observed.high:
        return default
    return min(0.5, max(policy.min_false_alarm_rate, observed.high))


def add_result(observed: FalseAlarmRate, *, is_bad: bool, is_settled: bool) -> FalseAlarmRate:
    """Return the noise after one more result while up; settled: nothing is in doubt any more."""
    pending_bad, pending_of = observed.pending_bad + is_bad, observed.pending_total + 1
    if not is_settled:
        return FalseAlarmRate(
            observed.bad, observed.total, pending_bad, pending_of, observed.low, observed.high
        )
    bad, of = observed.bad + pending_bad, observed.total + pending_of
    is_due = of // _RECOMPUTE_EVERY != observed.total // _RECOMPUTE_EVERY or (
        of < _RECOMPUTE_EVERY and of & (of - 1) == 0
    )
    if of < _MIN_RESULTS or (not is_due and not (pending_bad and of < _RECOMPUTE_EVERY)):
        return FalseAlarmRate(bad, of, 0, 0, observed.low, observed.high)
    interval = _interval(bad, of)
    if of >= _HALVE_AT:
        bad, of = bad // 2, of // 2
    return FalseAlarmRate(bad, of, 0, 0, interval.low, interval.high)


@lru_cache(maxsize=4096)  # services meet the same few counts again and again
def _interval(bad: int, of: int) -> ConfidenceInterval:
    return jeffreys_interval(bad, of)


def without_pending(observed: FalseAlarmRate) -> FalseAlarmRate:
    """Return the noise without what is pending: it belonged to an outage."""
    return replace(observed, pending_bad=0, pending_total=0) if observed.pending_total else observed
