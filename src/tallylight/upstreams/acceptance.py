"""Was a create accepted, hence billed? The rules that keep one video from being paid twice.

The table with its reasons stands in `docs/protocols.md`, "Accepted, refused, in doubt".
"""

from enum import StrEnum
from http import HTTPStatus

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.messages import Job, Reply

_CALLER_ERRORS = range(400, 500)

#: A POST is never sent on, so it reached nobody; behind 302 and 303 a job may have been made.
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)

_REFUSAL_STATUSES = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.SERVICE_UNAVAILABLE})

_REFUSAL_KINDS = frozenset(
    {
        FailureKind.AUTH,  # whose key it was, ours or one of their pool, no job was made with it
        FailureKind.RATE_LIMITED,
        FailureKind.RISK_CONTROL,
        FailureKind.SUSPENDED,
        FailureKind.MAINTENANCE,
        FailureKind.RETIRED,
    }
)


#: How the protocols say that a stream ended before its own end.
_CUT_STREAM_RULES = frozenset({"stream:cut", "stream:broken_off"})


class Acceptance(StrEnum):
    """What became of a create."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # definitely: nothing can have been billed, the next service may be asked
    IN_DOUBT = "in_doubt"  # it may be running; to be reconciled, never to be sent again


def acceptance(
    reply: Reply,
    outcome: Job | Failure,
    *,
    refuses_with_500: bool = False,
    is_proven_not_billed: bool = False,
) -> Acceptance:
    """Return what an answer to a create says of it.

    Args:
        reply: The answer, or how none came.
        outcome: What the protocol read in it.
        refuses_with_500: This upstream answers 500 only before it has accepted; some answer it
            afterwards, so that is for its operator to say.
        is_disclaimed: The dialect gives this answer only where nothing will be billed.
    """
    if isinstance(outcome, Job):
        return Acceptance.ACCEPTED  # a job that failed at once was one
    definite = (
        not reply.was_sent
        or is_proven_not_billed
        or _is_refusal(reply, outcome, refuses_with_500=refuses_with_500)
    )
    return Acceptance.REFUSED if definite else Acceptance.IN_DOUBT


def acceptance_of_stream(job: Job, error: str) -> Acceptance:
    """Return what a stream says of the create that it answered, once it has ended.

    Args:
        job: As the stream's reader left it: completed or failed.
        error: How the connection broke, "" if it did not.

    Returns:
        REFUSED where the words say no, which counts only if no work was seen before; IN_DOUBT
        where the stream broke off, since leaving it does not cancel the job.
    """
    failure = job.failure
    if failure is None:
        return Acceptance.ACCEPTED
    if error or failure.rule in _CUT_STREAM_RULES:
        return Acceptance.IN_DOUBT
    return Acceptance.REFUSED if _is_explicit_refusal(failure) else Acceptance.ACCEPTED


def _is_refusal(reply: Reply, failure: Failure, *, refuses_with_500: bool) -> bool:
    if reply.error or reply.truncated or reply.status is None:
        return False
    status = reply.status
    if status in _REDIRECTS:
        return True
    if status in _CALLER_ERRORS:
        # 408 is an intermediary's time-out, and as good as our own.
        return status != HTTPStatus.REQUEST_TIMEOUT and bool(reply.body.strip())
    if not is_json_object(reply.body):
        return False  # a gateway's page is no word of the service behind it
    if reply.is_success:
        return _is_explicit_refusal(failure)
    return status in _REFUSAL_STATUSES or (
        status == HTTPStatus.INTERNAL_SERVER_ERROR and refuses_with_500
    )


def _is_explicit_refusal(failure: Failure) -> bool:
    # Under HTTP 200 only the words count, and "it failed" may be said of a job that was accepted.
    return failure.fault is not Fault.UPSTREAM or failure.kind in _REFUSAL_KINDS
