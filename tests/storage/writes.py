"""Writes of videos: what a process records about them, in the words of a test."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import insert

from tallylight.model.attempt import AttemptChange
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import SpendingLimit
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoError, VideoRecord, VideoStatus
from tallylight.storage.database import Storage
from tallylight.storage.engine import LockId
from tallylight.storage.tables import processes_table
from tallylight.storage.transaction import (
    Decision,
    NewAttempt,
    NewVideo,
    Write,
    WriteOutcome,
)
from tests.builders import NOON, attempt_of, new_video


def video_of(**changes: object) -> Video:
    """Return a new video that this process owns."""
    video = replace(new_video(), fingerprint="f", owner="me")
    return replace(video, **changes)  # type: ignore[arg-type]  # a test's shorthand


def new_attempt(
    video: Video, number: int = 1, *limits: SpendingLimit, usd: str = "0.4"
) -> NewAttempt:
    """Return an attempt that reserves an amount."""
    attempt, entry = attempt_of(video, number)
    return NewAttempt(attempt, replace(entry, estimate=Decimal(usd), amount=Decimal(usd)), limits)


def creation(video: Video, *limits: SpendingLimit, usd: str = "0.4") -> Write:
    """Return the write of a new video and its first attempt."""
    new = NewVideo(uuid4().hex, video, new_attempt(video, 1, *limits, usd=usd))
    return Write(video.id, new=new)


def change(  # noqa: PLR0913  # what an event tells
    video: Video,
    event: AttemptEvent,
    number: int = 1,
    *,
    job: str = "",
    failure: Failure | None = None,
    usd: str | None = None,
) -> AttemptChange:
    """Return an event of one of the attempts at a video."""
    id_ = AttemptId(f"{video.id}.{number}")
    cost = None if usd is None else Decimal(usd)
    told = JobRef(job) if job else None
    return AttemptChange(id_, event, NOON, job=told, failure=failure, cost=cost)


def fact(video: Video, event: AttemptEvent, number: int = 1, *, job: str = "") -> Write:
    """Return the write of what was heard about an attempt."""
    return Write(video.id, facts=(change(video, event, number, job=job),))


def decision(
    video: Video,
    *changes: AttemptChange,
    new: NewAttempt | None = None,
    messages: Sequence[OutboxMessage] = (),
    facts: tuple[AttemptChange, ...] = (),
) -> Write:
    """Return the write of a decision that was made from a version of a video."""
    made = Decision(uuid4().hex, video, changes, new, tuple(messages))
    return Write(video.id, facts=facts, decision=made)


def failed(video: Video) -> Video:
    """Return a video that has failed."""
    error = VideoError("x", "over")
    return replace(video, status=VideoStatus.FAILED, error=error, ended_at=NOON)


def completed(video: Video) -> Video:
    """Return a video that was delivered."""
    return replace(video, status=VideoStatus.COMPLETED, progress=100, ended_at=NOON)


async def created(storage: Storage, video: Video, usd: str = "0.4") -> VideoRecord:
    """Create a video with its first attempt, and return it."""
    written = await storage.group_commit.write(creation(video, usd=usd))
    assert written.outcome is WriteOutcome.WRITTEN
    assert written.record is not None
    return written.record


async def recorded(storage: Storage, write: Write) -> VideoRecord:
    """Write what must be written, and return its video."""
    written = await storage.group_commit.write(write)
    assert written.outcome is WriteOutcome.WRITTEN
    assert written.record is not None
    return written.record


async def store_messages(storage: Storage, *messages: OutboxMessage) -> None:
    """Store webhooks, as the decision does that ends a video."""
    video = (await created(storage, video_of())).video
    await recorded(storage, decision(failed(video), messages=messages))


async def enter(storage: Storage, name: str) -> None:
    """Enter a process that lives."""
    row = {"name": name, "beat": 1, "services": "[]", "started_at_us": NOON}
    async with storage.connections.durable_transaction(LockId.PROCESS) as connection:
        await connection.execute(insert(processes_table), row)
