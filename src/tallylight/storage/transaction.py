"""Writes videos, attempts, ledger entries and webhooks of several batches in one transaction.

Each batch is written completely or not at all, except for attempts and entries that have ended. A
row that has ended is never changed again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, Insert, Integer, Table, Update, bindparam, insert, select, update

from tallylight.errors import BudgetError
from tallylight.model.attempt import Attempt
from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.ledger import EntryState, LedgerEntry, Purpose
from tallylight.model.money import Budget
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.attempts import attempt_update_values, attempt_values
from tallylight.storage.engine import LockId, acquire_lock, insert_or_ignore
from tallylight.storage.ledger import (
    budget_error,
    ledger_update_values,
    ledger_values,
    spending_query,
)
from tallylight.storage.tables import attempts_table, ledger_table, outbox_table, videos_table
from tallylight.storage.videos import video_update_values, video_values

_Rows = dict[str, list[Mapping[str, object]]]


class SpendingLimit(NamedTuple):
    """A budget for callers' videos.

    Args:
        payer: The key whose videos count; None for those of all keys.
        name: Its name in the error that refuses a video.
    """

    budget: Budget
    payer: KeyId | None
    name: str


class ClaimedJob(NamedTuple):
    """A job in an upstream's list that is claimed for an attempt in doubt.

    Args:
        attempt: The attempt as it is once it has the job.
        services: The services whose jobs that list shows.
    """

    attempt: Attempt
    services: tuple[ServiceId, ...]


class OutboxMessage(NamedTuple):
    """A webhook to deliver."""

    id: str
    endpoint: str
    video: str
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Rows that are written together.

    Args:
        new_attempt: An attempt to insert; it may be sent only after that. A further attempt at an
            existing video is inserted only if that video, given in `video`, has not ended and
            still has the same owner.
        limits: The budgets that the reservation must not exceed.
        entries: Ledger entries that were settled or released.
    """

    new_video: Video | None = None
    leased_until: datetime | None = None
    new_attempt: Attempt | None = None
    new_entry: LedgerEntry | None = None
    limits: tuple[SpendingLimit, ...] = ()
    video: Video | None = None
    attempts: tuple[Attempt, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    messages: tuple[OutboxMessage, ...] = ()
    claimed_job: ClaimedJob | None = None

    @property
    def is_durable(self) -> bool:
        """Return whether it must survive a power cut, because a paid request follows it.

        Everything else can be asked of the upstream again.
        """
        return self.new_attempt is not None

    @property
    def is_further(self) -> bool:
        """Return whether it adds an attempt to an existing video."""
        return self.new_video is None and self.new_attempt is not None

    @property
    def may_conflict(self) -> bool:
        """Return whether another process may have written the same, or a budget may refuse it."""
        video = self.new_video
        has_key = video is not None and bool(video.idempotency_key)
        is_limited = any(limit.budget.limits for limit in self.limits)
        return has_key or self.is_further or is_limited or self.claimed_job is not None


def write_group(connection: Connection, group: list[WriteBatch]) -> list[bool | BudgetError]:
    """Write a group of batches; return for each whether it was written, or the budget's refusal."""
    results: list[bool | BudgetError] = []
    if any(batch.claimed_job is not None for batch in group):
        # Taken before the lock of the ledger, or two processes could deadlock.
        acquire_lock(connection, LockId.ATTEMPT)
    lost = _lost(connection, group)
    for may_conflict, batches in groupby(group, key=lambda each: each.may_conflict):
        if may_conflict:
            results += [_write_conflicting(connection, batch, lost) for batch in batches]
        else:
            alike = list(batches)
            _write_together(connection, alike)
            results += [True] * len(alike)
    return results


def _write_together(connection: Connection, group: Iterable[WriteBatch]) -> None:
    rows: _Rows = {}
    for batch in group:
        _collect(batch, rows)
    _execute(connection, rows)


def _lost(connection: Connection, group: Iterable[WriteBatch]) -> frozenset[VideoId]:
    """Return the videos that need a further attempt but have ended or have another owner by now.

    The rows of all others stay locked until the transaction ends, so that no process takes them
    over or ends them before the attempt is written. They are locked in the order of their ids, or
    two processes could deadlock.
    """
    wanted = {each.video.id: each.video.owner for each in group if each.is_further and each.video}
    if not wanted:
        return frozenset()
    query = (
        select(videos_table.c.id, videos_table.c.owner)
        .where(videos_table.c.id.in_(wanted), videos_table.c.ended_at_us.is_(None))
        .order_by(videos_table.c.id)
        .with_for_update(key_share=True)
    )
    owners = {VideoId(id_): owner for id_, owner in connection.execute(query)}
    return frozenset(id_ for id_, owner in wanted.items() if owners.get(id_) != owner)


def _write_conflicting(
    connection: Connection, batch: WriteBatch, lost: Collection[VideoId]
) -> bool | BudgetError:
    # What has ended is written even if the rest is not, and first: it may free the money needed.
    _write_together(connection, (WriteBatch(attempts=batch.attempts, entries=batch.entries),))
    if batch.is_further and batch.video is not None and batch.video.id in lost:
        return False
    entry = batch.new_entry
    if entry is not None:
        for limit in batch.limits:
            error = _exceeded_budget(connection, limit, entry)
            if error is not None:
                return error
    if not _insert_new_rows(connection, batch):
        return False
    rest = replace(batch, new_video=None, new_attempt=None, attempts=(), entries=())
    _write_together(connection, (rest,))
    return True


def _insert_new_rows(connection: Connection, batch: WriteBatch) -> bool:
    """Insert the new rows and claim the job; return False if another process was faster."""
    video, attempt = batch.new_video, batch.new_attempt
    if batch.claimed_job is not None and _is_job_taken(connection, batch.claimed_job):
        return False
    if video is not None and not _try_insert(
        connection, videos_table, _new_video_row(batch, video)
    ):
        return False
    return attempt is None or _try_insert(connection, attempts_table, attempt_values(attempt))


def _is_job_taken(connection: Connection, claimed_job: ClaimedJob) -> bool:
    """Return whether another attempt has the job, or the attempt has another job by now."""
    attempt, (id_, job) = claimed_job.attempt, (attempts_table.c.id, attempts_table.c.job)
    others = (
        attempts_table.c.service.in_(claimed_job.services)
        & (job == attempt.job)
        & (id_ != attempt.id)
    )
    own = (id_ == attempt.id) & job.not_in(("", attempt.job))
    return connection.execute(select(id_).where(others | own).limit(1)).first() is not None


def _try_insert(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    once = insert_or_ignore(connection, table).returning(table.c.id)
    return connection.execute(once, row).first() is not None


def _exceeded_budget(
    connection: Connection, limit: SpendingLimit, entry: LedgerEntry
) -> BudgetError | None:
    if not limit.budget.limits:
        return None
    acquire_lock(connection, LockId.LEDGER)  # or two processes could both take the remainder
    where = [ledger_table.c.purpose == Purpose.TRAFFIC.value]
    if limit.payer is not None:
        where.append(ledger_table.c.payer == limit.payer)
    row = connection.execute(spending_query(limit.budget, entry.at, *where)).one()
    return budget_error(limit.name, limit.budget, entry.estimate, row)


def _collect(batch: WriteBatch, rows: _Rows) -> None:
    """Add the rows of a batch, by the name of the statement that writes them."""

    def add(name: str, row: Mapping[str, object]) -> None:
        rows.setdefault(name, []).append(row)

    if batch.new_video is not None:
        add("new_videos", _new_video_row(batch, batch.new_video))
    if batch.new_attempt is not None:
        add("new_attempts", attempt_values(batch.new_attempt))
    if batch.new_entry is not None:
        add("new_entries", ledger_values(batch.new_entry))
    claimed = () if batch.claimed_job is None else (batch.claimed_job.attempt,)
    for attempt in (*batch.attempts, *claimed):
        add("attempts", {"b_id": attempt.id, **attempt_update_values(attempt)})
    for entry in batch.entries:
        add("entries", {"b_id": entry.id, **ledger_update_values(entry)})
    if batch.video is not None:
        video = batch.video
        is_completed = int(video.status is VideoStatus.COMPLETED)
        guard = {"b_id": video.id, "b_owner": video.owner, "b_is_completed": is_completed}
        add("videos", {**guard, **video_update_values(video)})
    for message in batch.messages:
        add("messages", _outbox_row(message))


def _execute(connection: Connection, rows: _Rows) -> None:
    for name, statement in _STATEMENTS.items():
        if name in rows:
            connection.execute(statement, rows[name])
    if "messages" in rows:  # two processes that end the same video send the same webhook
        connection.execute(insert_or_ignore(connection, outbox_table), rows["messages"])


def _new_video_row(batch: WriteBatch, video: Video) -> dict[str, object]:
    return video_values(video, batch.leased_until or video.created_at)


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
    "attempts": update(attempts_table).where(
        attempts_table.c.id == bindparam("b_id"), attempts_table.c.ended_at_us.is_(None)
    ),
    "entries": update(ledger_table).where(
        ledger_table.c.id == bindparam("b_id"),
        ledger_table.c.state == EntryState.RESERVED.value,
    ),
    # A process that lost a video's lease may only mark the video completed.
    "videos": update(videos_table).where(
        videos_table.c.id == bindparam("b_id"),
        videos_table.c.ended_at_us.is_(None),
        (videos_table.c.owner == bindparam("b_owner"))
        | (bindparam("b_is_completed", type_=Integer) == 1),
    ),
}
