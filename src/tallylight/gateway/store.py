"""Records videos, attempts and ledger entries together, so that they always agree.

An attempt is recorded before it is sent, and not sent if that fails. The recording of an outcome is
retried until it succeeds, since a paid job that is not recorded is lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat

import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError, UnwritableError
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.ledger import EntryState, LedgerEntry
from tallylight.model.video import Video
from tallylight.storage.database import Storage
from tallylight.storage.transaction import ClaimedJob, OutboxMessage, SpendingLimit, WriteBatch

log = structlog.get_logger()

LEASE_TTL = timedelta(seconds=15)
"""Time without renewal after which another process takes a video over."""

_RETRY_PAUSES = tuple(timedelta(seconds=s) for s in (0.2, 1, 2, 5, 10, 30, 60))


class VideoStore:
    """Records the state of videos."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._group_commit = storage.group_commit
        self._clock = clock

    async def create(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        entry: LedgerEntry,
        limits: tuple[SpendingLimit, ...],
    ) -> bool:
        """Record a new video with its first attempt and the reservation of its cost.

        Returns:
            False if the idempotency key already has a video; then nothing is recorded.

        Raises:
            BudgetError: if the cost would exceed a limit.
            StorageError: if the database is unavailable.
        """
        video = tracked.video
        batch = WriteBatch(
            new_video=video,
            leased_until=self._clock.now() + LEASE_TTL,
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
        )
        if not await self._group_commit.write(batch):
            return False
        tracked.add_attempt(video, attempt, entry)
        return True

    async def create_held(self, tracked: TrackedVideo) -> bool:
        """Record a new video without an attempt; returns and raises as `create` does."""
        leased_until = self._clock.now() + LEASE_TTL
        return await self._group_commit.write(
            WriteBatch(new_video=tracked.video, leased_until=leased_until)
        )

    async def add_attempt(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        entry: LedgerEntry,
        limits: tuple[SpendingLimit, ...],
    ) -> bool:
        """Record a further attempt, which must not be sent before.

        Returns:
            False if the video has another owner, has ended, or has an attempt of the same number
            from another process. Then the attempt must not be sent, and nothing is reserved.

        Raises:
            BudgetError: if the cost would exceed a limit.
            StorageError: if the database is unavailable.
        """
        video = replace(tracked.video, attempts=attempt.number, cost=tracked.cost + entry.amount)
        ended_attempts, ended_entries = _pending(tracked)
        batch = WriteBatch(
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
            video=video,
            attempts=ended_attempts,
            entries=ended_entries,
        )
        if not await self._group_commit.write(batch):
            return False
        tracked.pending_writes.clear()
        tracked.add_attempt(video, attempt, entry)
        return True

    async def claim_job(
        self, tracked: TrackedVideo, video: Video, attempt: Attempt, services: tuple[ServiceId, ...]
    ) -> bool:
        """Record that an attempt has a job that was found in the list of some services' jobs.

        Returns:
            False if another attempt has the job; then nothing is recorded.

        Raises:
            StorageError: if the database is unavailable.
        """
        batch = WriteBatch(video=video, claimed_job=ClaimedJob(attempt, services))
        if not await self._group_commit.write(batch):
            return False
        tracked.apply(video, (attempt,))
        return True

    async def record(
        self,
        tracked: TrackedVideo,
        *,
        video: Video | None = None,
        attempts: Sequence[Attempt] = (),
        entries: Sequence[LedgerEntry] = (),
        messages: Sequence[OutboxMessage] = (),
    ) -> None:
        """Record what happened, retrying while the database is unavailable; then publish it."""
        ended_attempts, ended_entries = _pending(tracked)
        changed, written = (*ended_attempts, *attempts), (*ended_entries, *entries)
        if written:
            known = {**tracked.entries, **{entry.id: entry for entry in written}}
            cost = sum((entry.amount for entry in known.values()), Decimal(0))
            video = replace(video or tracked.video, cost=cost)
        await self._write_with_retries(
            WriteBatch(video=video, attempts=changed, entries=written, messages=tuple(messages))
        )
        tracked.pending_writes.clear()
        tracked.apply(video, changed, written)

    async def stored_attempt(self, id_: AttemptId) -> Attempt | None:
        """Return an attempt as the database has it, where another process may have changed it."""
        return await self._storage.attempts.get(id_)

    async def stored_entries(self, attempt: Attempt) -> tuple[LedgerEntry, ...]:
        """Return the ledger entry of an attempt as the database has it."""
        return tuple((await self._storage.ledger.by_ids([attempt.entry])).values())

    async def flush(self, tracked: TrackedVideo) -> None:
        """Record the pending ends of attempts now, since no other write follows soon."""
        if tracked.pending_writes:
            await self.record(tracked)

    def mark_refused(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        """Apply that the upstream refused an attempt: nothing was billed.

        Like the other ends of attempts it is recorded in one transaction with the next attempt or
        the end of the video. That saves a write before the next service is tried.
        """
        self._end(tracked, attempt, AttemptState.REFUSED, failure, released_entry)

    async def mark_in_doubt(self, tracked: TrackedVideo, attempt: Attempt, reason: str) -> None:
        """Record that it is unknown whether an attempt was accepted."""
        await self.record(
            tracked, attempts=(replace(attempt, state=AttemptState.IN_DOUBT, doubt_reason=reason),)
        )

    def mark_failed(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        """Apply that an attempt failed; it counts as paid."""
        self._end(tracked, attempt, AttemptState.FAILED, failure, settled_entry)

    def mark_failed_unbilled(
        self, tracked: TrackedVideo, attempt: Attempt, failure: Failure
    ) -> None:
        """Apply that an attempt failed and is not billed."""
        self._end(tracked, attempt, AttemptState.FAILED, failure, released_entry)

    def _end(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        state: AttemptState,
        failure: Failure,
        close: Callable[[LedgerEntry], LedgerEntry],
    ) -> None:
        over = ended_attempt(attempt, state, self._clock.now(), failure)
        tracked.end_attempt(over, close(tracked.entries[attempt.entry]))

    async def _write_with_retries(self, batch: WriteBatch) -> None:
        for pause in chain(_RETRY_PAUSES, repeat(_RETRY_PAUSES[-1])):
            try:
                await self._group_commit.write(batch)
            except UnwritableError:
                raise  # a retry would fail, too
            except StorageError as error:
                log.warning("video.write_retried", error=str(error))
                await self._clock.sleep(pause)
            else:
                return


def _pending(tracked: TrackedVideo) -> tuple[tuple[Attempt, ...], tuple[LedgerEntry, ...]]:
    """Return the ended attempts that are not recorded yet, and their entries."""
    attempts = tuple(attempt for attempt, _ in tracked.pending_writes)
    return attempts, tuple(entry for _, entry in tracked.pending_writes)


def ended_attempt(
    attempt: Attempt, state: AttemptState, at: datetime, failure: Failure | None = None
) -> Attempt:
    """Return an attempt in an end state."""
    return replace(attempt, state=state, ended_at=at, failure=failure)


def settled_entry(entry: LedgerEntry, amount: Decimal | None = None) -> LedgerEntry:
    """Return an entry settled at an amount; without one, at the reserved estimate."""
    known = entry.estimate if amount is None else amount
    return replace(entry, state=EntryState.SETTLED, amount=known)


def released_entry(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry whose reservation is released."""
    return replace(entry, state=EntryState.RELEASED, amount=Decimal(0))
