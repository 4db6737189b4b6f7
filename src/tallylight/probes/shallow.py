"""The free probes: does it answer, does it know our key and still list the model?"""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.terms import Evidence, Failure, FailureKind, Source
from tallylight.upstreams.classify import classify
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job, Reply

_CLOSED_DOOR = frozenset(
    {
        FailureKind.DEGRADED,
        FailureKind.RISK_CONTROL,
        FailureKind.SUSPENDED,
        FailureKind.MAINTENANCE,
    }
)
"""What an answer to `reach` may say against the door. A 401 or 404 without a key proves that
somebody is at home."""


@dataclass(frozen=True, slots=True)
class Shallow:
    """What a free probe found.

    Args:
        evidence: The observation.
        billed: The job that a request meant to be free has started, if it has.
    """

    evidence: Evidence
    billed: Job | None = None


async def reach(service: Service, transport: Transport, clock: Clock) -> Shallow:
    """Ask whether a service's upstream answers at all."""
    request = protocol(service.upstream).reach()
    reply = await transport.send(request, service.upstream)
    failure = classify(reply, service.upstream.dialect)
    if failure is not None and failure.kind not in _CLOSED_DOOR:
        failure = None
    return Shallow(_evidence(service, Source.REACH, reply, failure, clock))


async def credentials(service: Service, transport: Transport, clock: Clock) -> Shallow:
    """Ask whether an upstream knows our key and still offers the model."""
    adapter = protocol(service.upstream)
    request = adapter.credentials(service.model)
    reply = await transport.send(request, service.upstream)
    failure = adapter.read_credentials(reply, service.model)
    billed = adapter.read_job(reply) if request.method == "POST" and failure is None else None
    return Shallow(
        _evidence(service, Source.CREDENTIALS, reply, failure, clock),
        billed=billed if isinstance(billed, Job) else None,
    )


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
