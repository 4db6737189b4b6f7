"""Callers' videos: what was requested, which process owns each, and how it ended.

A video's id is ours and outlives the jobs behind it. Until a video ends, one process owns it by a
lease that it renews; another process takes the video over once the lease has expired. The status
of a video that has ended never changes again.
"""

import json
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.money import MICROS_PER_USD, to_micro_usd
from tallylight.model.order import Operation, Reference
from tallylight.model.video import CreateParams, Video, VideoError, VideoStatus
from tallylight.storage.attempts import VideoAttempts, attempts_of_videos
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import videos_table as table

_BATCH_SIZE = 100


class Videos:
    """Reads videos and manages their leases; `group_commit` writes most of their rows."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, id_: VideoId) -> Video | None:
        """Return the video of an id, None if there is none or it was deleted."""
        return await self._first(table.c.id == id_, table.c.deleted_at_us.is_(None))

    async def get_including_deleted(self, id_: VideoId) -> Video | None:
        """Return the video of an id, deleted or not: it keeps its place in lists."""
        return await self._first(table.c.id == id_)

    async def by_idempotency_key(self, key: KeyId, idempotency_key: str) -> Video | None:
        """Return the video that a request with this idempotency key created, if any."""
        return await self._first(table.c.key == key, table.c.idempotency_key == idempotency_key)

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
        where: list[ColumnElement[bool]] = [table.c.deleted_at_us.is_(None)]
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

    async def claim_expired(
        self, owner: str, now: datetime, until: datetime
    ) -> tuple[tuple[Video, VideoAttempts], ...]:
        """Take over some videos whose lease has expired; return them with their attempts.

        One transaction locks the videos and reads their attempts in a later statement, whose
        snapshot holds everything that was committed before the lock was granted. So an attempt
        that has ended is never seen without the end of its video that was written with it.
        """
        orphaned = and_(table.c.ended_at_us.is_(None), table.c.leased_until_us < now)
        some = (
            select(table.c.id).where(orphaned).limit(_BATCH_SIZE).with_for_update(skip_locked=True)
        )
        change = (
            update(table)
            .where(table.c.id.in_(some.scalar_subquery()), orphaned)
            .values(owner=owner, leased_until_us=until)
            .returning(*table.columns)
        )
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            taken = [video_from_row(row) for row in await connection.execute(change)]
            attempts = await attempts_of_videos(connection, [video.id for video in taken])
        return tuple((video, attempts[video.id]) for video in taken)

    async def renew_leases(self, owner: str, until: datetime) -> frozenset[VideoId]:
        """Renew a process's leases and return the videos that it still owns."""
        change = (
            update(table)
            .where(table.c.ended_at_us.is_(None), table.c.owner == owner)
            .values(leased_until_us=until)
            .returning(table.c.id)
        )
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            return frozenset(map(VideoId, await connection.scalars(change)))

    async def release_leases(self, ids: Collection[VideoId], at: datetime) -> None:
        """End the leases of videos at `at`, so that another process takes them over."""
        change = update(table).where(table.c.id.in_(ids)).values(owner="", leased_until_us=at)
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            await connection.execute(change)

    async def delete(self, id_: VideoId, at: datetime) -> bool:
        """Delete a video for its caller, all but its costs; return whether it existed."""
        change = (
            update(table)
            .where(table.c.id == id_, table.c.deleted_at_us.is_(None))
            .values(deleted_at_us=at, prompt="", params="{}", asset="", idempotency_key="")
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            return (await connection.execute(change)).first() is not None

    async def with_expired_assets(self, at: datetime) -> tuple[Video, ...]:
        """Return some videos whose stored content has expired."""
        is_expired = and_(table.c.expires_at_us < at, table.c.asset != "")
        some = select(table.c.id).where(is_expired).limit(_BATCH_SIZE)
        return await self._select(table.c.id.in_(some.scalar_subquery()))

    async def clear_assets(self, ids: Collection[VideoId]) -> None:
        """Record that the content of videos is no longer stored."""
        change = update(table).where(table.c.id.in_(ids)).values(asset="")
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            await connection.execute(change)

    async def _first(self, *where: ColumnElement[bool]) -> Video | None:
        return next(iter(await self._select(*where)), None)

    async def _select(self, *where: ColumnElement[bool]) -> tuple[Video, ...]:
        query = select(table).where(*where).order_by(table.c.created_at_us, table.c.id)
        async with self._connections.read_transaction() as connection:
            return tuple(video_from_row(row) for row in await connection.execute(query))


def video_values(video: Video, leased_until: datetime) -> dict[str, object]:
    """Return the row of a new video."""
    return {
        "id": video.id,
        "key": video.key,
        "model": video.model,
        "prompt": video.prompt,
        "seconds": video.seconds,
        "size": video.size,
        "params": _params_to_json(video.params),
        "idempotency_key": video.idempotency_key,
        "fingerprint": video.fingerprint,
        "created_at_us": video.created_at,
        "deadline_us": video.deadline,
        "owner": video.owner,
        "leased_until_us": leased_until,
        "deleted_at_us": video.deleted_at,
        **video_update_values(video),
    }


def video_update_values(video: Video) -> dict[str, object]:
    """Return the columns that change after a video was created."""
    return {
        "status": video.status.value,
        "progress": video.progress,
        "service": video.service,
        "attempts": video.attempts,
        "cost_micro_usd": to_micro_usd(video.cost),
        "substitutions": json.dumps(dict(video.substitutions)) if video.substitutions else "{}",
        "error_code": "" if video.error is None else video.error.code,
        "error_message": "" if video.error is None else video.error.message,
        "started_at_us": video.started_at,
        "ended_at_us": video.ended_at,
        "expires_at_us": video.expires_at,
        "asset": video.asset,
    }


def _params_to_json(params: CreateParams) -> str:
    reference = params.reference
    values = {
        "operation": "" if params.operation is Operation.CREATE else params.operation.value,
        "source": params.source,
        "reference": reference and [reference.url, reference.media_type, reference.name],
        "reference_asset": params.reference_asset,
        "characters": params.characters,
        "extras": params.extras,
        "pinned_service": params.pinned_service,
        "defaulted_fields": params.defaulted_fields,
        "policy": params.policy,
        "base_seconds": params.base_seconds,
    }
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)


