"""How a job's polls have gone, and when to ask again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.messages import Reply

MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = timedelta(seconds=1), timedelta(seconds=10)

_MAX_RETRY_AFTER = timedelta(minutes=1)
"""How long an upstream may ask us to wait between two polls."""

_MIN_MISSING_POLLS, _MIN_MISSING_TIME = 3, timedelta(minutes=1)
"""So many answers in a row that there is no such job, over so long, and it is lost. Some upstreams
know a job only seconds after they have accepted it. A page does not count: a proxy says 404 while
what is behind it is deployed anew."""

_NOT_FOUND_STATUSES = frozenset({404, 410})
_REQUEST_FAILURES = frozenset(
    {FailureKind.INVALID_REQUEST, FailureKind.RETIRED, FailureKind.UNKNOWN}
)


@dataclass(slots=True)
class PollState:
    """How a job's polls have gone.

    Args:
        seen_at: When the job was last seen under way, None if it never was by this process.
        trouble: Why the last poll told nothing of the job, None if it did.
        missing: Answers in a row that there is no such job.
        missing_since: When the first of them came.
    """

    last_seen_at: datetime | None
    last_failure: Failure | None = None
    missing_count: int = 0
    missing_since: datetime | None = None

    def record_progress(self, at: datetime) -> None:
        """Take in that the job is under way."""
        self.last_seen_at, self.last_failure, self.missing_count, self.missing_since = (
            at,
            None,
            0,
            None,
        )

    def record_failure(self, failure: Failure, reply: Reply, at: datetime) -> None:
        """Take in an answer that says nothing of the job, or that there is none."""
        self.last_failure = failure
        is_gone = failure.http_status in _NOT_FOUND_STATUSES and is_json_object(reply.body)
        self.missing_count = self.missing_count + 1 if is_gone else 0
        self.missing_since = (self.missing_since or at) if is_gone else None

    def is_lost(self, at: datetime) -> bool:
        """Tell whether the upstream keeps saying that it knows of no such job."""
        since = self.missing_since
        return (
            self.missing_count >= _MIN_MISSING_POLLS
            and since is not None
            and at - since >= _MIN_MISSING_TIME
        )


def next_poll_delay(reply: Reply, failure: Failure | None, elapsed: timedelta) -> timedelta:
    """Return how long to wait before the next poll: as the upstream wishes, else ever longer.

    Args:
        reply: The answer to the last one.
        trouble: Why it told nothing of the job, None if it did.
        waited: How long the job has been under way.
    """
    usual = min(max(elapsed / 10, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)
    if failure is not None and failure.retry_after is not None:
        return min(max(failure.retry_after, usual), _MAX_RETRY_AFTER)
    wished = None if failure is not None else requested_poll_delay(reply)
    return usual if wished is None else wished


def requested_poll_delay(reply: Reply) -> timedelta | None:
    """Return when an upstream wants to be asked again, None if it does not say."""
    wished = reply.headers.get("openai-poll-after-ms", "")
    if not wished.isdecimal():
        return None
    return max(timedelta(milliseconds=min(int(wished[:9]), 60_000)), MIN_POLL_INTERVAL)


def as_upstream_fault(failure: Failure) -> Failure:
    """Return what an upstream says against a job that it has accepted, with the fault its own.

    "There is no such video" would be our mistake, had it not made that video.
    """
    if failure.fault is Fault.OURS or failure.kind not in _REQUEST_FAILURES:
        return failure
    return replace(failure, kind=FailureKind.DEGRADED, fault=Fault.UPSTREAM, names_state=False)
