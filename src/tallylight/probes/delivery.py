"""Whether the video that a finished job promises arrives and is the one asked for."""

import tempfile
from datetime import timedelta
from pathlib import Path

from tallylight.catalogue.services import Medium, Service
from tallylight.clock import Clock
from tallylight.terms import Failure, FailureKind, Fault, Order
from tallylight.upstreams.classify import classify
from tallylight.upstreams.inspection import inspect
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.shortcomings import failure_of, shortcomings
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job

_LARGEST_VIDEO = 500 * 2**20

_PAUSES = (timedelta(seconds=2), timedelta(seconds=8))
"""A finished job whose download fails once is not a failed job: it is tried again after these."""


class Delivery:
    """Downloads a finished job's video and looks at every frame."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def check(self, service: Service, order: Order, job: Job) -> Failure | None:
        """Return what is wrong with what was delivered, None if it is what was ordered."""
        if job.model and not is_same_model(job.model, service.model):
            text = f"asked for {service.model}, delivered by {job.model}"
            return Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "delivery:other_model", text)
        with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
            file = Path(folder) / "delivery"
            failure = await self._download(service, job, file)
            if failure is not None:
                return failure
            seen = await inspect(file)
        is_video = service.sheet.medium is Medium.VIDEO
        return failure_of(
            shortcomings(
                seen,
                order.seconds if is_video else 0,
                order.size if is_video else "",
                audio_expected=is_video and service.sheet.has_audio,
            )
        )

    async def _download(self, service: Service, job: Job, file: Path) -> Failure | None:
        request = protocol(service.upstream).content(job)
        failure = None
        for pause in (timedelta(), *_PAUSES):
            await self._clock.sleep(pause)
            reply = await self._transport.download(request, service.upstream, file, _LARGEST_VIDEO)
            if file.exists():
                return None
            failure = classify(reply, service.upstream.dialect) or Failure(
                FailureKind.DEGRADED, Fault.UPSTREAM, "delivery:nothing", "no video in the answer"
            )
        return failure


def is_same_model(named: str, asked: str) -> bool:
    """Tell whether the model that an answer names is the one asked for.

    A dated snapshot of a model is the model: "sora-2" may be answered by "sora-2-2025-12-08".
    """
    named, asked = named.casefold(), asked.casefold()
    tail = named.removeprefix(asked)
    return not tail or (tail != named and tail[1:5].isdecimal() and tail[0] == "-")
