"""Failures that no rule of the classifier names, since only the context shows them."""

from dataclasses import replace

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.redact import redact_line

_MAX_LINE = 200

_REQUEST_FAILURES = frozenset(
    {FailureKind.INVALID_REQUEST, FailureKind.RETIRED, FailureKind.UNKNOWN}
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


def as_upstream_fault(failure: Failure) -> Failure:
    """Return a failure of an accepted job as the upstream's fault.

    "No such video" would be the caller's mistake, had the upstream not created that video.
    """
    if failure.fault is Fault.OURS or failure.kind not in _REQUEST_FAILURES:
        return failure
    return replace(failure, kind=FailureKind.DEGRADED, fault=Fault.UPSTREAM, names_state=False)
