"""Writes what happened to videos, and what is decided about them, in one transaction.

Facts are free: whoever hears them writes them, whatever the owner of the video, and also after its
end. A decision is written only to the version of the video that it was made from: the same owner,
epoch and revision, and no end. One statement locks all videos of a group; a write that has lost its
video fails no other. Each decision has a random token, so that a repetition after a commit of
unknown outcome finds whether the first one was written.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, Insert, Update, bindparam, insert, select, update

from tallylight.errors import BudgetError
from tallylight.model.attempt import Attempt, AttemptChange, changed_attempt, changed_entry
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.ids import NO_SERVICE, AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, LedgerEntry, SpendingLimit
from tallylight.model.video import Video, VideoKind, VideoRecord, VideoStatus, with_progress
from tallylight.storage.attempts import attempt_update_values, attempt_values
from tallylight.storage.engine import LockId, acquire_lock, insert_or_ignore
from tallylight.storage.ledger import ledger_update_values, ledger_values
from tallylight.storage.spending import RunningSums
from tallylight.storage.tables import (
    attempts_table,
    idempotency_table,
    ledger_table,
    outbox_table,
    videos_table,
)
from tallylight.storage.videos import load_records, video_update_values, video_values

KEY_LIFETIME = timedelta(hours=24)
"""How long an idempotency key is known at least after its video has ended."""


class OutboxMessage(NamedTuple):
    """A webhook to deliver."""

    id: str
    endpoint: str
    video: str
    body: str
    at: datetime


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
            that the decision was made from.
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
        is_repeated: An earlier try of the same write may have been committed.
    """

    video: VideoId
    facts: tuple[AttemptChange, ...] = ()
    listing: tuple[ServiceId, ...] = ()
    decision: Decision | None = None
    new: NewVideo | None = None
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
        self._messages: list[OutboxMessage] = []

    def write(self) -> list[Written]:
        if any(write.listing for write in self._group):
            # Taken first, or two processes could deadlock.
            acquire_lock(self._connection, LockId.ATTEMPT)
        known = {write.video for write in self._group if write.new is None or write.is_repeated}
        if known:
            self._before = load_records(self._connection, known, locks=True)
            self._records = dict(self._before)
            self._tokens = _tokens(self._connection, known)
        attempts = [write.new_attempt for write in self._group]
        self._sums.lock([limit for new in attempts if new for limit in new.limits])
        results = [self._apply(write) for write in self._group]
        self._flush()
        return results

    def _apply(self, write: Write) -> Written:
        if write.new is not None:
            return self._create(write.video, write.new)
        before = self._records.get(write.video)
        if before is None:
            return Written(WriteOutcome.LOST, None)
        outcome, refusal = WriteOutcome.WRITTEN, None
        if write.listing and self._is_job_taken(write):
            return Written(WriteOutcome.TAKEN, before)
        changed = before
        for fact in write.facts:
            changed = _with_change(changed, fact)
        if write.decision is not None:
            outcome = self._guard(before.video, write.decision)
            if outcome is WriteOutcome.WRITTEN:
                refusal = self._refusal(write.decision.new_attempt)
                if refusal is None:
                    changed = self._decide(changed, write.decision)
                else:
                    outcome = WriteOutcome.REFUSED
            elif self._tokens.get(write.video) == write.decision.token:
                outcome = WriteOutcome.WRITTEN  # an earlier try was committed
        if changed != before:
            changed = self._next_revision(before, changed)
        return Written(outcome, changed, refusal)

    def _create(self, id_: VideoId, new: NewVideo) -> Written:
        if id_ in self._records:  # an earlier try was committed
            return Written(WriteOutcome.WRITTEN, self._records[id_])
        refusal = self._refusal(new.new_attempt)
        if refusal is not None:
            return Written(WriteOutcome.REFUSED, None, refusal)
        if new.video.idempotency_key and not self._claim_key(new):
            return Written(WriteOutcome.TAKEN, None)
        record = VideoRecord(new.video)
        if new.new_attempt is not None:
            record = self._with_attempt(record, new.new_attempt)
        record = replace(record, video=_summed(record))
        self._records[id_], self._tokens[id_] = record, new.token
        return Written(WriteOutcome.WRITTEN, record)

    @staticmethod
    def _guard(video: Video, decision: Decision) -> WriteOutcome:
        wanted = decision.video
        if video.is_terminal or (video.owner, video.epoch) != (wanted.owner, wanted.epoch):
            return WriteOutcome.LOST
        is_current = video.revision == wanted.revision
        return WriteOutcome.WRITTEN if is_current else WriteOutcome.OUTDATED

    def _refusal(self, new: NewAttempt | None) -> BudgetError | None:
        if new is None:
            return None
        found = (
            self._sums.refusal(limit, new.entry.estimate, new.entry.at) for limit in new.limits
        )
        return next((error for error in found if error is not None), None)

    def _decide(self, record: VideoRecord, decision: Decision) -> VideoRecord:
        for change in decision.changes:
            record = _with_change(record, change)
        if decision.new_attempt is not None:
            record = self._with_attempt(record, decision.new_attempt)
        self._tokens[record.video.id] = decision.token
        self._messages += decision.messages
        return replace(record, video=decision.video)

    @staticmethod
    def _with_attempt(record: VideoRecord, new: NewAttempt) -> VideoRecord:
        return replace(
            record,
            attempts=(*record.attempts, new.attempt),
            entries={**record.entries, new.entry.id: new.entry},
        )

    def _next_revision(self, before: VideoRecord, changed: VideoRecord) -> VideoRecord:
        video = replace(_summed(changed), revision=before.video.revision + 1)
        record = self._records[video.id] = replace(changed, video=video)
        return record

    def _claim_key(self, new: NewVideo) -> bool:
        """Insert the idempotency key; return False if another video has it."""
        row = {
            "key": new.video.key,
            "idempotency_key": new.video.idempotency_key,
            "fingerprint": new.video.fingerprint,
            "video": new.video.id,
        }
        once = insert_or_ignore(self._connection, idempotency_table)
        found = self._connection.execute(once.returning(idempotency_table.c.video), row)
        return found.first() is not None

    def _is_job_taken(self, write: Write) -> bool:
        """Return whether another attempt has a job that the list shows."""
        c = attempts_table.c
        jobs = {fact.job for fact in write.facts if fact.event is AttemptEvent.SHOWN}
        own = [fact.attempt for fact in write.facts]
        query = select(c.id).where(c.service.in_(write.listing), c.job.in_(jobs), c.id.not_in(own))
        return self._connection.execute(query.limit(1)).first() is not None

    def _flush(self) -> None:
        """Write all rows that changed."""
        rows = _Rows()
        for id_, record in self._records.items():
            before = self._before.get(id_)
            if before is None:
                rows.add_video(record, self._tokens[id_])
            elif record.video != before.video:
                rows.change_video(record, self._tokens[id_])
                if record.video.is_terminal and not before.video.is_terminal:
                    rows.end_key(record.video)
            self._flush_attempts(record, before, rows)
        rows.execute(self._connection)
        if self._messages:  # a repeated write sends the same webhook
            self._connection.execute(
                insert_or_ignore(self._connection, outbox_table),
                [_outbox_row(message) for message in self._messages],
            )
        self._sums.flush()  # last: others wait for these rows

    def _flush_attempts(
        self, record: VideoRecord, before: VideoRecord | None, rows: "_Rows"
    ) -> None:
        known: Mapping[AttemptId, Attempt] = (
            {} if before is None else {each.id: each for each in before.attempts}
        )
        entries: Mapping[EntryId, LedgerEntry] = {} if before is None else before.entries
        for attempt in record.attempts:
            rows.write_attempt(attempt, known.get(attempt.id))
        for entry in record.entries.values():
            was = entries.get(entry.id)
            if entry != was:
                rows.write_entry(entry, is_new=was is None)
                self._sums.change(was, entry)


