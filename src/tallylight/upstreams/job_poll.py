"""Asks an upstream once for a job."""

from dataclasses import replace

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.upstreams.messages import Job, Reply
from tallylight.upstreams.missing_job import says_no_such_job
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport


async def poll_job(
    id_: str, other_id: str, upstream: Upstream, transport: Transport
) -> tuple[Job | Failure, Reply]:
    """Return a job, or why the answer holds none.

    If the upstream denies the job, it is asked for the other id that it named, if it did. The job
    has the id that was asked for: an answer may name it otherwise, or not at all.
    """
    answer, reply = await _ask(id_, upstream, transport)
    is_denied = isinstance(answer, Failure) and says_no_such_job(answer, reply)
    if is_denied and other_id:
        other, other_reply = await _ask(other_id, upstream, transport)
        if isinstance(other, Job):
            return other, other_reply
    return answer, reply


async def _ask(id_: str, upstream: Upstream, transport: Transport) -> tuple[Job | Failure, Reply]:
    adapter = adapter_for(upstream)
    reply = await transport.send(adapter.poll(id_), upstream)
    answer = adapter.read_job(reply)
    return replace(answer, id=id_) if isinstance(answer, Job) else answer, reply
