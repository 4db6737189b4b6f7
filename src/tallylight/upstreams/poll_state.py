"""How a job's polls have gone, and when to ask again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.json_access import is_object
from tallylight.upstreams.messages import Reply

SOONEST_POLL, LATEST_POLL = timedelta(seconds=1), timedelta(seconds=10)

_LONGEST_PAUSE = timedelta(minutes=1)
"""How long an upstream may ask us to wait between two polls."""

_LOST_POLLS, _LOST_AFTER = 3, timedelta(minutes=1)
"""So many answers in a row that there is no such job, over so long, and it is lost. Some upstreams
know a job only seconds after they have accepted it. A page does not count: a proxy says 404 while
what is behind it is deployed anew."""

_GONE = frozenset({404, 410})
_ABOUT_REQUESTS = frozenset({FailureKind.INVALID_REQUEST, FailureKind.RETIRED, FailureKind.UNKNOWN})


@dataclass(slots=True)
class Course:
    """How a job's polls have gone.

    Args:
        seen_at: When the job was last seen under way, None if it never was by this process.
        trouble: Why the last poll told nothing of the job, None if it did.
        missing: Answers in a row that there is no such job.
        missing_since: When the first of them came.
    """

    seen_at: datetime | None
    trouble: Failure | None = None
    missing: int = 0
    missing_since: datetime | None = None

    def see(self, at: datetime) -> None:
        """Take in that the job is under way."""
        self.seen_at, self.trouble, self.missing, self.missing_since = at, None, 0, None

    def miss(self, trouble: Failure, reply: Reply, at: datetime) -> None:
        """Take in an answer that says nothing of the job, or that there is none."""
        self.trouble = trouble
        is_gone = trouble.http_status in _GONE and is_object(reply.body)
        self.missing = self.missing + 1 if is_gone else 0
        self.missing_since = (self.missing_since or at) if is_gone else None

    def is_lost(self, at: datetime) -> bool:
        """Tell whether the upstream keeps saying that it knows of no such job."""
        since = self.missing_since
        return self.missing >= _LOST_POLLS and since is not None and at - since >= _LOST_AFTER


def pause_before_next(reply: Reply, trouble: Failure | None, waited: timedelta) -> timedelta:
    """Return how long to wait before the next poll: as the upstream wishes, else ever longer.

    Args:
        reply: The answer to the last one.
        trouble: Why it told nothing of the job, None if it did.
        waited: How long the job has been under way.
    """
    usual = min(max(waited / 10, SOONEST_POLL), LATEST_POLL)
    if trouble is not None and trouble.retry_after is not None:
        return min(max(trouble.retry_after, usual), _LONGEST_PAUSE)
    wished = None if trouble is not None else wished_pause(reply)
    return usual if wished is None else wished


def wished_pause(reply: Reply) -> timedelta | None:
    """Return when an upstream wants to be asked again, None if it does not say."""
    wished = reply.headers.get("openai-poll-after-ms", "")
    if not wished.isdecimal():
        return None
    return max(timedelta(milliseconds=min(int(wished[:9]), 60_000)), SOONEST_POLL)


def theirs(failure: Failure) -> Failure:
    """Return what an upstream says against a job that it has accepted, with the fault its own.

    "There is no such video" would be our mistake, had it not made that video.
    """
    if failure.fault is Fault.OURS or failure.kind not in _ABOUT_REQUESTS:
        return failure
    return replace(failure, kind=FailureKind.DEGRADED, fault=Fault.UPSTREAM, named=False)
