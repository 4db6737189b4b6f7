"""Checks that a finished job delivers the video that was ordered."""

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Medium, Order
from tallylight.upstreams.defects import defect_failure, find_defects
from tallylight.upstreams.download import LATE_PATIENCE, ResultFetcher
from tallylight.upstreams.inspection import inspect_file
from tallylight.upstreams.steps import Done
from tallylight.upstreams.transport import Transport

_LARGEST_VIDEO = 500 * 2**20


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """The result of a delivery.

    Args:
        arrived_at: When the download ended.
        failure: Why the delivery failed; None if the video is as ordered.
    """

    arrived_at: datetime
    failure: Failure | None


class DeliveryVerifier:
    """Downloads a finished job's video and inspects every frame."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._results = ResultFetcher(transport, clock)
        self._clock = clock

    async def verify(self, service: Service, attempt: Attempt, done: Done) -> VerifiedDelivery:
        """Return when the video of an attempt arrived and whether it is as ordered."""
        made_by = done.made.model
        if made_by and not is_same_model(made_by, service.model):
            text = f"asked for {service.model}, delivered by {made_by}"
            other = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "delivery:other_model", text)
            return VerifiedDelivery(self._clock.now(), other)
        with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
            file = Path(folder) / "delivery"
            found = await self._results.fetch(
                attempt.job, done, service, file, _LARGEST_VIDEO, LATE_PATIENCE
            )
            at = self._clock.now()
            if isinstance(found, Failure):
                return VerifiedDelivery(at, found)
            return VerifiedDelivery(at, await _defect(service, attempt.order, file))


def is_same_model(named: str, asked: str) -> bool:
    """Tell whether the model that a response names is the requested one.

    A dated snapshot counts as the model: "sora-2-2025-12-08" for "sora-2". So does the model with
    its provider, as resellers write it: "openai/sora-2".
    """
    named, asked = (name.casefold().rpartition("/")[2] for name in (named, asked))
    tail = named.removeprefix(asked)
    return not tail or (tail != named and tail[1:5].isdecimal() and tail[0] == "-")


async def _defect(service: Service, order: Order, file: Path) -> Failure | None:
    is_video = service.sheet.medium is Medium.VIDEO
    return defect_failure(
        find_defects(
            await inspect_file(file),
            (order.seconds or 0) if is_video else 0,
            # Without pixels, the size of its class is what is usual, and no promise.
            order.size if is_video and order.frame is not None and order.frame.width else "",
            audio_expected=is_video and _has_audio(service, order),
        )
    )


def _has_audio(service: Service, order: Order) -> bool:
    return service.sheet.has_audio if order.audio is None else order.audio
