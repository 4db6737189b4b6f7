"""Compares the duration of a service's jobs with its own baseline (rule 6).

The baseline is a sketch: one histogram per day with logarithmic buckets. Seven days of any traffic
thus fit into a few hundred bytes.

A one-sided cumulative-sum chart finds slowness (Page, Biometrika 41 (1954) 100-115). It adds up how
much likelier each duration is `slow_factor` times slower than usual; one slow job proves nothing,
and many moderately slow ones do. The same chart in the other direction finds its end.
"""

import math
from bisect import bisect_left
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median_low

from tallylight.model.evidence import Source
from tallylight.verdicts.job_history import (
    DaySketch,
    DeliveredVideo,
    JobHistory,
    SlownessTest,
    UsualDuration,
)
from tallylight.verdicts.policy import Policy

_LOG_BUCKET_WIDTH = math.log(1.12)
_BASELINE_DAYS = 7
_MAX_RECENT = 12
_RECENT_WINDOW = timedelta(hours=6)
_RECOMPUTE_EVERY = 16  # one more job hardly moves the median of many
_MEDIAN = 0.5
_UPPER_QUARTILE = 0.75
_QUARTILE_DEVIATIONS = 0.6745  # from the median to the upper quartile, in standard deviations
_MIN_SPREAD, _MAX_SPREAD = 0.3, 0.8

_REFERENCE_SHARE = 0.8  # a job so far on the logarithmic way to `slow_factor` decides nothing
_MAX_STEP = 4.0  # so that no fewer than three jobs claim anything
_MIN_LIMIT = 8.0
_MONTHS_WITHOUT_FALSE_ALARM = 50
_RECOVERY_LIMIT = 4.0
_SUSPECTED, _RECOVERY_SUSPECTED = 2.0, 0.5
_MAX_SLOW_TIME = timedelta(days=7)
_CALLERS_INTERVAL = timedelta(minutes=5)
_MAX_WAITING = 15
_MAX_HELD = 60
_MAX_COMPARED = 5
_MONTH_DAYS = 30
_MAX_PER_MONTH = 12 * 24 * _MONTH_DAYS


def bucket_of(seconds: float) -> int:
    """Return the logarithmic bucket of a duration."""
    return round(math.log(max(seconds, 0.001)) / _LOG_BUCKET_WIDTH)


def with_duration(history: JobHistory, delivery: DeliveredVideo, policy: Policy) -> JobHistory:
    """Return the history with one more timed delivery, and with "slow" updated.

    The baseline takes a job once it was compared and nothing speaks for slowness, and no slow job.
    After seven days the new pace is normal.
    """
    if delivery.seconds is None:
        return history
    oldest = delivery.at - _RECENT_WINDOW
    recent = (
        *[d for d in history.recent_deliveries[1 - _MAX_RECENT :] if d.at >= oldest],
        delivery,
    )
    history = replace(_with_test(history, delivery, policy), recent_deliveries=recent)
    test = history.slowness
    if history.slow_since is not None:
        return replace(history, slowness=test._replace(held=())) if test.held else history
    held = (*test.held[1 - _MAX_HELD :], bucket_of(delivery.seconds))
    if test.score or test.waiting:
        return replace(history, slowness=test._replace(held=held))
    if test.held:
        history = replace(history, slowness=test._replace(held=()))
    return _with_baseline(history, delivery.at.toordinal(), held, policy)


def pace_is_uncertain(history: JobHistory) -> bool:
    """Tell whether the next job may decide that jobs are slow, or are so no longer."""
    if history.slow_since is not None:
        return history.slowness.recovery >= _RECOVERY_SUSPECTED
    return history.slowness.score >= _SUSPECTED


def duration_quantile(days: tuple[DaySketch, ...], share: float, policy: Policy) -> float | None:
    """Return the seconds that a share of these jobs does not exceed; None if they are too few."""
    counts: dict[int, int] = {}
    for day in days:
        for bucket, count in day.counts:
            counts[bucket] = counts.get(bucket, 0) + count
    total = sum(counts.values())
    if total < policy.baseline_min_jobs:
        return None
    below = 0
    for bucket in sorted(counts):
        if below + counts[bucket] >= share * total:
            within = (share * total - below) / counts[bucket]
            return math.exp((bucket - 0.5 + within) * _LOG_BUCKET_WIDTH)
        below += counts[bucket]
    return None


def _with_baseline(
    history: JobHistory, day: int, buckets: tuple[int, ...], policy: Policy
) -> JobHistory:
    days, usual = history.daily_sketches, history.usual_duration
    for bucket in buckets:
        days = _with_bucket(days, day, bucket)
        today = sum([jobs for _, jobs in days[-1].counts])
        if usual is None or today < _RECOMPUTE_EVERY or today % _RECOMPUTE_EVERY == 0:
            usual = _usual_duration(days, policy)
    return replace(history, daily_sketches=days, usual_duration=usual)


