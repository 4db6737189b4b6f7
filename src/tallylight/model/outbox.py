"""Messages to deliver: webhooks of videos, and notifications to receivers of alerts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class OutboxMessage(NamedTuple):
    """A message to deliver.

    Args:
        id: The id by which it is recorded once, and by which receivers recognize a repetition.
        endpoint: Where it goes: the name of a webhook endpoint, or of a receiver of alerts.
        video: The video that it reports, "" for an alert.
        at: The moment of the change that it reports.
        due: When it is to be delivered; None for at once.
    """

    id: str
    endpoint: str
    video: str
    body: str
    at: datetime
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboxDelivery:
    """One attempt to deliver a message.

    Args:
        created_at: The moment of the change that it reports.
        attempt_number: The number of this attempt, starting at 1.
    """

    id: str
    endpoint: str
    body: str
    created_at: datetime
    attempt_number: int


class Fate(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages that wait for one endpoint."""

    count: int
    oldest: datetime
