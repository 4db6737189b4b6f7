"""The share of jobs that a service always fails; only more than that is a partial failure.

Some services refuse one prompt in twelve at random even at their best. The share is learned while
nothing is wrong with the service.
"""

from collections.abc import Iterable

from tallylight.verdicts.intervals import jeffreys_interval
from tallylight.verdicts.job_history import FailureBaseline, JobMinute
from tallylight.verdicts.policy import Policy

_HALVE_AT = 2048  # then the counts are halved, so that the share can follow changes
_LEVEL = 0.5  # three times in four the share is below the upper end; the test against it is strict
_RECOMPUTE_EVERY = 32  # a quantile costs half a millisecond


def baseline_rate(baseline: FailureBaseline, policy: Policy) -> float:
    """Return the share of bad jobs that is normal for a service.

    A service that always fails more than `max_baseline_factor` times the usual share is not well.
    """
    least = policy.degraded_share
    if baseline.total < policy.false_alarm_min_results:
        return least
    # Halfway to 1 at most, because the operator may set any share.
    most = min(policy.max_baseline_factor * least, (1 + least) / 2)
    return min(max(least, baseline.high), most)


def update_baseline(baseline: FailureBaseline, minutes: Iterable[JobMinute]) -> FailureBaseline:
    """Return the baseline with some more minutes in which nothing was wrong."""
    bad, total = baseline.bad, baseline.total
    for minute in minutes:
        bad, total = bad + minute.bad, total + minute.good + minute.bad
    if total // _RECOMPUTE_EVERY == baseline.total // _RECOMPUTE_EVERY:
        return baseline if total == baseline.total else FailureBaseline(bad, total, baseline.high)
    high = jeffreys_interval(bad, total, _LEVEL).high
    if total >= _HALVE_AT:
        bad, total = bad // 2, total // 2
    return FailureBaseline(bad, total, high)
