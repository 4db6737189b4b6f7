"""The history of jobs that the judge keeps beside the layer of jobs.

The smallest records, of which there are many, are named tuples: JSON has their values without keys.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tallylight.model.evidence import Source


class JobMinute(NamedTuple):
    """How many jobs ended, or were refused, in one minute of Unix time."""

    number: int
    good: int
    bad: int


class DeliveredVideo(NamedTuple):
    """A delivered video; `seconds` from create to the last byte, None if they were not measured."""

    at: datetime
    source: Source
    seconds: float | None = None


class FailureBaseline(NamedTuple):
    """The share of jobs that a service fails while nothing is wrong with it.

    Args:
        bad: Failed jobs while up and not failing in part.
        total: All jobs of that time; both counts are halved from time to time.
        high: The share that is probably not exceeded; 1 while nothing is known.
    """

    bad: int = 0
    total: int = 0
    high: float = 1.0


_UNKNOWN_BASELINE = FailureBaseline()


class DaySketch(NamedTuple):
    """Durations of the jobs of one day: counts by logarithmic bucket (`durations.bucket_of`)."""

    day: int
    counts: tuple[tuple[int, int], ...] = ()


class MinuteCap(NamedTuple):
    """The weight of callers' jobs within one minute, which is capped.

    Args:
        minute: The minute of Unix time.
        outcomes: Number of outcomes so far.
        total: The sum of their weights.
        applied: The part of the sum that has counted.
    """

    minute: int = 0
    outcomes: int = 0
    total: float = 0.0
    applied: float = 0.0


_UNUSED_CAP = MinuteCap()


class OutageHistory(NamedTuple):
    """How often a service's jobs went down, and for how long.

    Args:
        first_job_at: When its first job ended; None before it.
        outages: How often its jobs went down; a relapse within two hours is no new outage.
        down_seconds: Total duration of the outages that have ended.
    """

    first_job_at: datetime | None = None
    outages: int = 0
    down_seconds: float = 0.0


_NO_OUTAGES = OutageHistory()


@dataclass(frozen=True, slots=True)
class JobHistory:
    """The history of jobs, beside the layer of jobs.

    Args:
        minutes: Jobs by minute over the longer window of rule 6, oldest first.
        recent_deliveries: The newest deliveries with a duration, oldest first.
        daily_sketches: The baseline of durations: one sketch per day, oldest first.
        median_seconds: Median of the baseline; None while it has too few jobs.
        partial_failure_since: Since when jobs fail in part; None while they do not.
        slow_since: Since when jobs are slow; None while they are not.
        failure_baseline: The normal share of failures, from jobs that have left `minutes`.
    """

    last_delivery: DeliveredVideo | None = None
    minutes: tuple[JobMinute, ...] = ()
    recent_deliveries: tuple[DeliveredVideo, ...] = ()
    daily_sketches: tuple[DaySketch, ...] = ()
    median_seconds: float | None = None
    partial_failure_since: datetime | None = None
    slow_since: datetime | None = None
    minute_cap: MinuteCap = _UNUSED_CAP
    outage_history: OutageHistory = _NO_OUTAGES
    failure_baseline: FailureBaseline = _UNKNOWN_BASELINE


NO_JOBS = JobHistory()
"""The history of a service that no job has been sent to."""
