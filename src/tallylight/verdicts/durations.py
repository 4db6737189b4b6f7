"""How long a service's jobs take, against its own baseline (rule 6).

The baseline is a sketch: a histogram a day with logarithmic buckets, so that seven days of any
traffic fit into a few hundred bytes and a median is right to 6 %.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime

from tallylight.verdicts.intervals import quantile_rank
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import DaySketch, DeliveredVideo, JobHistory

_LOG_BUCKET_WIDTH = math.log(1.12)
_BASELINE_DAYS = 7
_MAX_RECENT = 12
_RECOMPUTE_EVERY = 16  # the median of many jobs hardly moves with one more
_SLOWEST_SHARE = 0.9
_UPPER = 0.75
_TO_95 = 1.6449 / 0.6745  # from the upper quartile to the 95th percentile, in deviations
_RECOVERY_FACTOR = 0.75  # "slow" ends only well below the mark at which it begins


@dataclass(frozen=True, slots=True)
class DurationComparison:
    """How the newest jobs compare with the baseline.

    Args:
        slowest: The 90th percentile of the newest jobs, in seconds.
        surely: What that percentile surely lies above.
        median: The baseline's median.
        of: How many jobs are new.
    """

    p90_seconds: float
    p90_lower_bound: float
    median_seconds: float
    job_count: int


def bucket_of(seconds: float) -> int:
    """Return the bucket that a duration falls into."""
    return round(math.log(max(seconds, 0.001)) / _LOG_BUCKET_WIDTH)


def with_duration(history: JobHistory, delivery: DeliveredVideo, policy: Policy) -> JobHistory:
    """Return the record with one more timed delivery, and what follows for "slow"."""
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
    middle = history.median_seconds
    today = sum([jobs for _, jobs in days[-1].counts])
    if middle is None or today < _RECOMPUTE_EVERY or today % _RECOMPUTE_EVERY == 0:
        middle = median_duration(days, policy)
    grown = JobHistory(
        history.last_delivery,
        history.minutes,
        recent,
        days,
        middle,
        history.partial_failure_since,
        history.slow_since,
        history.minute_cap,
        history.outage_history,
        history.failure_baseline,
    )
    slow_since = _slow_since(grown, policy)
    if slow_since is history.slow_since:
        return grown
    return replace(grown, slow_since=slow_since)


def compare_durations(
    history: JobHistory, policy: Policy, level: float
) -> DurationComparison | None:
    """Compare the newest jobs with the baseline; None where either is too short to say.

    Args:
        record: What is remembered of jobs.
        policy: How many jobs are enough.
        level: Of the interval of the slowest.
    """
    baseline = history.median_seconds
    values = sorted(d.seconds for d in history.recent_deliveries if d.seconds is not None)
    if baseline is None or len(values) < policy.slow_min_jobs:
        return None
    rank = quantile_rank(len(values), _SLOWEST_SHARE, level)
    slowest = values[math.ceil(_SLOWEST_SHARE * len(values)) - 1]
    return DurationComparison(slowest, values[rank - 1] if rank else 0.0, baseline, len(values))


def median_duration(days: tuple[DaySketch, ...], policy: Policy) -> float | None:
    """Return the median duration in seconds over the days kept; None of too few jobs."""
    return duration_quantile(days, 0.5, policy)


def duration_quantile(days: tuple[DaySketch, ...], share: float, policy: Policy) -> float | None:
    """Return the duration in seconds that a share of the jobs of these days stays within."""
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
    mark = policy.slow_factor * (history.median_seconds or 0.0)
    if history.slow_since is None and newest <= mark:
        return None  # it cannot begin with a job that was quick
    is_slow = history.slow_since is not None
    found = compare_durations(
        history, policy, policy.confidence_level if is_slow else policy.slow_confidence
    )
    if found is None:
        return None
    mark = max(mark, _baseline_p95(history, policy))
    if is_slow:
        return history.slow_since if found.p90_lower_bound > _RECOVERY_FACTOR * mark else None
    if found.p90_lower_bound <= mark:
        return None
    return next(
        d.at for d in history.recent_deliveries if d.seconds is not None and d.seconds > mark
    )


def _baseline_p95(history: JobHistory, policy: Policy) -> float:
    """Return what one job in twenty took longer than on the days before; 0.0 of too few.

    Taken from the quartile, as if durations were log-normal, and without today: a spell of slow
    jobs must not raise the mark that it is to be known by.
    """
    before = history.daily_sketches[:-1]
    middle, upper = median_duration(before, policy), duration_quantile(before, _UPPER, policy)
    if middle is None or upper is None:
        return 0.0
    return middle * math.pow(upper / middle, _TO_95)


def _with_bucket(days: tuple[DaySketch, ...], day: int, bucket: int) -> tuple[DaySketch, ...]:
    if not days or day > days[-1].day:
        newest = DaySketch(day, ((bucket, 1),))
        return (*(sketch for sketch in days if sketch.day > day - _BASELINE_DAYS), newest)
    if day < days[-1].day:
        return days  # what comes after midnight from before it is not worth a search
    counts = days[-1].counts
    place = bisect_left(counts, (bucket,))
    is_known = place < len(counts) and counts[place][0] == bucket
    after = counts[place + 1 :] if is_known else counts[place:]
    jobs = counts[place][1] + 1 if is_known else 1
    return (*days[:-1], DaySketch(day, (*counts[:place], (bucket, jobs), *after)))
