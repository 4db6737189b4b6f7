"""The false alarm rate of a service: the share of bad results while it is up.

The first bad results of an outage look like false alarms. Results are therefore pending until the
layer proves to have been up, and are discarded if it went down.
"""

from dataclasses import replace
from functools import lru_cache

from tallylight.verdicts.intervals import ConfidenceInterval, jeffreys_interval
from tallylight.verdicts.layer_state import FalseAlarmRate
from tallylight.verdicts.policy import Policy

_HALVE_AT = 2048  # then the counts are halved, so that the rate can follow changes
_RECOMPUTE_EVERY = 256  # one more result hardly moves the interval of so many
_MIN_RESULTS = 16  # fewer results say nothing, and a quantile costs half a millisecond


def false_alarm_rate(observed: FalseAlarmRate, default: float, policy: Policy) -> float:
    """Return P(bad | up) of this service.

    The default is used until it lies outside the Jeffreys interval of the results; from then on the
    upper end of that interval is used. With few results the upper end is so high that the judge
    would ignore failures.
    """
    if observed.total < policy.false_alarm_min_results or observed.low <= default <= observed.high:
        return default
    return min(0.5, max(policy.min_false_alarm_rate, observed.high))


def add_result(observed: FalseAlarmRate, *, is_bad: bool, is_settled: bool) -> FalseAlarmRate:
    """Return the rate after one more result while up; once it is settled, pending results count."""
    pending_bad, pending_total = observed.pending_bad + is_bad, observed.pending_total + 1
    if not is_settled:
        return FalseAlarmRate(
            observed.bad, observed.total, pending_bad, pending_total, observed.low, observed.high
        )
    bad, total = observed.bad + pending_bad, observed.total + pending_total
    # Of few results the interval is computed at each power of two and after each false alarm.
    is_due = total // _RECOMPUTE_EVERY != observed.total // _RECOMPUTE_EVERY or (
        total < _RECOMPUTE_EVERY and (pending_bad > 0 or total & (total - 1) == 0)
    )
    if total < _MIN_RESULTS or not is_due:
        return FalseAlarmRate(bad, total, 0, 0, observed.low, observed.high)
    interval = _interval(bad, total)
    if total >= _HALVE_AT:
        bad, total = bad // 2, total // 2
    return FalseAlarmRate(bad, total, 0, 0, interval.low, interval.high)


@lru_cache(maxsize=4096)  # all services have the same few counts
def _interval(bad: int, total: int) -> ConfidenceInterval:
    return jeffreys_interval(bad, total)


def without_pending(observed: FalseAlarmRate) -> FalseAlarmRate:
    """Return the rate without pending results, which belonged to an outage."""
    return replace(observed, pending_bad=0, pending_total=0) if observed.pending_total else observed
