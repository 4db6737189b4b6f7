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
from tallylight.quick import quick
from tallylight.storage import attempts as attempt_rows
from tallylight.storage import ledger as entry_rows
from tallylight.storage import videos as video_rows
from tallylight.storage.engine import Turn, take_turn
from tallylight.storage.tables import attempts, ledger, outbox, videos
from tallylight.storage.types import failure_columns

_Spent = dict[str, int | Decimal]
_Rows = dict[str, list[Mapping[str, object]]]


class Limit(NamedTuple):
    """What callers' videos may cost.

    Args:
        budget: The limits.
        payer: Whose videos count; None for all.
        name: What it is called in a refusal.
    """

    budget: Budget
    payer: KeyId | None
    name: str


class Finding(NamedTuple):
    """A job in an upstream's list that is taken for an attempt's.

    Args:
        attempt: As it is once it has the job.
        services: Whose jobs are in that list.
    """

    attempt: Attempt
    services: tuple[ServiceId, ...]


class Notice(NamedTuple):
    """A webhook to deliver."""

    id: str
    endpoint: str
    video: str
    body: str
    at: datetime


@quick
@dataclass(frozen=True, slots=True)
class Writing:
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
    limits: tuple[Limit, ...] = ()
    video: Video | None = None
    attempts: tuple[Attempt, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    notices: tuple[Notice, ...] = ()
    finding: Finding | None = None

    @property
    def is_promise(self) -> bool:
        """Tell whether it has to outlive a power cut: something will be paid for on its word.

        What an upstream has said may be asked of it again.
        """
        return self.new_attempt is not None

    @property
    def is_further(self) -> bool:
        """Tell whether it tries a video further that is there already."""
        return self.new_video is None and self.new_attempt is not None

    @property
    def is_contested(self) -> bool:
        """Tell whether somebody else may have written the same, or the money may not be there."""
        video = self.new_video
        is_known = video is not None and bool(video.idempotency_key)
        is_limited = any(limit.budget.limits for limit in self.limits)
        return is_known or self.is_further or is_limited or self.finding is not None


def write(connection: Connection, group: list[Writing]) -> list[bool | BudgetError]:
    """Write a group; tell of each whether it was its own to write, or why it may not be."""
    results: list[bool | BudgetError] = []
    if any(writing.finding is not None for writing in group):
        # Before any turn of the ledger, or two processes could wait for each other.
        take_turn(connection, Turn.ATTEMPT)
    lost = _lost(connection, group)
    for is_contested, some in groupby(group, key=lambda each: each.is_contested):
        if is_contested:
            results += [_write_alone(connection, writing, lost) for writing in some]
        else:
            alike = list(some)
            _write_together(connection, alike)
            results += [True] * len(alike)
    return results


def _write_together(connection: Connection, group: Iterable[Writing]) -> None:
    rows: _Rows = {}
    for writing in group:
        _collect(writing, rows)
    _execute(connection, rows)


def _lost(connection: Connection, group: Iterable[Writing]) -> frozenset[VideoId]:
    """Return the videos that are to be tried further and have an end or another owner by now.

    The rest stay locked to the end of the transaction, so that nobody takes them over or ends them
    before the attempt is there; in the order of their ids, or two processes could wait for each
    other.
    """
    wanted = {each.video.id: each.video.owner for each in group if each.is_further and each.video}
    if not wanted:
        return frozenset()
    query = (
        select(videos.c.id, videos.c.owner)
        .where(videos.c.id.in_(wanted), videos.c.ended_at_us.is_(None))
        .order_by(videos.c.id)
        .with_for_update(key_share=True)
    )
    owners = {VideoId(id_): owner for id_, owner in connection.execute(query)}
    return frozenset(id_ for id_, owner in wanted.items() if owners.get(id_) != owner)


def _write_alone(
    connection: Connection, writing: Writing, lost: Collection[VideoId]
) -> bool | BudgetError:
    # What has ended has ended, whatever becomes of the rest, and gives its money back before.
    _write_together(connection, (Writing(attempts=writing.attempts, entries=writing.entries),))
    if writing.is_further and writing.video is not None and writing.video.id in lost:
        return False
    entry = writing.new_entry
    if entry is not None:
        for limit in writing.limits:
            refusal = _refusal(connection, limit, entry)
            if refusal is not None:
                return refusal
    if not _claim(connection, writing):
        return False
    rest = replace(writing, new_video=None, new_attempt=None, attempts=(), entries=())
    _write_together(connection, (rest,))
    return True


def _claim(connection: Connection, writing: Writing) -> bool:
    """Insert or take what others may too, and tell whether they were not faster."""
    video, attempt = writing.new_video, writing.new_attempt
    if writing.finding is not None and _is_taken(connection, writing.finding):
        return False
    if video is not None and not _insert_once(connection, videos, _new_video(writing, video)):
        return False
    return attempt is None or _insert_once(connection, attempts, attempt_rows.values_of(attempt))


def _is_taken(connection: Connection, finding: Finding) -> bool:
    """Tell whether a job is another attempt's, or the attempt has another job by now."""
    attempt, (id_, job) = finding.attempt, (attempts.c.id, attempts.c.job)
    others = attempts.c.service.in_(finding.services) & (job == attempt.job) & (id_ != attempt.id)
    own = (id_ == attempt.id) & job.not_in(("", attempt.job))
    return connection.execute(select(id_).where(others | own).limit(1)).first() is not None


def _insert_once(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    once = _once(connection, table).returning(table.c.id)
    return connection.execute(once, row).first() is not None


def _once(connection: Connection, table: Table) -> Insert:
    """Return an insert that leaves what is there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def _refusal(connection: Connection, limit: Limit, entry: LedgerEntry) -> BudgetError | None:
    names = limit.budget.limits
    if not names:
        return None
    take_turn(connection, Turn.LEDGER)  # or two could both take the rest
    spent: _Spent = {}
    for name in names:
        query = select(func.sum(ledger.c.amount_micro_usd)).where(
            ledger.c.at_us > entry.at - BUDGET_WINDOWS[name],
            ledger.c.purpose == Purpose.TRAFFIC.value,
        )
        if limit.payer is not None:
            query = query.where(ledger.c.payer == limit.payer)
        spent[name] = int(connection.scalar(query) or 0)
    found = exceeded_limit(limit.budget, entry.estimate, spent)
    if found is None:
        return None
    window, most = found
    return BudgetError(
        f"{window} {limit.name}", most, spent[window] / MICROS_PER_USD, entry.estimate
    )


def _collect(writing: Writing, rows: _Rows) -> None:
    if writing.new_video is not None:
        rows.setdefault("new_videos", []).append(_new_video(writing, writing.new_video))
    if writing.new_attempt is not None:
        row = attempt_rows.values_of(writing.new_attempt)
        rows.setdefault("new_attempts", []).append(row)
    if writing.new_entry is not None:
        rows.setdefault("new_entries", []).append(entry_rows.values_of(writing.new_entry))
    found = () if writing.finding is None else (writing.finding.attempt,)
    for attempt in (*writing.attempts, *found):
        row = attempt_rows.values_of(attempt)
        rows.setdefault("attempts", []).append(_bound(row, _ATTEMPT_COLUMNS))
    for entry in writing.entries:
        rows.setdefault("entries", []).append(_bound(entry_rows.values_of(entry), _ENTRY_COLUMNS))
    if writing.video is not None:
        video = writing.video
        is_there = video.status is VideoStatus.COMPLETED
        told_by = {"b_owner": video.owner, "b_is_there": int(is_there)}
        row = {"b_id": video.id, **told_by, **video_rows.changing_values_of(video)}
        rows.setdefault("videos", []).append(row)
    for notice in writing.notices:
        rows.setdefault("notices", []).append(_outbox_row(notice))


def _execute(connection: Connection, rows: _Rows) -> None:
    for name, statement in _STATEMENTS.items():
        if name in rows:
            connection.execute(statement, rows[name])
    if "notices" in rows:  # two processes that end a video have the same to tell
        connection.execute(_once(connection, outbox), rows["notices"])


def _new_video(writing: Writing, video: Video) -> dict[str, object]:
    return video_rows.values_of(video, writing.leased_until or video.created_at)


def _bound(row: Mapping[str, object], columns: Iterable[str]) -> dict[str, object]:
    return {"b_id": row["id"], **{name: row[name] for name in columns}}


def _outbox_row(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "endpoint": notice.endpoint,
        "video": notice.video,
        "body": notice.body,
        "created_at_us": notice.at,
        "due_at_us": notice.at,
        "tries": 0,
        "answer": "",
    }


def _change(table: Table, columns: Iterable[str]) -> Update:
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
    "new_videos": insert(videos),
    "new_entries": insert(ledger),
    "new_attempts": insert(attempts),
    "attempts": _change(attempts, _ATTEMPT_COLUMNS).where(attempts.c.ended_at_us.is_(None)),
    "entries": _change(ledger, _ENTRY_COLUMNS).where(ledger.c.state == EntryState.RESERVED.value),
    # Whoever has lost a video to another process can only say of it that it is there.
    "videos": _change(videos, _VIDEO_COLUMNS).where(
        videos.c.ended_at_us.is_(None),
        (videos.c.owner == bindparam("b_owner")) | (bindparam("b_is_there", type_=Integer) == 1),
    ),
}