def _tokens(connection: Connection, ids: Collection[VideoId]) -> dict[VideoId, str]:
    query = select(videos_table.c.id, videos_table.c.written_by).where(videos_table.c.id.in_(ids))
    return {VideoId(id_): token for id_, token in connection.execute(query)}


def _with_change(record: VideoRecord, change: AttemptChange) -> VideoRecord:
    """Return a record after an event of one of its attempts."""
    found = next((each for each in record.attempts if each.id == change.attempt), None)
    if found is None:
        return record
    after = changed_attempt(found, change)
    attempts = tuple(after if each.id == found.id else each for each in record.attempts)
    entries = record.entries
    if found.entry in entries:
        entry = changed_entry(entries[found.entry], found, change)
        entries = {**entries, entry.id: entry}
    video = record.video
    is_accepted = after.state is AttemptState.ACCEPTED
    if is_accepted or change.progress is not None:
        is_working = change.progress is not None and change.progress.is_working
        video = with_progress(
            video,
            VideoStatus.IN_PROGRESS if is_working else VideoStatus.QUEUED,
            change.progress.percent if change.progress is not None else None,
            service=found.service if is_accepted else NO_SERVICE,
            started_at=after.started_at,
        )
    return VideoRecord(video, attempts, entries)


def _summed(record: VideoRecord) -> Video:
    """Return the video with what is computed from its attempts."""
    return replace(record.video, attempts=len(record.attempts), cost=record.cost)


