"""Compares the duration of a service's jobs with its own baseline (rule 6).

The baseline is a sketch: one histogram per day with logarithmic buckets. Seven days of any traffic
thus fit into a few hundred bytes, and a median is accurate to 6 %.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime

from tallylight.verdicts.intervals import quantile_rank
from tallylight.verdicts.job_history import DaySketch, DeliveredVideo, JobHistory
from tallylight.verdicts.policy import Policy

_LOG_BUCKET_WIDTH = math.log(1.12)
_BASELINE_DAYS = 7
_MAX_RECENT = 12
_RECOMPUTE_EVERY = 16  # one more job hardly moves the median of many
_MEDIAN = 0.5
_P90 = 0.9
_UPPER_QUARTILE = 0.75
_TO_95 = 1.6449 / 0.6745  # from the upper quartile to the 95th percentile, in deviations
_RECOVERY_FACTOR = 0.75  # "slow" ends only well below the limit at which it begins


@dataclass(frozen=True, slots=True)
class DurationComparison:
    """How the newest jobs compare with the baseline.

    Args:
        p90_lower_bound: Lower end of the interval of that percentile, in seconds.
        median_seconds: Median of the baseline.
    """

    p90_seconds: float
    p90_lower_bound: float
    median_seconds: float
    job_count: int


def bucket_of(seconds: float) -> int:
    """Return the logarithmic bucket of a duration."""
    return round(math.log(max(seconds, 0.001)) / _LOG_BUCKET_WIDTH)


def with_duration(history: JobHistory, delivery: DeliveredVideo, policy: Policy) -> JobHistory:
    """Return the history with one more timed delivery, and with "slow" updated."""
    if delivery.seconds is None:
        return history
    oldest = delivery.at - policy.slow_window
    recent = (
        *[d for d in history.recent_deliveries[1 - _MAX_RECENT :] if d.at >= oldest],
        delivery,
    )
    days = _with_bucket(
        history.daily_sketches, delivery.at.toordinal(), bucket_of(delivery.seconds)
    )
    median = history.median_seconds
    today = sum([jobs for _, jobs in days[-1].counts])
    if median is None or today < _RECOMPUTE_EVERY or today % _RECOMPUTE_EVERY == 0:
        median = duration_quantile(days, _MEDIAN, policy)
    updated = replace(history, recent_deliveries=recent, daily_sketches=days, median_seconds=median)
    slow_since = _slow_since(updated, policy)
    if slow_since is history.slow_since:
        return updated
    return replace(updated, slow_since=slow_since)


def compare_durations(
    history: JobHistory, policy: Policy, level: float
) -> DurationComparison | None:
    """Compare the newest jobs with the baseline; None if either has too few jobs."""
    baseline = history.median_seconds
    values = sorted(d.seconds for d in history.recent_deliveries if d.seconds is not None)
    if baseline is None or len(values) < policy.slow_min_jobs:
        return None
    rank = quantile_rank(len(values), _P90, level)
    p90 = values[math.ceil(_P90 * len(values)) - 1]
    return DurationComparison(p90, values[rank - 1] if rank else 0.0, baseline, len(values))


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
        below += counts[bucket]
        if below >= share * total:
            return math.exp(bucket * _LOG_BUCKET_WIDTH)
    return None


def _slow_since(history: JobHistory, policy: Policy) -> datetime | None:
    newest = history.recent_deliveries[-1].seconds or 0.0
    limit = policy.slow_factor * (history.median_seconds or 0.0)
    is_slow = history.slow_since is not None
    if not is_slow and newest <= limit:
        return None  # "slow" cannot begin with a fast job
    level = policy.confidence_level if is_slow else policy.slow_confidence
    comparison = compare_durations(history, policy, level)
    if comparison is None:
        return None
    limit = max(limit, _baseline_p95(history, policy))
    if is_slow:
        is_still_slow = comparison.p90_lower_bound > _RECOVERY_FACTOR * limit
        return history.slow_since if is_still_slow else None
    if comparison.p90_lower_bound <= limit:
        return None
    return next(d.at for d in history.recent_deliveries if d.seconds and d.seconds > limit)


def _baseline_p95(history: JobHistory, policy: Policy) -> float:
    """Return the 95th percentile of the days before today; 0.0 if there are too few jobs.

    It is extrapolated from the upper quartile as if durations were log-normal. Today is left out,
    because slow jobs must not raise the limit that detects them.
    """
    before = history.daily_sketches[:-1]
    median = duration_quantile(before, _MEDIAN, policy)
    upper = duration_quantile(before, _UPPER_QUARTILE, policy)
    if median is None or upper is None:
        return 0.0
    return median * math.pow(upper / median, _TO_95)


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
