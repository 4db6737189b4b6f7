"""An attempt: one submission of an order to one service."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tallylight.model.evidence import Failure
from tallylight.model.ids import NO_VIDEO, AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, Purpose
from tallylight.model.order import Order


class AttemptState(StrEnum):
    """The state of an attempt."""

    INTENDED = "intended"  # about to be sent
    ACCEPTED = "accepted"  # the upstream has a job for it
    REFUSED = "refused"  # the upstream has none: nothing was billed
    IN_DOUBT = "in_doubt"  # sent, but it is unknown whether the upstream has a job for it
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submission to one service.

    Args:
        model: The id of the model on the wire.
        entry: The ledger entry that reserves its cost.
        intended_at: The moment it was recorded, just before it was sent.
        job: The upstream's id of its job, "" while it has none.
        doubt_reason: Why it was unknown whether it was accepted, "" if it never was in doubt.
        video: The caller's video that it is for, "" for a probe.
        number: The number of the attempt at that video, starting at 1; 0 for a probe.
        started_at: The moment the upstream was first seen working on it.
        rendered_at: The moment the upstream was first seen to have finished it.
        given_up_at: The moment from which its result is no longer awaited, though it has not ended.
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
        """Return whether it has not ended."""
        return self.ended_at is None
