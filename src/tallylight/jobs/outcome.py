"""What the engine tells of an attempt: it decides nothing about what comes next."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.steps import Done, Failed


class Ending(StrEnum):
    """How the engine's work on an attempt ended."""

    DONE = "done"  # the job is finished; its result can be fetched
    FAILED = "failed"  # the upstream says that the job failed
    REFUSED = "refused"  # the attempt has ended: nothing was billed
    UNRESOLVED = "unresolved"  # it cannot be known whether there is a job, or what became of it
    STALLED = "stalled"  # the job takes longer than it may
    EXPIRED = "expired"  # the video's deadline has passed
    OVER = "over"  # another attempt or process has settled it


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How the engine's work on an attempt ended.

    Args:
        step: The end of the job; None if it was not seen to end.
        failure: Why there is no video, unless it is done or over.
        is_timed: The job was seen running shortly before it was done. After a restart it may have
            been done for a long time, so its duration is not known.
    """

    ending: Ending
    step: Done | Failed | None = None
    failure: Failure | None = None
    is_timed: bool = False


class JobObserver(Protocol):
    """Hears how attempts go: for evidence, the circuit breaker and metrics."""

    async def report_accepted(self, attempt: Attempt) -> None:
        """Report that a service accepted a job."""
        ...

    async def report_refused(self, attempt: Attempt, failure: Failure) -> None:
        """Report that a service refused an attempt."""
        ...

    async def report_overdue(self, attempt: Attempt) -> None:
        """Report that a job still runs, long after it should have ended."""
        ...

    async def report_in_doubt(self, attempt: Attempt, failure: Failure) -> None:
        """Report that it is unknown whether a service accepted an attempt."""
        ...


UNRESOLVED_DOUBT = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.UPSTREAM,
    rule="doubt:unresolved",
    text="it is unknown whether the service accepted the job and will bill it",
)

INTERRUPTED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="doubt:interrupted",
    text="the process that sent it ended before the response arrived",
)

LOST_JOB = "job:lost"
"""The rule of the failure of a job that its upstream no longer knows."""


def stalled_failure(seconds: float) -> Failure:
    """Return the failure of a job that has not ended after so many seconds."""
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule="job:stalled",
        text=f"accepted, and no video after {round(seconds)} s",
    )
