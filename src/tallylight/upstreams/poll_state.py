"""The state of polling one job, and the delay before the next poll."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.missing_job import says_no_such_job

MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = timedelta(seconds=1), timedelta(seconds=10)

_MAX_RETRY_AFTER = timedelta(minutes=1)
"""The longest delay between two polls that an upstream may request."""

_MIN_MISSING_POLLS, _MIN_MISSING_TIME = 3, timedelta(minutes=1)
"""A job is lost after this many consecutive "not found" answers over at least this time. Some
upstreams know a job only seconds after they accepted it."""

_REQUEST_FAILURES = frozenset(
    {FailureKind.INVALID_REQUEST, FailureKind.RETIRED, FailureKind.UNKNOWN}
)


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

    def record_failure(self, failure: Failure, reply: Reply, at: datetime) -> None:
        """Record an answer without a job."""
        self.last_failure = failure
        is_gone = says_no_such_job(failure, reply)
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


def next_poll_delay(reply: Reply, failure: Failure | None, elapsed: timedelta) -> timedelta:
    """Return the delay before the next poll: what the upstream requests, else 10 % of `elapsed`.

    `failure` says why the last answer held no job, None if it held one.
    """
    default = min(max(elapsed / 10, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
    if failure is None:
        return requested_poll_delay(reply) or default
    if failure.retry_after is None:
        return default
    return min(max(failure.retry_after, default), _MAX_RETRY_AFTER)


def requested_poll_delay(reply: Reply) -> timedelta | None:
    """Return the delay that an upstream requests before the next poll, None if it requests none."""
    milliseconds = reply.headers.get("openai-poll-after-ms", "")
    if not milliseconds.isdecimal():
        return None
    requested = timedelta(milliseconds=int(milliseconds[:9]))
    return max(min(requested, _MAX_RETRY_AFTER), MIN_POLL_INTERVAL)


def as_upstream_fault(failure: Failure) -> Failure:
    """Return a failure of an accepted job as the upstream's fault.

    "No such video" would be the caller's mistake, had the upstream not created that video.
    """
    if failure.fault is Fault.OURS or failure.kind not in _REQUEST_FAILURES:
        return failure
    return replace(failure, kind=FailureKind.DEGRADED, fault=Fault.UPSTREAM, names_state=False)
