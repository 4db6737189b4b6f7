"""Decides whether a create was accepted, hence billed, so that no video is paid for twice.

The table and its reasons: `docs/protocols.md`, "Accepted, refused, in doubt".
"""

from enum import StrEnum
from http import HTTPStatus

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.event_stream import unframed
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.messages import Job, Reply

_CALLER_ERRORS = range(400, 500)

#: A POST is never redirected, so no job was created; behind a 302 or 303 one may have been.
_REDIRECTS = frozenset({301, 307, 308})

_REFUSAL_STATUSES = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.SERVICE_UNAVAILABLE})

_REFUSAL_KINDS = frozenset(
    {
        FailureKind.AUTH,  # our key or one of the upstream's pool: no job was created with it
        FailureKind.RATE_LIMITED,
        FailureKind.RISK_CONTROL,
        FailureKind.SUSPENDED,
        FailureKind.MAINTENANCE,
        FailureKind.RETIRED,
    }
)

#: Rules of failures that mean that a stream broke off.
_CUT_STREAM_RULES = frozenset({"stream:cut", "stream:disconnected"})


class Acceptance(StrEnum):
    """Whether an upstream accepted a create."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # certainly: nothing was billed, and the next service may be tried
    IN_DOUBT = "in_doubt"  # the job may be running: reconcile it, never send it again


def acceptance(
    reply: Reply,
    outcome: Job | Failure,
    *,
    refuses_with_500: bool = False,
    is_proven_not_billed: bool = False,
) -> Acceptance:
    """Return whether a create was accepted.

    Args:
        reply: The answer to the create.
        outcome: The job or the failure that the protocol read from it.
        refuses_with_500: This upstream answers 500 only before it accepts a job. Others answer 500
            afterwards too, so the operator has to say so.
        is_proven_not_billed: The dialect gives this answer only if nothing is billed.
    """
    if isinstance(outcome, Job):
        return Acceptance.ACCEPTED  # even if it failed at once
    definite = (
        not reply.was_sent
        or is_proven_not_billed
        or _is_refusal(reply, outcome, refuses_with_500=refuses_with_500)
    )
    return Acceptance.REFUSED if definite else Acceptance.IN_DOUBT


def acceptance_of_stream(job: Job, error: str) -> Acceptance:
    """Return whether a create was accepted whose streamed answer has ended.

    REFUSED if the answer names a refusal before any progress. IN_DOUBT if the stream broke off
    otherwise (`error` says how), since a disconnect does not cancel the job.
    """
    failure = job.failure
    if failure is None:
        return Acceptance.ACCEPTED
    is_refusal = _is_explicit_refusal(failure) and job.progress is None
    if failure.rule in _CUT_STREAM_RULES or (error and not is_refusal):
        return Acceptance.IN_DOUBT
    return Acceptance.REFUSED if is_refusal else Acceptance.ACCEPTED


def _is_refusal(reply: Reply, failure: Failure, *, refuses_with_500: bool) -> bool:
    if reply.error or reply.truncated or reply.status is None:
        return False
    status = reply.status
    if status in _REDIRECTS:
        return True
    if status in _CALLER_ERRORS:
        # A proxy answers 408 too, and the service behind it may have received the request.
        return status != HTTPStatus.REQUEST_TIMEOUT and bool(reply.body.strip())
    if not is_json_object(unframed(reply.body)):
        return False  # a proxy's page says nothing about the service behind it
    if reply.is_success:
        return _is_explicit_refusal(failure)
    return status in _REFUSAL_STATUSES or (
        status == HTTPStatus.INTERNAL_SERVER_ERROR and refuses_with_500
    )


def _is_explicit_refusal(failure: Failure) -> bool:
    # Under HTTP 200 only the text counts, and "it failed" may be about a job that was accepted.
    return failure.fault is not Fault.UPSTREAM or failure.kind in _REFUSAL_KINDS
