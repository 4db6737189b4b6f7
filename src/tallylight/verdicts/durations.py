"""How long a service's jobs take, against its own baseline (rule 6).

The baseline is a sketch: a histogram a day with logarithmic buckets, so that seven days of any
traffic fit into a few hundred bytes and a median is right to 4 %.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from tallylight.verdicts.intervals import quantile_rank
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.standing import DaySketch, Delivery, JobsRecord

_STEP = math.log(1.08)
_DAYS = 7
_RECENT = 12
_SLOWEST_SHARE = 0.9
_RELIEF = 0.75  # "slow" ends only well below the mark at which it begins


@dataclass(frozen=True, slots=True)
class Pace:
    """How the newest jobs compare with the baseline.

    Args:
        slowest: The 90th percentile of the newest jobs, in seconds.
        surely: What that percentile surely lies above.
        median: The baseline's median.
        of: How many jobs are new.
    """

    slowest: float
    surely: float
    median: float
    of: int


def bucket_of(seconds: float) -> int:
    """Return the bucket that a duration falls into."""
    return round(math.log(max(seconds, 0.001)) / _STEP)


def timed(record: JobsRecord, delivery: Delivery, policy: Policy) -> JobsRecord:
    """Return the record with one more timed delivery, and what follows for "slow"."""
    if delivery.seconds is None:
        return record
    oldest = delivery.at - policy.slow_window
    kept = tuple(d for d in record.recent[1 - _RECENT :] if d.at >= oldest)
    recent = (*kept, delivery)
    days = _with_bucket(record.days, delivery.at.toordinal(), bucket_of(delivery.seconds))
    grown = replace(record, recent=recent, days=days)
    return replace(grown, slow_since=_slow_since(grown, policy))


def pace(record: JobsRecord, policy: Policy) -> Pace | None:
    """Compare the newest jobs with the baseline; None where either is too short to say."""
    baseline = median(record.days, policy)
    values = sorted(d.seconds for d in record.recent if d.seconds is not None)
    if baseline is None or len(values) < policy.slow_least:
        return None
    rank = quantile_rank(len(values), _SLOWEST_SHARE, policy.sure)
    slowest = values[math.ceil(_SLOWEST_SHARE * len(values)) - 1]
    return Pace(slowest, values[rank - 1] if rank else 0.0, baseline, len(values))


def median(days: tuple[DaySketch, ...], policy: Policy) -> float | None:
    """Return the median duration in seconds over the days kept; None of too few jobs."""
    counts: dict[int, int] = {}
    for day in days:
        for bucket, count in day.counts:
            counts[bucket] = counts.get(bucket, 0) + count
    total = sum(counts.values())
    if total < policy.baseline_least:
        return None
    below = 0
    for bucket in sorted(counts):
        below += counts[bucket]
        if 2 * below >= total:
            return math.exp(bucket * _STEP)
    return None


def _slow_since(record: JobsRecord, policy: Policy) -> datetime | None:
    found = pace(record, policy)
    if found is None:
        return None
    mark = policy.slow_factor * found.median
    if record.slow_since is not None:
        return record.slow_since if found.surely > _RELIEF * mark else None
    if found.surely <= mark:
        return None
    return next(d.at for d in record.recent if d.seconds is not None and d.seconds > mark)


def _with_bucket(days: tuple[DaySketch, ...], day: int, bucket: int) -> tuple[DaySketch, ...]:
    kept = {sketch.day: sketch for sketch in days}
    counts = dict(kept[day].counts) if day in kept else {}
    counts[bucket] = counts.get(bucket, 0) + 1
    kept[day] = DaySketch(day, tuple(sorted(counts.items())))
    newest = max(kept)
    return tuple(kept[d] for d in sorted(kept) if d > newest - _DAYS)
