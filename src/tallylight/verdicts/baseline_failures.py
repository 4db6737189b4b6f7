"""Which share of its jobs a service always loses: only more than that is a partial failure.

Some services refuse one prompt in twelve by chance and are as well as they ever are. What counts
as normal is learned from good times alone.
"""

from collections.abc import Iterable

from tallylight.verdicts.intervals import jeffreys_interval
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import FailureBaseline, JobMinute

_HALVE_AT = 2048  # then the memory is halved, so that a service may change its ways
_LEVEL = 0.5  # three times in four the share is below the upper end: the other test is strict
_RECOMPUTE_EVERY = 32  # a quantile costs half a millisecond


def baseline_rate(baseline: FailureBaseline, policy: Policy) -> float:
    """Return the share of bad jobs that says nothing against a service.

    A service that always loses more than it should is not well for that: `degraded_most`.
    """
    least = policy.degraded_share
    if baseline.total < policy.false_alarm_min_results:
        return least
    most = min(
        policy.max_baseline_factor * least, (1 + least) / 2
    )  # the operator may set any share
    return min(max(least, baseline.high), most)


def update_baseline(baseline: FailureBaseline, minutes: Iterable[JobMinute]) -> FailureBaseline:
    """Return what is normal after some more minutes of good times."""
    bad, of = baseline.bad, baseline.total
    for minute in minutes:
        bad, of = bad + minute.bad, of + minute.good + minute.bad
    if of // _RECOMPUTE_EVERY == baseline.total // _RECOMPUTE_EVERY:
        return baseline if of == baseline.total else FailureBaseline(bad, of, baseline.high)
    high = jeffreys_interval(bad, of, _LEVEL).high
    return (
        FailureBaseline(bad // 2, of // 2, high)
        if of >= _HALVE_AT
        else FailureBaseline(bad, of, high)
    )
