"""Decides whether a create was accepted, hence billed, so that no video is paid for twice.

The table and its reasons: `docs/protocols.md`, "Accepted, refused, in doubt".
"""

from dataclasses import dataclass
from http import HTTPStatus

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import JobRef
from tallylight.model.order import Order
from tallylight.upstreams.event_stream import unframed
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.protocol import Adapter
from tallylight.upstreams.steps import Accepted, Done, Failed, Working

_CALLER_ERRORS = range(400, 500)

#: A proxy answers these, and the service behind it may have received the request. 499 is nginx's
#: word for a client that left, 460 that of AWS; a relay repeats what its own upstream said.
_PROXY_STATUSES = frozenset({408, 460, 499})

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

#: Rules of failures that mean that a stream broke off, or that something else came in its place.
_CUT_STREAM_RULES = frozenset({"stream:cut", "stream:disconnected", "stream:no_chat"})


_PROMPT_SECONDS = 10.0
"""A create that is held until the job is over is refused within this time, or after it was begun:
what is told later may be said by a gateway that waited for it no longer."""

_NO_JOB_ID = upstream_failure("job:no_id", "accepted without a job id, so the job cannot be polled")


@dataclass(frozen=True, slots=True)
class Refused:
    """A create that was not accepted, so that nothing is billed.

    Args:
        failure: Why.
        was_sent: It left this host.
    """

    failure: Failure
    was_sent: bool = True


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A create of which nobody can tell yet whether it was accepted: it is never sent again."""

    failure: Failure


Submission = Accepted | Refused | InDoubt
"""What became of a create."""


def judge_create(
    adapter: Adapter, order: Order, reply: Reply, *, refuses_with_500: bool = False
) -> Submission:
    """Return what became of a create.

    Args:
        adapter: The adapter that sent it.
        order: The order.
        reply: The answer, or the error in its place.
        refuses_with_500: This upstream answers 500 only before it accepts a job. Others answer 500
            afterwards too, so the operator has to say so.
    """
    accepted = adapter.accepted(order, reply)
    if accepted is not None:
        is_lost = isinstance(accepted.step, Working) and not accepted.job.id
        return InDoubt(_NO_JOB_ID) if is_lost else accepted
    failure = adapter.errors.failure(reply, "create:unreadable")
    is_definite = (
        not reply.was_sent
        or adapter.errors.proves_free(reply)
        or _is_refusal(
            reply,
            failure,
            refuses_with_500=refuses_with_500,
            may_have_begun=adapter.features.create_timeout is not None
            and reply.seconds > _PROMPT_SECONDS,
        )
    )
    return Refused(failure, reply.was_sent) if is_definite else InDoubt(failure)


def judge_stream(job: JobRef, end: Done | Failure, error: str, *, has_begun: bool) -> Submission:
    """Return what became of a create whose streamed answer has ended.

    A refusal is streamed, too: before any work it is one. A stream that broke off otherwise is in
    doubt, since a disconnect does not cancel the job.

    Args:
        job: How the job is known.
        end: How the stream ended.
        error: How it broke off, "" if it did not.
        has_begun: Work on the job was seen.
    """
    if isinstance(end, Done):
        return Accepted(job, end)
    is_refusal = _is_explicit_refusal(end) and not has_begun
    if end.rule in _CUT_STREAM_RULES or (error and not is_refusal):
        return InDoubt(end)
    return Refused(end) if is_refusal else Accepted(job, Failed(end))


def _is_refusal(
    reply: Reply, failure: Failure, *, refuses_with_500: bool, may_have_begun: bool
) -> bool:
    if reply.error or reply.truncated or reply.status is None:
        return False
    status = reply.status
    if status in _REDIRECTS:
        return True
    if status in _CALLER_ERRORS:
        return status not in _PROXY_STATUSES and bool(reply.body.strip())
    if not is_json_object(unframed(reply.body)):
        return False  # a proxy's page says nothing about the service behind it
    if reply.is_success:
        return _is_explicit_refusal(failure)
    refuses = status in _REFUSAL_STATUSES or (
        status == HTTPStatus.INTERNAL_SERVER_ERROR and refuses_with_500
    )
    return refuses and not may_have_begun


def _is_explicit_refusal(failure: Failure) -> bool:
    # Under HTTP 200 only the text counts, and "it failed" may be about a job that was accepted.
    return failure.fault is not Fault.UPSTREAM or failure.kind in _REFUSAL_KINDS