def _usual_duration(days: tuple[DaySketch, ...], policy: Policy) -> UsualDuration | None:
    median = duration_quantile(days, _MEDIAN, policy)
    upper = duration_quantile(days, _UPPER_QUARTILE, policy)
    if median is None or upper is None:
        return None
    spread = math.log(upper / median) / _QUARTILE_DEVIATIONS
    jobs = sum(count for day in days for _, count in day.counts)
    per_month = _MONTH_DAYS * jobs / (days[-1].day - days[0].day + 1)
    return UsualDuration(median, min(_MAX_SPREAD, max(_MIN_SPREAD, spread)), per_month)


def _with_test(history: JobHistory, delivery: DeliveredVideo, policy: Policy) -> JobHistory:
    """Return the history with a duration compared with the baseline, if there is one."""
    usual, slow_since = history.usual_duration, history.slow_since
    if usual is None:
        return history
    if slow_since is not None and delivery.at - slow_since > _MAX_SLOW_TIME:
        return replace(
            history,
            slow_since=None,
            slowness=SlownessTest(),
            daily_sketches=(),
            usual_duration=None,
        )
    test, seconds = _next_duration(history.slowness, delivery)
    if seconds is None:
        return replace(history, slowness=test)
    step = _step(seconds, usual, policy)
    if slow_since is None:
        test = _with_score(test, max(0.0, test.score + step), delivery.at, seconds)
        is_slow = test.score >= _limit(usual)
        return replace(history, slowness=test, slow_since=test.began_at if is_slow else None)
    recovery = max(0.0, test.recovery - step)
    if recovery >= _RECOVERY_LIMIT:
        ended = SlownessTest(callers_compared_at=test.callers_compared_at)
        return replace(history, slowness=ended, slow_since=None)
    compared = (*test.compared[1 - _MAX_COMPARED :], seconds)
    return replace(history, slowness=test._replace(recovery=recovery, compared=compared))


def _next_duration(
    test: SlownessTest, delivery: DeliveredVideo
) -> tuple[SlownessTest, float | None]:
    """Return the duration to compare after a delivery, None if it waits for others.

    Jobs of callers that run at the same time are slow together. Of those the median of five minutes
    is one duration.
    """
    if delivery.source is not Source.TRAFFIC or delivery.seconds is None:
        return test, delivery.seconds
    waiting = (*test.waiting[1 - _MAX_WAITING :], delivery.seconds)
    last = test.callers_compared_at
    if last is not None and delivery.at - last < _CALLERS_INTERVAL:
        return test._replace(waiting=waiting), None
    compared = test._replace(waiting=(), callers_compared_at=delivery.at)
    return compared, median_low(waiting)


def _step(seconds: float, usual: UsualDuration, policy: Policy) -> float:
    """Return what a duration adds to the score: a log-likelihood ratio, limited on both sides."""
    shift = math.log(policy.slow_factor)
    distance = math.log(max(seconds, 0.001) / usual.median_seconds) - _REFERENCE_SHARE * shift
    step = shift / usual.spread**2 * distance
    return max(-_MAX_STEP, min(_MAX_STEP, step))


def _limit(usual: UsualDuration) -> float:
    per_month = min(usual.per_month, _MAX_PER_MONTH)
    return max(_MIN_LIMIT, math.log(_MONTHS_WITHOUT_FALSE_ALARM * max(per_month, 1.0)))


def _with_score(test: SlownessTest, score: float, at: datetime, seconds: float) -> SlownessTest:
    if not score:
        return test._replace(score=0.0, began_at=None, compared=())
    compared = (*test.compared[1 - _MAX_COMPARED :], seconds)
    return test._replace(score=score, began_at=test.began_at or at, compared=compared)


def _with_bucket(days: tuple[DaySketch, ...], day: int, bucket: int) -> tuple[DaySketch, ...]:
    if not days or day > days[-1].day:
        newest = DaySketch(day, ((bucket, 1),))
        return (*(sketch for sketch in days if sketch.day > day - _BASELINE_DAYS), newest)
    if day < days[-1].day:
        return days  # a job that ended before midnight and arrives after it is left out
    counts = days[-1].counts
    place = bisect_left(counts, (bucket,))
    is_known = place < len(counts) and counts[place][0] == bucket
    after = counts[place + 1 :] if is_known else counts[place:]
    jobs = counts[place][1] + 1 if is_known else 1
    return (*days[:-1], DaySketch(day, (*counts[:place], (bucket, jobs), *after)))
