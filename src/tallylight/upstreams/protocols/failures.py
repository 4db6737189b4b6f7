"""Why an answer is no job: the classifier's finding, or what is left where it finds nothing."""

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.redact import redact_line

_MAX_LINE = 200


def reply_failure(reply: Reply, dialect: str, rule: str) -> Failure:
    """Return the failure in a reply from which one cannot read what was asked for.

    Args:
        reply: What came back.
        dialect: The upstream's.
        rule: What to name as the deciding rule where the classifier sees nothing wrong: the answer
            is then the upstream's fault for not being what its protocol promises.
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
    """Return a failure that is the upstream's fault, with its words scrubbed and cut to a line."""
    line = " ".join(redact_line(text[: 4 * _MAX_LINE]).split())
    return Failure(
        kind=kind,
        fault=Fault.UPSTREAM,
        rule=rule,
        text=line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…",
        http_status=http_status,
    )
