"""Writes what happened to videos, and what is decided about them, in one transaction.

Facts are free: whoever hears them writes them, whatever the owner of the video, and also after its
end. A decision is written only to the version of the video that it was made from: the same owner,
epoch and revision, and no end. One statement locks all videos of a group; a write that has lost its
video fails no other. Each decision has a random token, so that a repetition after a commit of
unknown outcome finds whether the first one was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from tallylight.errors import BudgetError
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.ledger import LedgerEntry, SpendingLimit
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoRecord, changed_record
from tallylight.storage.changed_rows import ChangedRows
from tallylight.storage.engine import LockId, acquire_lock, insert_or_ignore
from tallylight.storage.outbox import insert_messages
from tallylight.storage.spending import RunningSums
from tallylight.storage.tables import (
    attempts_table,
    idempotency_table,
    videos_table,
)
from tallylight.storage.video_rows import video_values
from tallylight.storage.videos import lock_records, withdraw_videos

_RequestKey = tuple[KeyId, str]
"""The gateway key of a caller and the idempotency key of a request."""


class NewAttempt(NamedTuple):
    """An attempt to record, with the reservation of its cost; it may be sent only after that."""

    attempt: Attempt
    entry: LedgerEntry
    limits: tuple[SpendingLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the owner of a video decided about it.

    Args:
        token: Random, and the same in each repetition of the write.
        video: The video as it becomes; its owner, epoch and revision are those of the version
            that the decision was made from. An owner of "" hands it over to another process. If
            it becomes deleted, its idempotency key is free again.
        changes: Decisions about its attempts, and facts that are known only with this decision.
        messages: The webhooks that report its end.
    """

    token: str
    video: Video
    changes: tuple[AttemptChange, ...] = ()
    new_attempt: NewAttempt | None = None
    messages: tuple[OutboxMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class NewVideo:
    """A video to record, usually with its first attempt."""

    token: str
    video: Video
    new_attempt: NewAttempt | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Facts about one video and a decision about it, or a new video.

    Args:
        facts: Applied first, and whatever becomes of the decision.
        listing: The services whose jobs the list shows, if `facts` say that it shows the job of
            an attempt. A job of another attempt is not taken from it.
        known: The version of the video that the writer has; it is not read again if it is the
            newest.
        is_repeated: An earlier try of the same write may have been committed.
    """

    video: VideoId
    facts: tuple[AttemptChange, ...] = ()
    listing: tuple[ServiceId, ...] = ()
    decision: Decision | None = None
    new: NewVideo | None = None
    known: VideoRecord | None = None
    is_repeated: bool = False

    @property
    def is_durable(self) -> bool:
        """Return whether it must survive a power cut.

        What is paid, claimed or ended is durable; progress alone can be asked of the upstream
        again.
        """
        is_progress = all(fact.event is AttemptEvent.WORKING for fact in self.facts)
        return self.decision is not None or self.new is not None or not is_progress

    @property
    def new_attempt(self) -> NewAttempt | None:
        """Return the attempt that it records, if any."""
        part = self.new or self.decision
        return None if part is None else part.new_attempt


class WriteOutcome(StrEnum):
    """What became of a write; its facts are written in any case."""

    WRITTEN = "written"
    OUTDATED = "outdated"  # the video was written since: read and decide again
    LOST = "lost"  # the video has another owner, has ended, or is not there
    TAKEN = "taken"  # another video has the idempotency key, or another attempt the job
    REFUSED = "refused"  # a budget does not allow it


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write.

    Args:
        record: The video as it is now; None if it is not there.
        refusal: The budget's error, if the outcome is REFUSED.
    """

    outcome: WriteOutcome
    record: VideoRecord | None
    refusal: BudgetError | None = None


def write_group(connection: Connection, group: Sequence[Write]) -> list[Written]:
    """Write a group and return what became of each write, in their order."""
    return _Group(connection, group).write()


class _Group:
    """The rows of one transaction: read and locked once, changed in memory, written once."""

    def __init__(self, connection: Connection, group: Sequence[Write]) -> None:
        self._connection = connection
        self._group = group
        self._sums = RunningSums(connection)
        self._before: dict[VideoId, VideoRecord] = {}
        self._records: dict[VideoId, VideoRecord] = {}
        self._tokens: dict[VideoId, str] = {}
        self._inserted: set[VideoId] = set()
        self._key_holders: dict[_RequestKey, VideoId] = {}
        self._messages: list[OutboxMessage] = []

    def write(self) -> list[Written]:
        self._lock()
        results = [self._apply(write) for write in self._group]
        self._flush()
        return results

    def _lock(self) -> None:
        """Take all locks, in the order of all processes, or two could deadlock."""
        if any(write.listing for write in self._group):
            acquire_lock(self._connection, LockId.ATTEMPT)
        self._insert_repeated()
        known = {
            write.video: write.known
            for write in self._group
            if write.new is None or write.is_repeated
        }
        if known:
            self._before, self._tokens = lock_records(self._connection, known)
            self._records = dict(self._before)
        attempts = [write.new_attempt for write in self._group]
        self._sums.lock([limit for new in attempts if new for limit in new.limits])
        videos = [write.new.video for write in self._group if write.new is not None]
        for video in sorted(videos, key=_request_key):
            if video.id not in self._records or video.id in self._inserted:
                self._claim_key(video)

    def _insert_repeated(self) -> None:
        """Insert new videos whose earlier try may be committed, or may be just now.

        The insert waits for that try. What it skips is there, and is read afterwards.
        """
        once = insert_or_ignore(self._connection, videos_table).returning(videos_table.c.id)
        repeated = {each.video: each.new for each in self._group if each.new and each.is_repeated}
        for id_, new in sorted(repeated.items()):
            row = video_values(new.video, new.token)
            if self._connection.execute(once, row).first() is not None:
                self._inserted.add(id_)

    def _apply(self, write: Write) -> Written:
        if write.new is not None:
            return self._create(write.video, write.new)
        before = self._records.get(write.video)
        if before is None:
            return Written(WriteOutcome.LOST, None)
        if write.listing and self._is_job_taken(write):
            return Written(WriteOutcome.TAKEN, before)
        outcome, refusal = WriteOutcome.WRITTEN, None
        changed = changed_record(before, write.facts)
        self._sums.change(before.entries, changed.entries)
        if write.decision is not None:
            outcome = self._guard(before.video, write.decision)
            if outcome is WriteOutcome.WRITTEN:
                decided, refusal = self._decide(before, changed, write)
                changed = decided or changed
                outcome = WriteOutcome.REFUSED if refusal else outcome
            elif self._tokens.get(write.video) == write.decision.token:
                outcome = WriteOutcome.WRITTEN  # an earlier try was committed
        if changed != before:
            changed = _summed(changed, before.video.revision + 1)
            self._records[write.video] = changed
        return Written(outcome, changed, refusal)

    def _create(self, id_: VideoId, new: NewVideo) -> Written:
        if id_ in self._records and id_ not in self._inserted:  # an earlier try was committed
            return Written(WriteOutcome.WRITTEN, self._records[id_])
        if not self._claim_key(new.video):
            self._withdraw(new.video)
            return Written(WriteOutcome.TAKEN, None)
        refusal = self._refusal(new.new_attempt)
        if refusal is not None:
            self._withdraw(new.video)
            return Written(WriteOutcome.REFUSED, None, refusal)
        record = _with_attempt(VideoRecord(new.video), new.new_attempt)
        self._sums.change({}, record.entries)
        record = _summed(record, record.video.revision)
        self._inserted.discard(id_)
        self._records[id_], self._tokens[id_] = record, new.token
        return Written(WriteOutcome.WRITTEN, record)

    def _withdraw(self, video: Video) -> None:
        """Remove the rows that were written for a video before it was refused."""
        if video.id in self._inserted:
            self._connection.execute(delete(videos_table).where(videos_table.c.id == video.id))
            self._inserted.remove(video.id)
            del self._before[video.id], self._records[video.id]
        if self._key_holders.get(_request_key(video)) == video.id:
            c = idempotency_table.c
            of_video = (c.key == video.key) & (c.idempotency_key == video.idempotency_key)
            self._connection.execute(delete(idempotency_table).where(of_video))
            del self._key_holders[_request_key(video)]

    @staticmethod
    def _guard(video: Video, decision: Decision) -> WriteOutcome:
        wanted = decision.video
        is_owner = video.epoch == wanted.epoch and wanted.owner in {video.owner, ""}
        if video.is_terminal or not is_owner:
            return WriteOutcome.LOST
        is_current = video.revision == wanted.revision
        return WriteOutcome.WRITTEN if is_current else WriteOutcome.OUTDATED

    def _refusal(self, new: NewAttempt | None) -> BudgetError | None:
        if new is None:
            return None
        amount = new.entry.amount or Decimal(0)
        found = (self._sums.refusal(limit, amount, new.entry.at) for limit in new.limits)
        return next((error for error in found if error is not None), None)

    def _decide(
        self, before: VideoRecord, with_facts: VideoRecord, write: Write
    ) -> tuple[VideoRecord | None, BudgetError | None]:
        """Return a video after a decision, or why a budget does not allow it."""
        decision = write.decision
        assert decision is not None  # noqa: S101
        record = replace(before, video=decision.video)
        record = changed_record(record, (*write.facts, *decision.changes))
        # What the changes release may be spent again.
        self._sums.change(with_facts.entries, record.entries)
        refusal = self._refusal(decision.new_attempt)
        if refusal is not None:
            self._sums.change(record.entries, with_facts.entries)
            return None, refusal
        decided = _with_attempt(record, decision.new_attempt)
        self._sums.change(record.entries, decided.entries)
        self._tokens[decided.video.id] = decision.token
        self._messages += decision.messages
        return decided, None

    def _claim_key(self, video: Video) -> bool:
        """Insert the idempotency key of a video; return False if another video has it.

        A video that is recorded as ended is only a mark, and its request may be repeated.
        """
        key = _request_key(video)
        if not video.idempotency_key or video.is_terminal:
            return True
        if key not in self._key_holders:
            once = insert_or_ignore(self._connection, idempotency_table)
            found = self._connection.execute(
                once.returning(idempotency_table.c.video), _idempotency_row(video)
            )
            if found.first() is None:
                return False
            self._key_holders[key] = video.id
        return self._key_holders[key] == video.id

    def _is_job_taken(self, write: Write) -> bool:
        """Return whether another attempt has a job that the list shows."""
        shown = (fact.job for fact in write.facts if fact.event is AttemptEvent.SHOWN)
        jobs = {job.id for job in shown if job is not None and job.id}
        own = {fact.attempt for fact in write.facts}
        in_group = (each for record in self._records.values() for each in record.attempts)
        if any(
            each.job_id in jobs and each.service in write.listing and each.id not in own
            for each in in_group
        ):
            return True
        c = attempts_table.c
        query = select(c.id).where(c.service.in_(write.listing), c.job.in_(jobs), c.id.not_in(own))
        return self._connection.execute(query.limit(1)).first() is not None

    def _is_withdrawn(self, id_: VideoId) -> bool:
        was, video = self._before[id_].video, self._records[id_].video
        return was.deleted_at is None and video.deleted_at is not None

    def _flush(self) -> None:
        """Write all rows that changed."""
        rows = ChangedRows()
        for id_, record in self._records.items():
            rows.add(self._before.get(id_), record, self._tokens[id_])
        rows.write(self._connection)
        withdrawn = [id_ for id_ in self._before if self._is_withdrawn(id_)]
        if withdrawn:
            withdraw_videos(self._connection, withdrawn)
        if self._messages:  # a repeated write sends the same webhook
            insert_messages(self._connection, self._messages)
        self._sums.flush()  # last: others wait for these rows


def _request_key(video: Video) -> _RequestKey:
    return video.key, video.idempotency_key


def _with_attempt(record: VideoRecord, new: NewAttempt | None) -> VideoRecord:
    if new is None:
        return record
    entries = {**record.entries, new.entry.id: new.entry}
    return VideoRecord(record.video, (*record.attempts, new.attempt), entries)


def _summed(record: VideoRecord, revision: int) -> VideoRecord:
    """Return a revision of a video with what is computed from its attempts."""
    video = replace(
        record.video, attempts=len(record.attempts), cost=record.cost, revision=revision
    )
    return VideoRecord(video, record.attempts, record.entries)


def _idempotency_row(video: Video) -> dict[str, object]:
    return {
        "key": video.key,
        "idempotency_key": video.idempotency_key,
        "fingerprint": video.fingerprint,
        "video": video.id,
    }
