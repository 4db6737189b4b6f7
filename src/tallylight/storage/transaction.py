"""What is written together of videos, attempts and money, and how: as rows, in one transaction.

Rows are written whole. What has an end is never changed again, whoever tries.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import (
    Connection,
    Insert,
    Integer,
    Table,
    Update,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tallylight.errors import BudgetError
from tallylight.model.attempt import Attempt
from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.ledger import EntryState, LedgerEntry, Purpose
from tallylight.model.money import BUDGET_WINDOWS, MICROS_PER_USD, Budget, exceeded_limit
from tallylight.model.video import Video, VideoStatus
from tallylight.storage import attempts as attempt_rows
from tallylight.storage import ledger as entry_rows
from tallylight.storage import videos as video_rows
from tallylight.storage.engine import LockId, acquire_lock
from tallylight.storage.tables import attempts_table, ledger_table, outbox_table, videos_table
from tallylight.storage.types import failure_columns

_Spent = dict[str, int | Decimal]
_Rows = dict[str, list[Mapping[str, object]]]


class SpendingLimit(NamedTuple):
    """What callers' videos may cost.

    Args:
        budget: The limits.
        payer: Whose videos count; None for all.
        name: What it is called in a refusal.
    """

    budget: Budget
    payer: KeyId | None
    name: str


class ClaimedJob(NamedTuple):
    """A job in an upstream's list that is taken for an attempt's.

    Args:
        attempt: As it is once it has the job.
        services: Whose jobs are in that list.
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
    """What is to be written together: all of it, or nothing.

    Args:
        new_video: A video that is not there yet.
        leased_until: How long nobody else follows it.
        new_attempt: An attempt that is not there yet; only after this may it be sent. One at a
            video that is there already needs that video in `video`, still its owner's and without
            an end.
        new_entry: The money set aside for it.
        limits: What that money may not exceed.
        video: A video that changed.
        attempts: Attempts that changed.
        entries: Entries of the ledger that came to their end.
        notices: Webhooks to deliver.
        finding: An attempt that has a job, if that is no other attempt's.
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
        """Tell whether it has to outlive a power cut: something will be paid for on its word.

        What an upstream has said may be asked of it again.
        """
        return self.new_attempt is not None

    @property
    def is_further(self) -> bool:
        """Tell whether it tries a video further that is there already."""
        return self.new_video is None and self.new_attempt is not None

    @property
    def may_conflict(self) -> bool:
        """Tell whether somebody else may have written the same, or the money may not be there."""
        video = self.new_video
        is_known = video is not None and bool(video.idempotency_key)
        is_limited = any(limit.budget.limits for limit in self.limits)
        return is_known or self.is_further or is_limited or self.claimed_job is not None


def write_group(connection: Connection, group: list[WriteBatch]) -> list[bool | BudgetError]:
    """Write a group; tell of each whether it was its own to write, or why it may not be."""
    results: list[bool | BudgetError] = []
    if any(writing.claimed_job is not None for writing in group):
        # Before any turn of the ledger, or two processes could wait for each other.
        acquire_lock(connection, LockId.ATTEMPT)
    lost = _lost(connection, group)
    for is_contested, some in groupby(group, key=lambda each: each.may_conflict):
        if is_contested:
            results += [_write_conflicting(connection, writing, lost) for writing in some]
        else:
            alike = list(some)
            _write_together(connection, alike)
            results += [True] * len(alike)
    return results


def _write_together(connection: Connection, group: Iterable[WriteBatch]) -> None:
    rows: _Rows = {}
    for writing in group:
        _collect(writing, rows)
    _execute(connection, rows)


def _lost(connection: Connection, group: Iterable[WriteBatch]) -> frozenset[VideoId]:
    """Return the videos that are to be tried further and have an end or another owner by now.

    The rest stay locked to the end of the transaction, so that nobody takes them over or ends them
    before the attempt is there; in the order of their ids, or two processes could wait for each
    other.
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
    # What has ended has ended, whatever becomes of the rest, and gives its money back before.
    _write_together(connection, (WriteBatch(attempts=batch.attempts, entries=batch.entries),))
    if batch.is_further and batch.video is not None and batch.video.id in lost:
        return False
    entry = batch.new_entry
    if entry is not None:
        for limit in batch.limits:
            refusal = _exceeded_budget(connection, limit, entry)
            if refusal is not None:
                return refusal
    if not _insert_new_rows(connection, batch):
        return False
    rest = replace(batch, new_video=None, new_attempt=None, attempts=(), entries=())
    _write_together(connection, (rest,))
    return True


def _insert_new_rows(connection: Connection, batch: WriteBatch) -> bool:
    """Insert or take what others may too, and tell whether they were not faster."""
    video, attempt = batch.new_video, batch.new_attempt
    if batch.claimed_job is not None and _is_job_taken(connection, batch.claimed_job):
        return False
    if video is not None and not _try_insert(
        connection, videos_table, _new_video_row(batch, video)
    ):
        return False
    return attempt is None or _try_insert(
        connection, attempts_table, attempt_rows.attempt_values(attempt)
    )


def _is_job_taken(connection: Connection, claimed_job: ClaimedJob) -> bool:
    """Tell whether a job is another attempt's, or the attempt has another job by now."""
    attempt, (id_, job) = claimed_job.attempt, (attempts_table.c.id, attempts_table.c.job)
    others = (
        attempts_table.c.service.in_(claimed_job.services)
        & (job == attempt.job)
        & (id_ != attempt.id)
    )
    own = (id_ == attempt.id) & job.not_in(("", attempt.job))
    return connection.execute(select(id_).where(others | own).limit(1)).first() is not None


