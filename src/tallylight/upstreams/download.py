"""Downloads a finished job's video: patiently, since it is paid for."""

from datetime import timedelta
from pathlib import Path

from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Job
from tallylight.upstreams.poll_state import as_upstream_fault
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

_RETRY_DELAYS = (timedelta(), timedelta(seconds=2), timedelta(seconds=8))
"""A finished job whose download fails is not a failed job: it is tried again after these."""


async def download_video(  # noqa: PLR0913, PLR0917  # what, from where, to where, by whom
    job: Job, upstream: Upstream, target: Path, limit_bytes: int, transport: Transport, clock: Clock
) -> Failure | None:
    """Download a completed job's video to a file; return why that failed, None if it is there."""
    request = adapter_for(upstream).content(job)
    failure = None
    for pause in _RETRY_DELAYS:
        await clock.sleep(pause)
        reply = await transport.download(request, upstream, target, limit_bytes)
        if reply.is_success and not reply.error:
            return None
        failure = as_upstream_fault(
            classify(reply, upstream.dialect)
            or Failure(
                FailureKind.DEGRADED,
                Fault.UPSTREAM,
                "delivery:nothing",
                "no video in the answer",
                http_status=reply.status,
            )
        )
    return failure
