"""The free probes: does it answer, does it know our key and still list the model?"""

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
"""What an answer to `reach` may say against the door. A 401 or 404 without a key proves that
somebody is at home."""

_UNREADABLE_RULES = frozenset({"body", "page"})
"""What the classifier's rules begin with where an answer could not be read at all."""

_MAX_TEXT = 200


class RequestSender(Protocol):
    """Sends one request; `upstreams.transport.Transport` is one."""

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return its whole answer, or how none came."""
        ...


@dataclass(frozen=True, slots=True)
class FreeProbeResult:
    """What a free probe found.

    Args:
        evidence: The observation.
        billed: The job that a request meant to be free has started, if it has.
        is_doubtful: It was sent as an order is and never answered, so it may have started one.
    """

    evidence: Evidence
    billed_job: Job | None = None
    may_be_billed: bool = False


async def probe_reach(service: Service, sender: RequestSender, clock: Clock) -> FreeProbeResult:
    """Ask whether a service's upstream answers at all."""
    request = adapter_for(service.upstream).reach()
    reply = await sender.send(request, service.upstream)
    failure = classify(reply, service.upstream.dialect)
    if failure is not None and failure.kind not in _API_DOWN_KINDS and reply.status is not None:
        failure = None
    return FreeProbeResult(_evidence(service, Source.REACH, reply, failure, clock))


async def probe_credentials(
    service: Service, sender: RequestSender, clock: Clock
) -> FreeProbeResult:
    """Ask whether an upstream knows our key and still offers the model."""
    adapter = adapter_for(service.upstream)
    request = adapter.credentials(service.model)
    reply = await sender.send(request, service.upstream)
    failure = adapter.read_credentials(reply, service.model)
    if failure is not None and failure.rule.partition(":")[0] in _UNREADABLE_RULES:
        failure = replace(failure, text=_described(failure.text, reply))
    evidence = _evidence(service, Source.CREDENTIALS, reply, failure, clock)
    if request.method != "POST":
        return FreeProbeResult(evidence)
    # A failure for want of a chat answer does not show that there was no job.
    job = adapter.read_job(reply)
    is_doubtful = reply.was_sent and (reply.status is None or bool(reply.error))
    return FreeProbeResult(evidence, job if isinstance(job, Job) else None, is_doubtful)


def _described(text: str, reply: Reply) -> str:
    """Return the words of an answer that is none, after a word on what it is instead."""
    kind = reply.headers.get("content-type", "").partition(";")[0] or "something"
    match reply:
        case Reply(error=error) if error:
            what = f"half an answer ({error})"
        case Reply(truncated=True):
            what = f"more {kind} than anybody reads"
        case Reply(body=body) if not body.strip():
            what = "an empty answer"
        case _:
            what = f"{kind} that is no such answer"
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