def _try_insert(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    once = _insert_or_ignore(connection, table).returning(table.c.id)
    return connection.execute(once, row).first() is not None


def _insert_or_ignore(connection: Connection, table: Table) -> Insert:
    """Return an insert that leaves what is there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _exceeded_budget(
    connection: Connection, limit: SpendingLimit, entry: LedgerEntry
) -> BudgetError | None:
    names = limit.budget.limits
    if not names:
        return None
    acquire_lock(connection, LockId.LEDGER)  # or two could both take the rest
    spent: _Spent = {}
    for name in names:
        query = select(func.sum(ledger_table.c.amount_micro_usd)).where(
            ledger_table.c.at_us > entry.at - BUDGET_WINDOWS[name],
            ledger_table.c.purpose == Purpose.TRAFFIC.value,
        )
        if limit.payer is not None:
            query = query.where(ledger_table.c.payer == limit.payer)
        spent[name] = int(connection.scalar(query) or 0)
    found = exceeded_limit(limit.budget, entry.estimate, spent)
    if found is None:
        return None
    window, most = found
    return BudgetError(
        f"{window} {limit.name}", most, spent[window] / MICROS_PER_USD, entry.estimate
    )


def _collect(batch: WriteBatch, rows: _Rows) -> None:
    if batch.new_video is not None:
        rows.setdefault("new_videos", []).append(_new_video_row(batch, batch.new_video))
    if batch.new_attempt is not None:
        row = attempt_rows.attempt_values(batch.new_attempt)
        rows.setdefault("new_attempts", []).append(row)
    if batch.new_entry is not None:
        rows.setdefault("new_entries", []).append(entry_rows.ledger_values(batch.new_entry))
    found = () if batch.claimed_job is None else (batch.claimed_job.attempt,)
    for attempt in (*batch.attempts, *found):
        row = attempt_rows.attempt_values(attempt)
        rows.setdefault("attempts", []).append(_update_row(row, _ATTEMPT_COLUMNS))
    for entry in batch.entries:
        rows.setdefault("entries", []).append(
            _update_row(entry_rows.ledger_values(entry), _ENTRY_COLUMNS)
        )
    if batch.video is not None:
        video = batch.video
        is_there = video.status is VideoStatus.COMPLETED
        told_by = {"b_owner": video.owner, "b_is_there": int(is_there)}
        row = {"b_id": video.id, **told_by, **video_rows.video_update_values(video)}
        rows.setdefault("videos", []).append(row)
    for notice in batch.messages:
        rows.setdefault("notices", []).append(_outbox_row(notice))


def _execute(connection: Connection, rows: _Rows) -> None:
    for name, statement in _STATEMENTS.items():
        if name in rows:
            connection.execute(statement, rows[name])
    if "notices" in rows:  # two processes that end a video have the same to tell
        connection.execute(_insert_or_ignore(connection, outbox_table), rows["notices"])


def _new_video_row(batch: WriteBatch, video: Video) -> dict[str, object]:
    return video_rows.video_values(video, batch.leased_until or video.created_at)


def _update_row(row: Mapping[str, object], columns: Iterable[str]) -> dict[str, object]:
    return {"b_id": row["id"], **{name: row[name] for name in columns}}


def _outbox_row(message: OutboxMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "endpoint": message.endpoint,
        "video": message.video,
        "body": message.body,
        "created_at_us": message.at,
        "due_at_us": message.at,
        "tries": 0,
        "answer": "",
    }


def _update_by_id(table: Table, columns: Iterable[str]) -> Update:
    return (
        update(table)
        .where(table.c.id == bindparam("b_id"))
        .values({name: bindparam(name) for name in columns})
    )


_VIDEO_COLUMNS = (
    "status",
    "progress",
    "service",
    "attempts",
    "cost_micro_usd",
    "substituted",
    "error_code",
    "error_message",
    "started_at_us",
    "ended_at_us",
    "expires_at_us",
    "asset",
)
_ATTEMPT_COLUMNS = (
    "state",
    "accepted_at_us",
    "started_at_us",
    "rendered_at_us",
    "given_up_at_us",
    "ended_at_us",
    "job",
    "doubt",
    *(column.name for column in failure_columns()),
)
_ENTRY_COLUMNS = ("state", "amount_micro_usd")

#: In the order in which they are written.
_STATEMENTS = {
    "new_videos": insert(videos_table),
    "new_entries": insert(ledger_table),
    "new_attempts": insert(attempts_table),
    "attempts": _update_by_id(attempts_table, _ATTEMPT_COLUMNS).where(
        attempts_table.c.ended_at_us.is_(None)
    ),
    "entries": _update_by_id(ledger_table, _ENTRY_COLUMNS).where(
        ledger_table.c.state == EntryState.RESERVED.value
    ),
    # Whoever has lost a video to another process can only say of it that it is there.
    "videos": _update_by_id(videos_table, _VIDEO_COLUMNS).where(
        videos_table.c.ended_at_us.is_(None),
        (videos_table.c.owner == bindparam("b_owner"))
        | (bindparam("b_is_there", type_=Integer) == 1),
    ),
}
