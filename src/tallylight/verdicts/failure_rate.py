"""Which share of the newest jobs fails: whether a service that is up fails in part (rule 6)."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tallylight.verdicts.baseline_failures import baseline_rate, update_baseline
from tallylight.verdicts.intervals import binomial_tail, wilson_interval
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import (
    FailureBaseline,
    JobHistory,
    JobMinute,
    LayerState,
    LayerStatus,
)

_MINUTE = 60
_RECOVERY_LEVEL = 0.05
_MIN_FAILURES = 3  # two are noise, however few the jobs


@dataclass(frozen=True, slots=True)
class FailureRate:
    """So many bad jobs of so many."""

    bad: int
    total: int

    def has_enough_jobs(self, policy: Policy) -> bool:
        """Tell whether so many jobs may say anything against a service."""
        return self.bad >= _MIN_FAILURES and self.total >= policy.degraded_least

    def is_surely_above(self, share: float, policy: Policy) -> bool:
        """Tell whether the true share is above this one, as far as so many jobs can tell."""
        return (
            self.has_enough_jobs(policy)
            and wilson_interval(self.bad, self.total, policy.confidence_level).low > share
        )

    def is_never_by_chance(self, share: float, policy: Policy) -> bool:
        """Tell whether so many bad jobs never come by chance where this share is bad."""
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
    """Return the record's minutes with one more job in its own, and what is normal then.

    A minute tells of what is normal once it leaves the window without any trouble: the first
    minutes of a spell that is not known yet must not excuse the rest of it.
    """
    number = minute_of(at)
    newest = max(number, history.minutes[-1].number) if history.minutes else number
    oldest = newest - policy.degraded_long_window // timedelta(seconds=_MINUTE)
    minutes = [m for m in history.minutes if m.number > oldest]
    usual = history.failure_baseline
    if layer.status is LayerStatus.UP and history.partial_failure_since is None:
        usual = update_baseline(usual, history.minutes[: len(history.minutes) - len(minutes)])
    place = bisect_left(minutes, number, key=lambda m: m.number)
    if place < len(minutes) and minutes[place].number == number:
        found = minutes[place]
        minutes[place] = JobMinute(number, found.good + (not is_bad), found.bad + is_bad)
    elif number > oldest:
        minutes.insert(place, JobMinute(number, int(not is_bad), int(is_bad)))
    return tuple(minutes), usual


def failure_rate_over(history: JobHistory, at: datetime, window: timedelta) -> FailureRate:
    """Return the share of bad jobs in the time before a moment."""
    oldest = minute_of(at) - window // timedelta(seconds=_MINUTE)
    bad = good = 0
    for number, well, badly in history.minutes:
        if number > oldest:
            bad += badly
            good += well
    return FailureRate(bad, bad + good)


def without_failures_before(history: JobHistory, moment: datetime) -> JobHistory:
    """Return the record without the jobs before a recovery: they belong to the outage."""
    first = minute_of(moment)
    kept = (JobMinute(m.number, m.good, 0) for m in history.minutes if m.number >= first)
    return replace(history, minutes=tuple(kept), partial_failure_since=None)


def update_partial_failure(
    history: JobHistory, layer: LayerState, at: datetime, policy: Policy
) -> JobHistory:
    """Return the record with what its shares say of a layer that is up.

    It begins when the long window shows a share that is surely none of the service's normal ones,
    and the short one does too; it ends when the long one no longer does, or when so many jobs in
    a row went well as the share would have let pass one time in twenty. Leaving by the short
    window alone would flap.
    """
    if history.partial_failure_since is not None:
        return _continue_or_end(history, layer, at, policy)
    if not layer.is_failing or not _has_begun(history, at, policy):
        return history  # it cannot begin with a job that went well
    first = next(m.number for m in history.minutes if m.bad)
    begun = datetime.fromtimestamp(first * _MINUTE, UTC)
    return replace(history, partial_failure_since=max(begun, layer.since or begun))


def _has_begun(history: JobHistory, at: datetime, policy: Policy) -> bool:
    long, short = (
        failure_rate_over(history, at, w)
        for w in (policy.degraded_long_window, policy.degraded_short_window)
    )
    usual = baseline_rate(history.failure_baseline, policy)
    return long.is_never_by_chance(usual, policy) and short.is_surely_above(usual, policy)


def _continue_or_end(
    history: JobHistory, layer: LayerState, at: datetime, policy: Policy
) -> JobHistory:
    long, run = failure_rate_over(history, at, policy.degraded_long_window), layer.good_run
    if run is not None and not layer.is_failing and _has_recovered(long, run.length):
        return without_failures_before(history, run.since)
    if long.total and not long.is_surely_above(
        baseline_rate(history.failure_baseline, policy), policy
    ):
        return replace(history, partial_failure_since=None)
    return history


def _has_recovered(long: FailureRate, good_in_a_row: int) -> bool:
    going_well = max(1e-9, 1 - long.bad / long.total) if long.total else 1.0
    return good_in_a_row * math.log(going_well) < math.log(_RECOVERY_LEVEL)
