"""Downloads the video of a finished job, with retries, since it is paid for."""

from datetime import timedelta
from pathlib import Path

from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.model.evidence import Failure
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Job
from tallylight.upstreams.poll_state import as_upstream_fault
from tallylight.upstreams.protocols.failures import upstream_failure
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

_RETRY_DELAYS = (timedelta(), timedelta(seconds=2), timedelta(seconds=8))
"""The delays before each attempt. A failed download does not make a finished job a failed one."""


async def download_video(  # noqa: PLR0913, PLR0917  # each is a value or a port that only this call knows
    job: Job, upstream: Upstream, target: Path, limit_bytes: int, transport: Transport, clock: Clock
) -> Failure | None:
    """Download the video of a completed job to a file; return why that failed, None on success."""
    request = adapter_for(upstream).content(job)
    failure = None
    for delay in _RETRY_DELAYS:
        await clock.sleep(delay)
        reply = await transport.download(request, upstream, target, limit_bytes)
        if reply.is_success and not reply.error:
            return None
        failure = as_upstream_fault(
            classify(reply, upstream.dialect)
            or upstream_failure(
                "delivery:nothing", "no video in the answer", http_status=reply.status
            )
        )
    return failure
