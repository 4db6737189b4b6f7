"""The failure in a reply: the classifier's, or the upstream's fault if that finds none."""

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.redact import redact_line

_MAX_LINE = 200


def reply_failure(reply: Reply, dialect: str, rule: str) -> Failure:
    """Return the failure in a reply that does not hold what was requested.

    If the classifier finds no failure, it is the upstream's fault, since the answer breaks its
    protocol, and `rule` names it.
    """
    return classify(reply, dialect) or upstream_failure(
        rule, reply.error or reply.body, http_status=reply.status
    )


def upstream_failure(
    rule: str,
    text: str,
    *,
    kind: FailureKind = FailureKind.DEGRADED,
    http_status: int | None = None,
) -> Failure:
    """Return a failure that is the upstream's fault, with its text as one redacted line."""
    return Failure(
        kind=kind,
        fault=Fault.UPSTREAM,
        rule=rule,
        text=redact_line(text, max_length=_MAX_LINE),
        http_status=http_status,
    )