def _params_from_json(text: str) -> CreateParams:
    if text == "{}":
        return CreateParams()
    values = json.loads(text)
    reference = None
    if "reference" in values:
        url, media_type, name = values["reference"]
        reference = Reference(url=url, media_type=media_type, name=name)
    return CreateParams(
        operation=Operation(values.get("operation", Operation.CREATE)),
        source=VideoId(values.get("source", "")),
        reference=reference,
        reference_asset=values.get("reference_asset", ""),
        characters=tuple(values.get("characters", ())),
        extras=values.get("extras", {}),
        pinned_service=ServiceId(values.get("pinned_service", "")),
        defaulted_fields=tuple(values.get("defaulted_fields", ())),
        policy=values.get("policy", ""),
        base_seconds=values.get("base_seconds", 0),
    )


def video_from_row(row: Row[*tuple[object, ...]]) -> Video:
    """Return the video in a row."""
    is_failed = row.status == VideoStatus.FAILED.value
    return Video(
        id=VideoId(row.id),
        key=KeyId(row.key),
        model=row.model,
        prompt=row.prompt,
        seconds=row.seconds,
        size=row.size,
        created_at=row.created_at_us,
        deadline=row.deadline_us,
        params=_params_from_json(row.params),
        idempotency_key=row.idempotency_key,
        fingerprint=row.fingerprint,
        owner=row.owner,
        status=VideoStatus(row.status),
        progress=row.progress,
        service=ServiceId(row.service),
        attempts=row.attempts,
        cost=Decimal(row.cost_micro_usd) / MICROS_PER_USD,
        substitutions=json.loads(row.substitutions),
        error=VideoError(row.error_code, row.error_message) if is_failed else None,
        started_at=row.started_at_us,
        ended_at=row.ended_at_us,
        expires_at=row.expires_at_us,
        asset=row.asset,
        deleted_at=row.deleted_at_us,
    )
