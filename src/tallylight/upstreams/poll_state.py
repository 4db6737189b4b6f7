"""The state of polling one job, and the delay before the next poll."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure
from tallylight.upstreams.steps import Missing, Step, Trouble, Working

MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = timedelta(seconds=1), timedelta(seconds=10)

_MAX_RETRY_AFTER = timedelta(minutes=1)
"""The longest delay between two polls that an upstream may request."""

_MIN_MISSING_POLLS, _MIN_MISSING_TIME = 3, timedelta(minutes=1)
"""A job is lost after this many consecutive "not found" answers over at least this time. Some
upstreams know a job only seconds after they accepted it."""


@dataclass(slots=True)
class PollState:
    """The results of polling one job.

    Args:
        last_seen_at: When a poll last found the job running; None if this process never did.
        last_failure: Why the last poll returned no job, None if it returned one.
        missing_count: Number of consecutive "not found" answers.
        missing_since: When the first of these answers arrived.
    """

    last_seen_at: datetime | None
    last_failure: Failure | None = None
    missing_count: int = 0
    missing_since: datetime | None = None

    def record_progress(self, at: datetime) -> None:
        """Record a poll that found the job running."""
        self.last_seen_at, self.last_failure = at, None
        self.missing_count, self.missing_since = 0, None

    def record_failure(self, step: Missing | Trouble, at: datetime) -> None:
        """Record an answer without a job."""
        self.last_failure = step.failure
        is_gone = isinstance(step, Missing)
        self.missing_count = self.missing_count + 1 if is_gone else 0
        self.missing_since = (self.missing_since or at) if is_gone else None

    def is_lost(self, at: datetime) -> bool:
        """Tell whether the upstream has lost the job."""
        since = self.missing_since
        return (
            self.missing_count >= _MIN_MISSING_POLLS
            and since is not None
            and at - since >= _MIN_MISSING_TIME
        )


def next_poll_delay(step: Step, elapsed: timedelta) -> timedelta:
    """Return the delay before the next poll: what the upstream requests, else 10 % of `elapsed`."""
    default = min(max(elapsed / 10, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
    if isinstance(step, Missing | Trouble):
        wait = step.failure.retry_after
        return default if wait is None else min(max(wait, default), _MAX_RETRY_AFTER)
    return requested_poll_delay(step) or default


def requested_poll_delay(step: Step) -> timedelta | None:
    """Return the delay that an upstream requests before the next poll, None if it requests none."""
    if not isinstance(step, Working) or step.poll_after is None:
        return None
    return max(min(step.poll_after, _MAX_RETRY_AFTER), MIN_POLL_INTERVAL)
