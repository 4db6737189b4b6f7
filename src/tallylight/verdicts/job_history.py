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


class UsualDuration(NamedTuple):
    """The usual duration of a job, from the sketches of seven days.

    Args:
        median_seconds: Its median.
        spread: The standard deviation of its logarithm, within limits.
        per_month: The number of jobs to expect in a month.
    """

    median_seconds: float
    spread: float
    per_month: float


class SlownessTest(NamedTuple):
    """The cumulative-sum chart of durations (`durations`).

    Args:
        score: The evidence that jobs are slow; 0 while nothing speaks for it.
        began_at: The job at which the score left 0.
        recovery: While jobs are slow: the evidence that they are so no longer.
        compared: The newest durations that were compared since the score left 0.
        held: Buckets of jobs that the baseline takes unless they prove to be slow.
        waiting: Durations of callers' jobs since the last one that was compared.
        callers_compared_at: When that one ended.
    """

    score: float = 0.0
    began_at: datetime | None = None
    recovery: float = 0.0
    compared: tuple[float, ...] = ()
    held: tuple[int, ...] = ()
    waiting: tuple[float, ...] = ()
    callers_compared_at: datetime | None = None


_NO_TEST = SlownessTest()


class OverdueJob(NamedTuple):
    """An overdue job that has counted as a bad result and may still deliver (`overdue`).

    Args:
        began_at: When it was sent, by which its end is recognised.
        at: When it counted.
        weight: What it added to the log-odds.
        is_overdue: Whether it was overdue; a caller's job may stall before that.
    """

    began_at: datetime
    source: Source
    at: datetime
    weight: float
    is_overdue: bool = True


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
        last_job_at: When its newest job ended.
        exposed_seconds: The time while up, each stretch between two jobs weighed with the share of
            outages within it that the second job sees.
    """

    first_job_at: datetime | None = None
    outages: int = 0
    down_seconds: float = 0.0
    last_job_at: datetime | None = None
    exposed_seconds: float = 0.0


_NO_OUTAGES = OutageHistory()


@dataclass(frozen=True, slots=True)
class JobHistory:
    """The history of jobs, beside the layer of jobs.

    Args:
        minutes: Jobs by minute over the longer window of rule 6, oldest first.
        recent_deliveries: The newest deliveries with a duration, oldest first.
        daily_sketches: The baseline of durations: one sketch per day, oldest first.
        usual_duration: What the sketches say; None while they have too few jobs.
        partial_failure_since: Since when jobs fail in part; None while they do not.
        slow_since: Since when jobs are slow; None while they are not.
        slowness: The test that decides about it.
        failure_baseline: The normal share of failures, from jobs that have left `minutes`.
        overdue: Overdue jobs that have counted and have not ended, oldest first.
    """

    last_delivery: DeliveredVideo | None = None
    minutes: tuple[JobMinute, ...] = ()
    recent_deliveries: tuple[DeliveredVideo, ...] = ()
    daily_sketches: tuple[DaySketch, ...] = ()
    usual_duration: UsualDuration | None = None
    partial_failure_since: datetime | None = None
    slow_since: datetime | None = None
    slowness: SlownessTest = _NO_TEST
    minute_cap: MinuteCap = _UNUSED_CAP
    outage_history: OutageHistory = _NO_OUTAGES
    failure_baseline: FailureBaseline = _UNKNOWN_BASELINE
    overdue: tuple[OverdueJob, ...] = ()

    @property
    def median_seconds(self) -> float | None:
        """Return the usual duration of a job; None while too few were timed."""
        return None if self.usual_duration is None else self.usual_duration.median_seconds


NO_JOBS = JobHistory()
"""The history of a service that no job has been sent to."""
