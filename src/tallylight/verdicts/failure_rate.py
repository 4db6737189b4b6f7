"""The share of recent jobs that fail, and whether a service that is up fails in part (rule 6)."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tallylight.verdicts.baseline_failures import baseline_rate, update_baseline
from tallylight.verdicts.intervals import binomial_tail, wilson_interval
from tallylight.verdicts.job_history import FailureBaseline, JobHistory, JobMinute
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.policy import Policy

_MINUTE = 60
_RECOVERY_LEVEL = 0.05
_MIN_FAILURES = 3  # two are noise, however few jobs there are


@dataclass(frozen=True, slots=True)
class FailureRate:
    """Bad jobs among all jobs."""

    bad: int
    total: int

    def has_enough_jobs(self, policy: Policy) -> bool:
        """Tell whether there are enough jobs to say anything against a service."""
        return self.bad >= _MIN_FAILURES and self.total >= policy.degraded_least

    def is_surely_above(self, share: float, policy: Policy) -> bool:
        """Tell whether the true share exceeds this one, at the level of the policy."""
        return (
            self.has_enough_jobs(policy)
            and wilson_interval(self.bad, self.total, policy.confidence_level).low > share
        )

    def is_never_by_chance(self, share: float, policy: Policy) -> bool:
        """Tell whether so many bad jobs practically never occur if this share is the true one."""
        by_chance = 1 - policy.degraded_confidence
        return (
            self.has_enough_jobs(policy) and binomial_tail(self.bad, self.total, share) < by_chance
        )


def minute_of(at: datetime) -> int:
    """Return the minute of Unix time."""
    return int(at.timestamp()) // _MINUTE


def add_job(
    history: JobHistory, layer: LayerState, at: datetime, policy: Policy, *, is_bad: bool
) -> tuple[tuple[JobMinute, ...], FailureBaseline]:
    """Return the minutes of a history with one more job, and the baseline after it.

    A minute enters the baseline only once it leaves the window without any trouble. Otherwise the
    first minutes of trouble that is not yet detected would excuse the rest of it.
    """
    number = minute_of(at)
    newest = max(number, history.minutes[-1].number) if history.minutes else number
    oldest = newest - policy.degraded_long_window // timedelta(seconds=_MINUTE)
    minutes = [m for m in history.minutes if m.number > oldest]
    baseline = history.failure_baseline
    if layer.status is LayerStatus.UP and history.partial_failure_since is None:
        expired = history.minutes[: len(history.minutes) - len(minutes)]
        baseline = update_baseline(baseline, expired)
    place = bisect_left(minutes, number, key=lambda m: m.number)
    if place < len(minutes) and minutes[place].number == number:
        before = minutes[place]
        minutes[place] = JobMinute(number, before.good + (not is_bad), before.bad + is_bad)
    elif number > oldest:
        minutes.insert(place, JobMinute(number, int(not is_bad), int(is_bad)))
    return tuple(minutes), baseline


def without_failure(minutes: tuple[JobMinute, ...], at: datetime) -> tuple[JobMinute, ...]:
    """Return the minutes without a failure that counted at that time."""
    number = minute_of(at)
    return tuple(m._replace(bad=max(0, m.bad - 1)) if m.number == number else m for m in minutes)


def failure_rate_over(history: JobHistory, at: datetime, window: timedelta) -> FailureRate:
    """Return the share of bad jobs in the window before a moment."""
    oldest = minute_of(at) - window // timedelta(seconds=_MINUTE)
    bad = good = 0
    for minute in history.minutes:
        if minute.number > oldest:
            bad += minute.bad
            good += minute.good
    return FailureRate(bad, bad + good)


def without_failures_before(history: JobHistory, moment: datetime) -> JobHistory:
    """Return the history without the failures before a recovery: they belong to the outage."""
    first = minute_of(moment)
    kept = (JobMinute(m.number, m.good, 0) for m in history.minutes if m.number >= first)
    return replace(history, minutes=tuple(kept), partial_failure_since=None)


def update_partial_failure(
    history: JobHistory, layer: LayerState, at: datetime, policy: Policy
) -> JobHistory:
    """Return the history with partial failure begun, continued or ended, for a layer that is up.

    Partial failure begins when both windows show a share that is above the service's baseline. It
    ends when the long window no longer does, or after so many good jobs in a row as that share
    would let pass one time in twenty. If the short window alone ended it, it would flap.
    """
    if history.partial_failure_since is not None:
        return _continue_or_end(history, layer, at, policy)
    if not layer.is_failing or not _has_begun(history, at, policy):
        return history  # partial failure cannot begin with a good job
    first = next(m.number for m in history.minutes if m.bad)
    begun = datetime.fromtimestamp(first * _MINUTE, UTC)
    return replace(history, partial_failure_since=max(begun, layer.since or begun))


def _has_begun(history: JobHistory, at: datetime, policy: Policy) -> bool:
    long, short = (
        failure_rate_over(history, at, w)
        for w in (policy.degraded_long_window, policy.degraded_short_window)
    )
    baseline = baseline_rate(history.failure_baseline, policy)
    return long.is_never_by_chance(baseline, policy) and short.is_surely_above(baseline, policy)


def _continue_or_end(
    history: JobHistory, layer: LayerState, at: datetime, policy: Policy
) -> JobHistory:
    long, run = failure_rate_over(history, at, policy.degraded_long_window), layer.good_run
    if run is not None and not layer.is_failing and _has_recovered(long, run.length):
        return without_failures_before(history, run.since)
    baseline = baseline_rate(history.failure_baseline, policy)
    if long.total and not long.is_surely_above(baseline, policy):
        return replace(history, partial_failure_since=None)
    return history


def _has_recovered(long: FailureRate, good_in_a_row: int) -> bool:
    good_share = max(1e-9, 1 - long.bad / long.total) if long.total else 1.0
    return good_in_a_row * math.log(good_share) < math.log(_RECOVERY_LEVEL)
