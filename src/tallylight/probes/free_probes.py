"""The free probes: the API responds, accepts our key and lists the model."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.evidence import NOT_LISTED_RULE, Evidence, Failure, FailureKind, Source
from tallylight.model.jobs import JobRef
from tallylight.upstreams.client import RequestSender, run_flow
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.protocols.model_list import nearest_model
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Accepted, Checked

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

UNREADABLE_RULES = frozenset({"body", "page"})
"""First parts of the classifier's rules for a response that it could not read."""

_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class FreeProbeResult:
    """The result of a free probe.

    Args:
        evidence: The observation.
        billed_job: The job that the probe started by mistake; None if it started none.
        may_be_billed: The probe has no response, and may have started a job.
    """

    evidence: Evidence
    billed_job: JobRef | None = None
    may_be_billed: bool = False


async def probe_reach(service: Service, sender: RequestSender, clock: Clock) -> FreeProbeResult:
    """Check whether a service's upstream responds at all."""
    adapter = adapter_for(service.upstream)
    reply = await sender.send(adapter.reach(service.model), service.upstream)
    failure = adapter.errors.of(reply)
    if failure is not None and failure.kind not in _API_DOWN_KINDS and reply.status is not None:
        failure = None
    return FreeProbeResult(_evidence(service, Source.REACH, reply, failure, clock))


async def probe_credentials(
    service: Service, sender: RequestSender, clock: Clock
) -> FreeProbeResult:
    """Check whether an upstream accepts our key and lists the model."""
    adapter = adapter_for(service.upstream)
    ran = await run_flow(adapter.check(service.model), service.upstream, sender)
    reply, billed = ran.reply, ran.value if isinstance(ran.value, Accepted) else None
    failure = ran.failure or (ran.value if isinstance(ran.value, Failure) else None)
    if failure is not None and failure.rule.partition(":")[0] in UNREADABLE_RULES:
        failure = replace(failure, text=_described(failure.text, reply))
    evidence = _evidence(service, Source.CREDENTIALS, reply, failure, clock)
    if isinstance(ran.value, Checked) and not service.sheet.is_dated_by_operator:
        evidence = replace(evidence, until=datetime.combine(ran.value.shutdown_at, time(), UTC))
    if failure is not None and failure.rule == NOT_LISTED_RULE:
        evidence = replace(evidence, note=nearest_model(reply.body, service.model))
    is_lost = reply.was_sent and (reply.status is None or bool(reply.error))
    may_be_billed = adapter.features.check_may_bill and is_lost
    return FreeProbeResult(evidence, None if billed is None else billed.job, may_be_billed)


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
