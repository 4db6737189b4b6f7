"""A video: what a caller asked for, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tallylight.model.ids import NO_SERVICE, NO_VIDEO, KeyId, ServiceId, VideoId
from tallylight.model.order import Operation, Order, Reference


class VideoStatus(StrEnum):
    """Where a video stands, in the words of the Videos API."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CreateParams:
    """What a caller asked for beside prompt, seconds and size.

    Args:
        operation: How the video is made.
        source: The video that is remixed, edited or extended; ours, "" for none.
        reference: What it builds on; its bytes lie in the asset store.
        stored: The reference's place in the asset store, "" where there are no bytes.
        characters: Ours.
        extras: Fields that we do not know.
        pinned: The only service that can do it, "" for any: it has the source or the characters.
        chosen: Fields that the caller left out, so that we chose them.
        policy: What the caller prefers in place of the route's own policy, "" for nothing.
        onto: How many seconds are there already that an extension adds to.
    """

    operation: Operation = Operation.CREATE
    source: VideoId = NO_VIDEO
    reference: Reference | None = None
    reference_asset: str = ""
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    pinned_service: ServiceId = NO_SERVICE
    defaulted_fields: tuple[str, ...] = ()
    policy: str = ""
    base_seconds: int = 0


@dataclass(frozen=True, slots=True)
class VideoError:
    """Why a video failed, as its caller is told: a code of the Videos API and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Video:
    """One video that a caller asked for.

    Args:
        id: Ours; valid for ever.
        key: Who asked, "" where no key is needed.
        model: The route.
        prompt: The text.
        seconds: The length asked for; of an extension, with what it is added to.
        size: The size asked for.
        created_at: When it was asked for.
        deadline: When nobody waits for it any more.
        wish: All else that was asked for.
        idempotency: The caller's key for this request, "" for none.
        fingerprint: Of the request's content, by which a repetition is known.
        owner: The process that follows it.
        status: Where it stands.
        progress: 0 to 100; never falls.
        service: Who works on it, or delivered it; "" before the first acceptance.
        attempts: How many submissions there were.
        cost: What they cost together, in USD, as far as it is known.
        substituted: What the service was asked for in place of what the caller asked for.
        error: Why it failed.
        started_at: When a service was first seen at work on it.
        ended_at: When it was completed or had failed.
        expires_at: When its content is gone, None if it is kept.
        asset: Its place in the asset store, "" while it is not there.
        deleted_at: When its caller deleted it.
    """

    id: VideoId
    key: KeyId
    model: str
    prompt: str
    seconds: int
    size: str
    created_at: datetime
    deadline: datetime
    params: CreateParams = field(default_factory=CreateParams)
    idempotency_key: str = ""
    fingerprint: str = ""
    owner: str = ""
    status: VideoStatus = VideoStatus.QUEUED
    progress: int = 0
    service: ServiceId = NO_SERVICE
    attempts: int = 0
    cost: Decimal = Decimal(0)
    substitutions: Mapping[str, str] = field(default_factory=dict)
    error: VideoError | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    asset: str = ""
    deleted_at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Tell whether it has an end, which never changes."""
        return self.ended_at is not None

    def order(self) -> Order:
        """Return what is asked for, in our own names, before anything is fitted to a service."""
        return Order(
            prompt=self.prompt,
            seconds=self.seconds - self.params.base_seconds,
            size=self.size,
            operation=self.params.operation,
            reference=self.params.reference,
            characters=self.params.characters,
            extras=self.params.extras,
        )
