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
from tallylight.gateway.tracked_video import Live
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState, LedgerEntry
from tallylight.model.video import Video
from tallylight.storage.database import Storage
from tallylight.storage.transaction import ClaimedJob, OutboxMessage, SpendingLimit, WriteBatch

log = structlog.get_logger()

LEASE = timedelta(seconds=15)
"""How long a process may be silent before others take its videos over."""

_PAUSES = tuple(timedelta(seconds=s) for s in (0.2, 1, 2, 5, 10, 30, 60))


class Books:
    """Writes down what becomes of videos."""

    def __init__(self, history: Storage, clock: Clock) -> None:
        self._journal = history.group_commit
        self._clock = clock

    async def open(
        self, live: Live, attempt: Attempt, entry: LedgerEntry, limits: tuple[SpendingLimit, ...]
    ) -> bool:
        """Write a new video down, which counts its first attempt, with that and the money for it.

        Returns:
            False if there is a video of the same idempotency key; then nothing is written.

        Raises:
            BudgetError: if the money may not be spent.
            StorageError: if the database is away.
        """
        video = live.video
        writing = WriteBatch(
            new_video=video,
            leased_until=self._clock.now() + LEASE,
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
        )
        if not await self._journal.write(writing):
            return False
        live.take(video, attempt, entry)
        return True

    async def hold(self, live: Live) -> bool:
        """Write a new video down that no service can be asked for yet; see `open`."""
        leased_until = self._clock.now() + LEASE
        return await self._journal.write(
            WriteBatch(new_video=live.video, leased_until=leased_until)
        )

    async def intend(
        self, live: Live, attempt: Attempt, entry: LedgerEntry, limits: tuple[SpendingLimit, ...]
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
        video = replace(live.video, attempts=attempt.number, cost=live.cost + entry.amount)
        ended_attempts, ended_entries = _unwritten(live)
        writing = WriteBatch(
            new_attempt=attempt,
            new_entry=entry,
            limits=limits,
            video=video,
            attempts=ended_attempts,
            entries=ended_entries,
        )
        if not await self._journal.write(writing):
            return False
        live.unwritten.clear()
        live.take(video, attempt, entry)
        return True

    async def claim(
        self, live: Live, video: Video, attempt: Attempt, services: tuple[ServiceId, ...]
    ) -> bool:
        """Write down that an attempt has a job that was found in the list of some services' jobs.

        Returns:
            False if that is another attempt's; then nothing is written.

        Raises:
            StorageError: if the database is away.
        """
        writing = WriteBatch(video=video, claimed_job=ClaimedJob(attempt, services))
        if not await self._journal.write(writing):
            return False
        live.become(video, (attempt,))
        return True

    async def note(
        self,
        live: Live,
        *,
        video: Video | None = None,
        attempts: Sequence[Attempt] = (),
        entries: Sequence[LedgerEntry] = (),
        notices: Sequence[OutboxMessage] = (),
    ) -> None:
        """Write down what has happened, however long the database is away; then let it be seen."""
        ended_attempts, ended_entries = _unwritten(live)
        changed, written = (*ended_attempts, *attempts), (*ended_entries, *entries)
        if written:
            known = {**live.entries, **{entry.id: entry for entry in written}}
            cost = sum((entry.amount for entry in known.values()), Decimal(0))
            video = replace(video or live.video, cost=cost)
        await self._insist(
            WriteBatch(video=video, attempts=changed, entries=written, messages=tuple(notices))
        )
        live.unwritten.clear()
        live.become(video, changed, written)

    async def catch_up(self, live: Live) -> None:
        """Write down what attempts have come to, because nothing follows from it for a while."""
        if live.unwritten:
            await self.note(live)

    def refuse(self, live: Live, attempt: Attempt, failure: Failure) -> None:
        """Take in that the upstream has no job for it: nothing was billed.

        What comes of that, the next attempt or the video's end, is written in one transaction with
        it: the next service is asked sooner, and nobody finds the one without the other. So it is
        with the other ends.
        """
        self._end(live, attempt, AttemptState.REFUSED, failure, released)

    async def doubt(self, live: Live, attempt: Attempt, why: str) -> None:
        """Write down that nobody knows whether it was accepted."""
        await self.note(
            live, attempts=(replace(attempt, state=AttemptState.IN_DOUBT, doubt_reason=why),)
        )

    def fail(self, live: Live, attempt: Attempt, failure: Failure) -> None:
        """Take in that an attempt brings no video; it counts as paid for."""
        self._end(live, attempt, AttemptState.FAILED, failure, settled)

    def fail_free(self, live: Live, attempt: Attempt, failure: Failure) -> None:
        """Take in that an attempt brings no video, and that its upstream takes nothing."""
        self._end(live, attempt, AttemptState.FAILED, failure, released)

    def _end(
        self,
        live: Live,
        attempt: Attempt,
        state: AttemptState,
        failure: Failure,
        closed: Callable[[LedgerEntry], LedgerEntry],
    ) -> None:
        over = ended(attempt, state, self._clock.now(), failure)
        live.end(over, closed(live.entries[attempt.entry]))

    async def _insist(self, writing: WriteBatch) -> None:
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            try:
                await self._journal.write(writing)
            except UnwritableError:
                raise  # it would be no other the next time
            except StorageError as error:
                log.warning("video.unwritten", error=str(error))
                await self._clock.sleep(pause)
            else:
                return


def _unwritten(live: Live) -> tuple[tuple[Attempt, ...], tuple[LedgerEntry, ...]]:
    """Return what attempts have come to and is not written yet, and the money of each."""
    attempts = tuple(attempt for attempt, _ in live.unwritten)
    return attempts, tuple(entry for _, entry in live.unwritten)


def ended(
    attempt: Attempt, state: AttemptState, at: datetime, failure: Failure | None = None
) -> Attempt:
    """Return an attempt that has come to its end."""
    return replace(attempt, state=state, ended_at=at, failure=failure)


def settled(entry: LedgerEntry, amount: Decimal | None = None) -> LedgerEntry:
    """Return an entry whose money was spent; without an amount, as much as was reserved."""
    known = entry.estimate if amount is None else amount
    return replace(entry, state=EntryState.SETTLED, amount=known)


def released(entry: LedgerEntry) -> LedgerEntry:
    """Return an entry whose money was not spent."""
    return replace(entry, state=EntryState.RELEASED, amount=Decimal(0))
