"""How a video, its attempts and their money are written down, so that they always agree.

What is about to be sent is written first and refused if it cannot be; what has happened is written
until it is, since a job that is paid for and not written down is lost.
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
"""How long a process may be silent before others take its videos over."""

_PAUSES = tuple(timedelta(seconds=s) for s in (0.2, 1, 2, 5, 10, 30, 60))


class VideoStore:
    """Writes down what becomes of videos."""

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
        """Write a new video down, which counts its first attempt, with that and the money for it.

        Returns:
            False if there is a video of the same idempotency key; then nothing is written.

        Raises:
            BudgetError: if the money may not be spent.
            StorageError: if the database is away.
        """
        video = tracked.video
        writing = WriteBatch(
            new_video=video,
            leased_until=self._clock.now() + LEASE_TTL,
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
        )
        if not await self._group_commit.write(writing):
            return False
        tracked.add_attempt(video, attempt, entry)
        return True

    async def create_held(self, tracked: TrackedVideo) -> bool:
        """Write a new video down that no service can be asked for yet; see `open`."""
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
        """Write a further attempt down; only after this may it be sent.

        Returns:
            False if the video has another owner or an end by now, or another process has written
            an attempt of the same number. Then the attempt may not be sent, and no money is set
            aside for it.

        Raises:
            BudgetError: if the money may not be spent.
            StorageError: if the database is away.
        """
        video = replace(tracked.video, attempts=attempt.number, cost=tracked.cost + entry.amount)
        ended_attempts, ended_entries = _unwritten(tracked)
        writing = WriteBatch(
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
            video=video,
            attempts=ended_attempts,
            entries=ended_entries,
        )
        if not await self._group_commit.write(writing):
            return False
        tracked.pending_writes.clear()
        tracked.add_attempt(video, attempt, entry)
        return True

    async def claim_job(
        self, tracked: TrackedVideo, video: Video, attempt: Attempt, services: tuple[ServiceId, ...]
    ) -> bool:
        """Write down that an attempt has a job that was found in the list of some services' jobs.

        Returns:
            False if that is another attempt's; then nothing is written.

        Raises:
            StorageError: if the database is away.
        """
        writing = WriteBatch(video=video, claimed_job=ClaimedJob(attempt, services))
        if not await self._group_commit.write(writing):
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
        """Write down what has happened, however long the database is away; then let it be seen."""
        ended_attempts, ended_entries = _unwritten(tracked)
        changed, written = (*ended_attempts, *attempts), (*ended_entries, *entries)
        if written:
            known = {**tracked.entries, **{entry.id: entry for entry in written}}
            cost = sum((entry.amount for entry in known.values()), Decimal(0))
            video = replace(video or tracked.video, cost=cost)
        await self._insist(
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
        """Write down what attempts have come to, because nothing follows from it for a while."""
        if tracked.pending_writes:
            await self.record(tracked)

    def mark_refused(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        """Take in that the upstream has no job for it: nothing was billed.

        What comes of that, the next attempt or the video's end, is written in one transaction with
        it: the next service is asked sooner, and nobody finds the one without the other. So it is
        with the other ends.
        """
        self._end(tracked, attempt, AttemptState.REFUSED, failure, released_entry)

    async def mark_in_doubt(self, tracked: TrackedVideo, attempt: Attempt, why: str) -> None:
        """Write down that nobody knows whether it was accepted."""
        await self.record(
            tracked, attempts=(replace(attempt, state=AttemptState.IN_DOUBT, doubt_reason=why),)
        )

    def mark_failed(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        """Take in that an attempt brings no video; it counts as paid for."""
        self._end(tracked, attempt, AttemptState.FAILED, failure, settled_entry)

    def mark_failed_unbilled(
        self, tracked: TrackedVideo, attempt: Attempt, failure: Failure
    ) -> None:
        """Take in that an attempt brings no video, and that its upstream takes nothing."""
        self._end(tracked, attempt, AttemptState.FAILED, failure, released_entry)

    def _end(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        state: AttemptState,
        failure: Failure,
        closed: Callable[[LedgerEntry], LedgerEntry],
    ) -> None:
        over = ended_attempt(attempt, state, self._clock.now(), failure)
        tracked.end_attempt(over, closed(tracked.entries[attempt.entry]))

    async def _insist(self, writing: WriteBatch) -> None:
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            try:
                await self._group_commit.write(writing)
            except UnwritableError:
                raise  # it would be no other the next time
            except StorageError as error:
                log.warning("video.write_retried", error=str(error))
                await self._clock.sleep(pause)
            else:
                return


def _unwritten(tracked: TrackedVideo) -> tuple[tuple[Attempt, ...], tuple[LedgerEntry, ...]]:
    """Return what attempts have come to and is not written yet, and the money of each."""
    attempts = tuple(attempt for attempt, _ in tracked.pending_writes)
    return attempts, tuple(entry for _, entry in tracked.pending_writes)


def ended_attempt(
    attempt: Attempt, state: AttemptState, at: datetime, failure: Failure | None = None
) -> Attempt:
    """Return an attempt that has come to its end."""
    return replace(attempt, state=state, ended_at=at, failure=failure)


def settled_entry(entry: LedgerEntry, amount: Decimal | None = None) -> LedgerEntry:
    """Return an entry whose money was spent; without an amount, as much as was reserved."""
    known = entry.estimate if amount is None else amount
    return replace(entry, state=EntryState.SETTLED, amount=known)


def released_entry(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry whose money was not spent."""
    return replace(entry, state=EntryState.RELEASED, amount=Decimal(0))
