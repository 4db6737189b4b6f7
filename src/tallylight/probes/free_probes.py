"""The free probes: the API responds, accepts our key and lists the model."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from tallylight.catalogue.services import Service, Upstream
from tallylight.clock import Clock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Source
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Job, Reply, Request
from tallylight.upstreams.protocols.registry import adapter_for

_API_DOWN_KINDS = frozenset(
    {
        FailureKind.DEGRADED,
        FailureKind.RISK_CONTROL,
        FailureKind.SUSPENDED,
        FailureKind.MAINTENANCE,
    }
)
"""Failures of `reach` that count against the API. A 401 or 404, without a key, proves that it
responds."""

_UNREADABLE_RULES = frozenset({"body", "page"})
"""First parts of the classifier's rules for a response that it could not read."""

_MAX_TEXT = 200


class RequestSender(Protocol):
    """Sends requests; implemented by `upstreams.transport.Transport`."""

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return the complete response, or the error."""
        ...


@dataclass(frozen=True, slots=True)
class FreeProbeResult:
    """The result of a free probe.

    Args:
        evidence: The observation.
        billed_job: The job that the probe started by mistake; None if it started none.
        may_be_billed: The probe was a POST without a response, so it may have started a job.
    """

    evidence: Evidence
    billed_job: Job | None = None
    may_be_billed: bool = False


async def probe_reach(service: Service, sender: RequestSender, clock: Clock) -> FreeProbeResult:
    """Check whether a service's upstream responds at all."""
    request = adapter_for(service.upstream).reach()
    reply = await sender.send(request, service.upstream)
    failure = classify(reply, service.upstream.dialect)
    if failure is not None and failure.kind not in _API_DOWN_KINDS and reply.status is not None:
        failure = None
    return FreeProbeResult(_evidence(service, Source.REACH, reply, failure, clock))


async def probe_credentials(
    service: Service, sender: RequestSender, clock: Clock
) -> FreeProbeResult:
    """Check whether an upstream accepts our key and lists the model."""
    adapter = adapter_for(service.upstream)
    request = adapter.credentials(service.model)
    reply = await sender.send(request, service.upstream)
    failure = adapter.read_credentials(reply, service.model)
    if failure is not None and failure.rule.partition(":")[0] in _UNREADABLE_RULES:
        failure = replace(failure, text=_described(failure.text, reply))
    evidence = _evidence(service, Source.CREDENTIALS, reply, failure, clock)
    if request.method != "POST":
        return FreeProbeResult(evidence)
    # A failed read of the credentials does not exclude that the POST started a job.
    job = adapter.read_job(reply)
    may_be_billed = reply.was_sent and (reply.status is None or bool(reply.error))
    return FreeProbeResult(evidence, job if isinstance(job, Job) else None, may_be_billed)


def _described(text: str, reply: Reply) -> str:
    """Return the text of an unreadable response, preceded by what the response is instead."""
    kind = reply.headers.get("content-type", "").partition(";")[0] or "something"
    match reply:
        case Reply(error=error) if error:
            what = f"an incomplete response ({error})"
        case Reply(truncated=True):
            what = f"{kind} that is too long to read"
        case Reply(body=body) if not body.strip():
            what = "an empty response"
        case _:
            what = f"{kind} that is not the expected response"
    line = f"HTTP {reply.status} with {what}" + (f": {text}" if text else "")
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1] + "…"


def _evidence(
    service: Service, source: Source, reply: Reply, failure: Failure | None, clock: Clock
) -> Evidence:
    waited = reply.first_byte_seconds
    return Evidence(
        service=service.id,
        at=clock.now(),
        source=source,
        failure=failure,
        latency=None if waited is None else timedelta(seconds=waited),
    )