def _open_service(record: VideoRecord) -> str:
    """Return the service of the newest open attempt; its job can be asked of that one alone."""
    if record.video.kind is VideoKind.PROBE:
        return record.video.model  # also before it has an attempt
    return next((each.service for each in reversed(record.open_attempts)), "")


class _Rows:
    """The rows to write, by statement."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Mapping[str, object]]] = {}

    def add_video(self, record: VideoRecord, token: str) -> None:
        row = video_values(record.video, token)
        self._add("new_videos", {**row, "open_service": _open_service(record)})

    def change_video(self, record: VideoRecord, token: str) -> None:
        version = {"b_id": record.video.id, "written_by": token}
        row = video_update_values(record.video)
        self._add("videos", {**version, **row, "open_service": _open_service(record)})

    def end_key(self, video: Video) -> None:
        until = video.ended_at and video.ended_at + KEY_LIFETIME
        self._add("keys", {"b_video": video.id, "until_us": until})

    def write_attempt(self, attempt: Attempt, before: Attempt | None) -> None:
        if before is None:
            self._add("new_attempts", attempt_values(attempt))
        elif attempt != before:
            self._add("attempts", {"b_id": attempt.id, **attempt_update_values(attempt)})

    def write_entry(self, entry: LedgerEntry, *, is_new: bool) -> None:
        if is_new:
            self._add("new_entries", ledger_values(entry))
        else:
            self._add("entries", {"b_id": entry.id, **ledger_update_values(entry)})

    def execute(self, connection: Connection) -> None:
        for name, statement in _STATEMENTS.items():
            if name in self._rows:
                connection.execute(statement, self._rows[name])

    def _add(self, name: str, row: Mapping[str, object]) -> None:
        self._rows.setdefault(name, []).append(row)


def _outbox_row(message: OutboxMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "endpoint": message.endpoint,
        "video": message.video,
        "body": message.body,
        "created_at_us": message.at,
        "due_at_us": message.at,
        "attempt_number": 0,
        "response": "",
    }


#: In the order in which they are executed. An update sets the columns that its rows name; the
#: names of the other parameters begin with `b_`.
_STATEMENTS: Mapping[str, Insert | Update] = {
    "new_videos": insert(videos_table),
    "new_entries": insert(ledger_table),
    "new_attempts": insert(attempts_table),
    "attempts": update(attempts_table).where(attempts_table.c.id == bindparam("b_id")),
    "entries": update(ledger_table).where(ledger_table.c.id == bindparam("b_id")),
    "videos": update(videos_table).where(videos_table.c.id == bindparam("b_id")),
    "keys": update(idempotency_table).where(idempotency_table.c.video == bindparam("b_video")),
}
