"""An attempt: one submission of an order to one service."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tallylight.model.evidence import Failure
from tallylight.model.ids import NO_VIDEO, AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, Purpose
from tallylight.model.order import Order


class AttemptState(StrEnum):
    """How far an attempt has come."""

    INTENDED = "intended"  # about to be sent
    ACCEPTED = "accepted"  # the upstream has a job for it
    REFUSED = "refused"  # the upstream has none: nothing was billed
    IN_DOUBT = "in_doubt"  # sent, and nobody knows whether there is a job
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission to one service.

    Args:
        id: Its name; ours.
        service: To whom.
        purpose: A probe, or a caller's video.
        order: What was asked for.
        model: The model's id on the wire.
        entry: The reservation in the ledger that pays for it.
        intended_at: When it was written down, just before it was sent.
        state: How far it has come.
        accepted_at: When the upstream accepted it.
        ended_at: When it came to an end.
        job: The upstream's id of its job, "" while there is none.
        doubt: Why nobody knew whether it was accepted, "" if it never was in doubt.
        failure: Why it was refused or failed.
        video: The caller's video that it is for, "" of a probe.
        number: The how manieth attempt at that video, from 1; 0 of a probe.
        started_at: When the upstream was first seen at work on it.
        rendered_at: When the upstream was first seen to have finished it.
        given_up_at: Since when nobody counts on it any more, though it has not ended.
    """

    id: AttemptId
    service: ServiceId
    purpose: Purpose
    order: Order
    model: str
    entry: EntryId
    intended_at: datetime
    state: AttemptState = AttemptState.INTENDED
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    job: str = ""
    doubt_reason: str = ""
    failure: Failure | None = None
    video: VideoId = NO_VIDEO
    number: int = 0
    started_at: datetime | None = None
    rendered_at: datetime | None = None
    given_up_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it has not come to an end."""
        return self.ended_at is None
