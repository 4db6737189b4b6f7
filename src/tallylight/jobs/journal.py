"""Records facts and decisions about videos, until it is known what became of each record.

A record whose outcome is unknown is written again, under the same names and the same token. So an
outage of the database loses nothing and writes nothing twice.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain, repeat
from secrets import token_hex

import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError, UncertainCommitError, UnwritableError
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import AttemptChange
from tallylight.model.ids import ServiceId
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoRecord, VideoStatus
from tallylight.storage.group_commit import GroupCommitter
from tallylight.storage.transaction import (
    Decision,
    NewAttempt,
    NewVideo,
    Write,
    WriteOutcome,
    Written,
)

log = structlog.get_logger()

_RETRY_PAUSES = tuple(timedelta(seconds=s) for s in (0.2, 1, 2, 5, 10, 30, 60))


class Journal:
    """Records what happens to videos and what is decided about them."""

    def __init__(self, group_commit: GroupCommitter, clock: Clock) -> None:
        self._group_commit = group_commit
        self._clock = clock

    async def create(self, video: Video, new_attempt: NewAttempt | None) -> VideoRecord | None:
        """Record a new video, usually with its first attempt.

        Returns:
            The record; None if another video has the idempotency key. Then nothing is recorded.

        Raises:
            BudgetError: if the cost would exceed a limit; nothing is recorded.
            StorageError: if the database is unavailable; nothing is recorded.
        """
        new = NewVideo(video.id, video, new_attempt)  # its id is random, and nobody else has it
        write = Write(video.id, new=new)
        try:
            written = await self._group_commit.write(write)
        except UncertainCommitError as error:
            record = await self._find_or_bar(video)
            if record is None:
                raise error from None
            return record
        if written.refusal is not None:
            raise written.refusal
        return None if written.outcome is WriteOutcome.TAKEN else written.record

    async def record(
        self,
        tracked: TrackedVideo,
        *facts: AttemptChange,
        listing: Collection[ServiceId] = (),
    ) -> bool:
        """Record facts, whoever owns the video now.

        Args:
            tracked: The video; it has its newest version afterwards.
            facts: What was heard about its attempts.
            listing: The services whose jobs the list shows that shows a job.

        Returns:
            False if another attempt has the job that a list shows; then nothing is recorded.
        """
        written = await self._write_to(tracked, facts=facts, listing=tuple(listing))
        return written.outcome is not WriteOutcome.TAKEN

    async def decide(
        self,
        tracked: TrackedVideo,
        video: Video,
        *changes: AttemptChange,
        new_attempt: NewAttempt | None = None,
        messages: tuple[OutboxMessage, ...] = (),
    ) -> bool:
        """Record a decision of the owner of a video.

        Args:
            tracked: The video; it has its newest version afterwards.
            video: The video as it becomes, made from the version that `tracked` has.
            changes: Decisions about its attempts, and facts that are known only with them.
            new_attempt: A further attempt, which may be sent only if this returns True.
            messages: The webhooks that report its end.

        Returns:
            False if the video was written since, has another owner or has ended: then the caller
            looks at `tracked` and decides again, unless it is released.

        Raises:
            BudgetError: if the cost of the attempt would exceed a limit.
        """
        decision = Decision(token_hex(8), video, changes, new_attempt, messages)
        written = await self._write_to(tracked, decision=decision)
        if written.refusal is not None:
            raise written.refusal
        if written.outcome is WriteOutcome.LOST and not tracked.is_over:
            log.warning("video.lost", video=video.id)
            tracked.release()
        return written.outcome is WriteOutcome.WRITTEN

    async def refresh(self, tracked: TrackedVideo) -> None:
        """Read a video anew, as another process may have recorded facts about it."""
        await self._write_to(tracked)

    async def hand_over(self, tracked: TrackedVideo) -> None:
        """Leave a video to a process that can ask the service of its open attempt."""
        video = tracked.video
        tracked.release()
        await self.decide(tracked, replace(video, owner=""))

    async def _find_or_bar(self, video: Video) -> VideoRecord | None:
        """Find out whether a video was recorded by a commit of unknown outcome.

        If it was not, a deleted video of the same id is recorded: a commit that is still under way
        then fails, and its caller can be told that there is no video.
        """
        now = self._clock.now()
        bar = replace(
            video,
            status=VideoStatus.FAILED,
            ended_at=now,
            deleted_at=now,
            prompt="",
            cost=Decimal(0),
        )
        written = await self._write(
            Write(video.id, new=NewVideo(token_hex(8), bar), is_repeated=True)
        )
        record = written.record
        return None if record is None or record.video.deleted_at is not None else record

    async def _write_to(
        self,
        tracked: TrackedVideo,
        facts: tuple[AttemptChange, ...] = (),
        listing: tuple[ServiceId, ...] = (),
        decision: Decision | None = None,
    ) -> Written:
        """Write to a video that is there, and give it its newest version."""
        known = tracked.record
        written = await self._write(Write(known.video.id, facts, listing, decision, known=known))
        self._apply(tracked, written)
        return written

    async def _write(self, write: Write) -> Written:
        """Write, and again after each failure, until what became of it is known."""
        for pause in chain(_RETRY_PAUSES, repeat(_RETRY_PAUSES[-1])):
            try:
                return await self._group_commit.write(write)
            except UnwritableError:
                raise  # a retry would fail, too
            except StorageError as error:
                log.warning("video.write_retried", video=write.video, error=str(error))
                write = replace(write, is_repeated=True)
                await self._clock.sleep(pause)
        raise AssertionError("the pauses have no end")

    @staticmethod
    def _apply(tracked: TrackedVideo, written: Written) -> None:
        if written.record is None:
            return
        was_ours = (tracked.video.owner, tracked.video.epoch)
        tracked.apply(written.record)
        video = written.record.video
        if not video.is_terminal and (video.owner, video.epoch) != was_ours:
            if not tracked.is_released:
                log.warning("video.lost", video=video.id)
            tracked.release()
