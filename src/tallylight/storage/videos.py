"""Videos: what was asked for, which process follows each, and how it ended.

A video's id is ours and outlives the jobs behind it. Until a video ends, one process follows it,
and only that process decides about it. A process that took it over has raised its epoch. The status
of a video that has ended never changes again. `transaction` writes most rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.video import Video, VideoKind, VideoRecord
from tallylight.storage.attempts import attempts_of_videos
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.ledger import entries_of
from tallylight.storage.tables import IS_WITHOUT_CONTENT, idempotency_table, processes_table
from tallylight.storage.tables import videos_table as table
from tallylight.storage.types import MICROSECOND
from tallylight.storage.video_rows import video_from_row

_BATCH_SIZE = 100
_FORGOTTEN = {"prompt": "", "params": "{}", "asset": ""}  # what a deletion clears
_NEXT_REVISION = table.c.revision + 1
_KEY_LIFETIME = timedelta(hours=24)  # after the end of a video, though it is deleted


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What a request with an idempotency key created.

    Args:
        fingerprint: The digest of the request's content.
        id: The id of its video.
        video: The video; None if it was deleted.
    """

    fingerprint: str
    id: VideoId
    video: Video | None


class Videos:
    """Reads videos and takes them over; `group_commit` writes most of their rows."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, id_: VideoId, kind: VideoKind = VideoKind.VIDEO) -> Video | None:
        """Return a caller's video, None if there is none of its kind or it was deleted."""
        return await self._first(
            table.c.id == id_, table.c.deleted_at_us.is_(None), table.c.kind == kind.value
        )

    async def get_including_deleted(self, id_: VideoId) -> Video | None:
        """Return the video of an id, deleted or not: it keeps its place in lists."""
        return await self._first(table.c.id == id_)

    async def by_idempotency_key(
        self, key: KeyId, idempotency_key: str
    ) -> "IdempotencyRecord | None":
        """Return what a request with this idempotency key created, if there was one."""
        query = (
            select(idempotency_table.c.fingerprint, idempotency_table.c.video.label("named"), table)
            .outerjoin(
                table,
                and_(table.c.id == idempotency_table.c.video, table.c.deleted_at_us.is_(None)),
            )
            .where(
                idempotency_table.c.key == key,
                idempotency_table.c.idempotency_key == idempotency_key,
            )
        )
        async with self._connections.read_transaction() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        video = None if row.id is None else video_from_row(row)
        return IdempotencyRecord(row[0], VideoId(row.named), video)

    async def by_fingerprint(
        self, key: KeyId, fingerprint: str, since: datetime
    ) -> tuple[Video, ...]:
        """Return a caller's videos from requests of the same content, newest first."""
        where = and_(
            table.c.fingerprint == fingerprint,
            table.c.key == key,
            table.c.created_at_us >= since,
            table.c.deleted_at_us.is_(None),
        )
        return tuple(reversed(await self._select(where)))

    async def list_page(
        self, key: KeyId | None, *, after: Video | None, limit: int, order: Literal["asc", "desc"]
    ) -> tuple[Video, ...]:
        """Return up to `limit` + 1 videos in the order of creation; the last shows there are more.

        Args:
            key: The key whose videos are listed; None for those of all keys.
            after: The video after which the page begins; None for the first page.
            limit: The size of the page.
            order: "desc" for newest first.
        """
        where: list[ColumnElement[bool]] = [
            table.c.deleted_at_us.is_(None),
            table.c.kind == VideoKind.VIDEO.value,
        ]
        if key is not None:
            where.append(table.c.key == key)
        at, id_ = table.c.created_at_us, table.c.id
        if after is not None and order == "desc":
            same = and_(at == after.created_at, id_ < after.id)
            where.append(or_(at < after.created_at, same))
        elif after is not None:
            same = and_(at == after.created_at, id_ > after.id)
            where.append(or_(at > after.created_at, same))
        by = (at, id_) if order == "asc" else (at.desc(), id_.desc())
        query = select(table).where(*where).order_by(*by).limit(limit + 1)
        async with self._connections.read_transaction() as connection:
            return tuple(video_from_row(row) for row in await connection.execute(query))

    async def open_probes(self) -> tuple[Video, ...]:
        """Return the paid probes that have not ended, oldest first."""
        return await self._select(
            table.c.ended_at_us.is_(None), table.c.kind == VideoKind.PROBE.value
        )

    async def claim_orphans(
        self,
        owner: str,
        services: Collection[ServiceId],
        now: datetime,
        kinds: Collection[VideoKind] = tuple(VideoKind),
    ) -> tuple[VideoRecord, ...]:
        """Take over some videos that no living process follows, and return them.

        Args:
            owner: The process that takes them over; nothing if it was declared dead, or it would
                find what it takes over to be orphaned again.
            services: The services that it can ask. A video with an open attempt at another one
                is left to a process that can ask it, until its deadline.
            now: The time.
            kinds: The kinds of videos that it follows.
        """
        alive = select(processes_table.c.name).where(processes_table.c.dead_at_us.is_(None))
        is_orphan = and_(
            table.c.ended_at_us.is_(None),
            table.c.owner.not_in(alive),
            literal(owner).in_(alive),
            table.c.kind.in_([kind.value for kind in kinds]),
            or_(table.c.open_service.in_(("", *services)), table.c.deadline_us < now),
        )
        return await self._claim(owner, is_orphan)

    async def claim_again(self, owner: str, ids: Collection[VideoId]) -> tuple[VideoRecord, ...]:
        """Take over videos of one's own that nothing in this process follows, and return them."""
        is_mine = and_(table.c.ended_at_us.is_(None), table.c.owner == owner, table.c.id.in_(ids))
        return await self._claim(owner, is_mine)

    async def _claim(self, owner: str, is_claimed: ColumnElement[bool]) -> tuple[VideoRecord, ...]:
        """Lock the videos and raise their epochs, then read their attempts in a later statement.

        Its snapshot holds everything that was committed before the locks were granted. So an
        attempt that has ended is never seen without the end of its video.
        """
        some = (
            select(table.c.id)
            .where(is_claimed)
            .order_by(table.c.owner, table.c.id)
            .limit(_BATCH_SIZE)
            .with_for_update(skip_locked=True)
            .cte("claimed")  # PostgreSQL evaluates it once, a subquery perhaps for each row
        )
        change = (
            update(table)
            .where(table.c.id.in_(select(some.c.id)))
            .values(owner=owner, epoch=table.c.epoch + 1, revision=_NEXT_REVISION)
            .returning(*table.columns)
        )
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            taken = [video_from_row(row) for row in await connection.execute(change)]
            return tuple((await connection.run_sync(records_of, taken)).values())

    async def owned_by(self, owner: str) -> frozenset[VideoId]:
        """Return the videos under way that a process follows, as the rows say."""
        query = select(table.c.id).where(table.c.ended_at_us.is_(None), table.c.owner == owner)
        async with self._connections.read_transaction() as connection:
            return frozenset(map(VideoId, await connection.scalars(query)))

    async def record(self, id_: VideoId) -> VideoRecord | None:
        """Return a video with its attempts, None if there is none."""
        async with self._connections.read_transaction() as connection:
            return (await connection.run_sync(load_records, (id_,))).get(id_)

    async def delete(self, id_: VideoId, at: datetime) -> bool:
        """Delete a video for its caller, all but its costs; return whether it existed.

        Its idempotency key stays known, so that a late repetition of the request is not paid
        again.
        """
        change = (
            update(table)
            .where(table.c.id == id_, table.c.deleted_at_us.is_(None))
            .values(deleted_at_us=at, revision=_NEXT_REVISION, **_FORGOTTEN)
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            # The video first, as every group of writes locks it, or two could deadlock.
            existed = (await connection.execute(change)).first() is not None
            if existed:
                await release_keys(connection, (id_,))
            return existed

    async def with_expired_assets(self, at: datetime) -> tuple[Video, ...]:
        """Return some videos whose stored content has expired."""
        # A literal: with a parameter, SQLite would not use the index of stored content.
        is_expired = and_(table.c.expires_at_us < at, table.c.asset != literal_column("''"))
        some = select(table.c.id).where(is_expired).limit(_BATCH_SIZE)
        return await self._select(table.c.id.in_(some.scalar_subquery()))

    async def clear_assets(self, ids: Collection[VideoId]) -> None:
        """Record that the content of videos is no longer stored."""
        change = update(table).where(table.c.id.in_(ids)).values(asset="", revision=_NEXT_REVISION)
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            await connection.execute(change)

    async def without_content(
        self, owner: str, since: datetime, now: datetime
    ) -> tuple[Video, ...]:
        """Return some videos that were completed since a moment, and whose content is not stored.

        They are those of a process, and of processes that no longer live.
        """
        alive = select(processes_table.c.name).where(processes_table.c.dead_at_us.is_(None))
        c = table.c
        query = (
            select(c.id)
            .where(
                IS_WITHOUT_CONTENT,
                c.ended_at_us > since,
                c.kind != VideoKind.PROBE.value,
                c.deleted_at_us.is_(None),
                or_(c.expires_at_us.is_(None), c.expires_at_us > now),
                or_(c.owner == owner, c.owner.not_in(alive)),
            )
            .order_by(c.ended_at_us)
            .limit(_BATCH_SIZE)
        )
        return await self._select(table.c.id.in_(query.scalar_subquery()))

    async def add_content(self, id_: VideoId, asset: str, expires_at: datetime) -> bool:
        """Record where a video's content is; return False if it was deleted, or has content."""
        change = (
            update(table)
            .where(table.c.id == id_, table.c.deleted_at_us.is_(None), IS_WITHOUT_CONTENT)
            .values(asset=asset, expires_at_us=expires_at, revision=_NEXT_REVISION)
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            return (await connection.execute(change)).first() is not None

    async def _first(self, *where: ColumnElement[bool]) -> Video | None:
        return next(iter(await self._select(*where)), None)

    async def _select(self, *where: ColumnElement[bool]) -> tuple[Video, ...]:
        query = select(table).where(*where).order_by(table.c.created_at_us, table.c.id)
        async with self._connections.read_transaction() as connection:
            return tuple(video_from_row(row) for row in await connection.execute(query))


def load_records(connection: Connection, ids: Collection[VideoId]) -> dict[VideoId, VideoRecord]:
    """Return videos with their attempts as one transaction sees them; unknown ids are left out."""
    rows = connection.execute(select(table).where(table.c.id.in_(ids)))
    return records_of(connection, [video_from_row(row) for row in rows])


def lock_records(
    connection: Connection, known: Mapping[VideoId, VideoRecord | None]
) -> tuple[dict[VideoId, VideoRecord], dict[VideoId, str]]:
    """Lock the rows of videos until the transaction ends, then read what has changed.

    They are locked in the order of their ids, or two processes could deadlock.

    Args:
        connection: The transaction.
        known: The version of each video that its writer knows, None if it knows none. What still
            has the same revision is not read again.

    Returns:
        The videos with their attempts, and the token of the last decision about each; unknown ids
        are left out.
    """
    c = table.c
    query = select(c.id, c.epoch, c.revision, c.written_by).where(c.id.in_(known)).order_by(c.id)
    rows = connection.execute(query.with_for_update(key_share=True)).all()
    found = {id_: record for id_, record in known.items() if record is not None}
    records = {
        VideoId(row.id): found[row.id]
        for row in rows
        if row.id in found and found[row.id].version == (row.epoch, row.revision)
    }
    changed = [VideoId(row.id) for row in rows if row.id not in records]
    if changed:
        records |= load_records(connection, changed)
    return records, {VideoId(row.id): row.written_by for row in rows}


def withdraw_videos(connection: Connection, ids: Collection[VideoId]) -> None:
    """Clear what callers sent for videos that end as deleted, and free their idempotency keys.

    No service made or accepted anything for them, so their requests may be repeated.
    """
    connection.execute(update(table).where(table.c.id.in_(ids)).values(**_FORGOTTEN))
    connection.execute(delete(idempotency_table).where(idempotency_table.c.video.in_(ids)))


def records_of(connection: Connection, videos: Sequence[Video]) -> dict[VideoId, VideoRecord]:
    """Return videos with their attempts and ledger entries as one transaction sees them."""
    if not videos:
        return {}
    attempts = attempts_of_videos(connection, [video.id for video in videos])
    entries = entries_of(connection, [each.entry for found in attempts.values() for each in found])
    return {
        video.id: VideoRecord(
            video,
            attempts[video.id],
            {
                each.entry: entries[each.entry]
                for each in attempts[video.id]
                if each.entry in entries
            },
        )
        for video in videos
    }


async def release_keys(connection: AsyncConnection, ids: Collection[VideoId]) -> None:
    """Let the idempotency keys of videos that are being deleted go a day after their end."""
    ended = type_coerce(func.coalesce(table.c.ended_at_us, table.c.deleted_at_us), BigInteger)
    until = (
        select(ended + _KEY_LIFETIME // MICROSECOND)
        .where(table.c.id == idempotency_table.c.video)
        .scalar_subquery()
    )
    await connection.execute(
        update(idempotency_table).where(idempotency_table.c.video.in_(ids)).values(until_us=until)
    )
