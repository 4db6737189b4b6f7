"""Whether the video that a finished job promises arrives and is the one asked for."""

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tallylight.catalogue.services import Medium, Service
from tallylight.clock import Clock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Order
from tallylight.upstreams.defects import defect_failure, find_defects
from tallylight.upstreams.download import download_video
from tallylight.upstreams.inspection import inspect_file
from tallylight.upstreams.messages import Job
from tallylight.upstreams.transport import Transport

_LARGEST_VIDEO = 500 * 2**20


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """How a delivery went.

    Args:
        at: When the last byte of the video was there, or nothing more was hoped for.
        failure: What is wrong with what came, None if it is what was ordered.
    """

    arrived_at: datetime
    failure: Failure | None


class DeliveryVerifier:
    """Downloads a finished job's video and looks at every frame."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def verify(self, service: Service, order: Order, job: Job) -> VerifiedDelivery:
        """Return when a job's video arrived and what is wrong with it."""
        if job.model and not is_same_model(job.model, service.model):
            text = f"asked for {service.model}, delivered by {job.model}"
            other = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "delivery:other_model", text)
            return VerifiedDelivery(self._clock.now(), other)
        with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
            file = Path(folder) / "delivery"
            failure = await download_video(
                job, service.upstream, file, _LARGEST_VIDEO, self._transport, self._clock
            )
            at = self._clock.now()
            if failure is None:
                failure = await _shortcoming(service, order, file)
        return VerifiedDelivery(at, failure)


def is_same_model(named: str, asked: str) -> bool:
    """Tell whether the model that an answer names is the one asked for.

    A dated snapshot of a model is the model: "sora-2" may be answered by "sora-2-2025-12-08". So is
    the model with its maker before it, as resellers write it: "openai/sora-2".
    """
    named, asked = (name.casefold().rpartition("/")[2] for name in (named, asked))
    tail = named.removeprefix(asked)
    return not tail or (tail != named and tail[1:5].isdecimal() and tail[0] == "-")


async def _shortcoming(service: Service, order: Order, file: Path) -> Failure | None:
    is_video = service.sheet.medium is Medium.VIDEO
    return defect_failure(
        find_defects(
            await inspect_file(file),
            order.seconds if is_video else 0,
            order.size if is_video else "",
            audio_expected=is_video and service.sheet.has_audio,
        )
    )
