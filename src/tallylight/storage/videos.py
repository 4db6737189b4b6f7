"""Callers' videos: what was asked for, who follows it, and what became of it.

A video's id is ours and outlives the jobs behind it. While it is under way one process owns it, by
a lease that it renews; whoever finds a lease run out takes the video over. A row that has an end
never changes its status again.
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
from tallylight.storage.attempts import Tried, tried_of
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import videos_table as table

_BATCH_SIZE = 100


class Videos:
    """The doors to the videos; the journal writes most of them."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, id_: VideoId) -> Video | None:
        """Return the video of an id, None if there is none or it was deleted."""
        return next(
            iter(await self._select(table.c.id == id_, table.c.deleted_at_us.is_(None))), None
        )

    async def get_including_deleted(self, id_: VideoId) -> Video | None:
        """Return the same though it was deleted: its place among the others stands."""
        return next(iter(await self._select(table.c.id == id_)), None)

    async def by_idempotency_key(self, key: KeyId, idempotency_key: str) -> Video | None:
        """Return the video that a caller's own key for a request named, if any."""
        where = and_(table.c.key == key, table.c.idempotency == idempotency_key)
        return next(iter(await self._select(where)), None)

    async def by_fingerprint(
        self, key: KeyId, fingerprint: str, since: datetime
    ) -> tuple[Video, ...]:
        """Return a caller's videos of the same content, the newest first."""
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
        """Return one more video than `limit`, if there are so many, in the order of creation.

        Args:
            key: Whose; None for all.
            after: Begin behind this one.
            limit: How many are wanted.
            order: "desc" for the newest first.
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
            return tuple(_video(row) for row in await connection.execute(query))

    async def claim_expired(
        self, owner: str, now: datetime, until: datetime
    ) -> tuple[tuple[Video, Tried], ...]:
        """Take over some videos whose lease has expired, and return what is written of them.

        One transaction locks the videos and then reads their attempts in a later statement, whose
        snapshot holds all that was committed before the lock was had. So no end of an attempt is
        seen without the end of its video that was written with it.
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
            taken = [_video(row) for row in await connection.execute(change)]
            tried = await tried_of(connection, [video.id for video in taken])
        return tuple((video, tried[video.id]) for video in taken)

    async def renew_leases(self, owner: str, until: datetime) -> frozenset[VideoId]:
        """Say that one goes on following one's videos; return which those are."""
        change = (
            update(table)
            .where(table.c.ended_at_us.is_(None), table.c.owner == owner)
            .values(leased_until_us=until)
            .returning(table.c.id)
        )
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            return frozenset(map(VideoId, await connection.scalars(change)))

    async def release_leases(self, ids: Collection[VideoId], at: datetime) -> None:
        """Let others take videos over from a moment on."""
        change = update(table).where(table.c.id.in_(ids)).values(owner="", leased_until_us=at)
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            await connection.execute(change)

    async def delete(self, id_: VideoId, at: datetime) -> bool:
        """Delete a video for its caller; tell whether it was there. What it cost is kept."""
        change = (
            update(table)
            .where(table.c.id == id_, table.c.deleted_at_us.is_(None))
            .values(deleted_at_us=at, prompt="", wish="{}", asset="", idempotency="")
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            return (await connection.execute(change)).first() is not None

    async def with_expired_assets(self, at: datetime) -> tuple[Video, ...]:
        """Return some videos whose content is still kept and has expired."""
        gone = and_(table.c.expires_at_us < at, table.c.asset != "")
        some = select(table.c.id).where(gone).limit(_BATCH_SIZE)
        return await self._select(table.c.id.in_(some.scalar_subquery()))

    async def clear_assets(self, ids: Collection[VideoId]) -> None:
        """Take note that the content of videos is not kept any more."""
        change = update(table).where(table.c.id.in_(ids)).values(asset="")
        async with self._connections.relaxed_transaction(LockId.VIDEO) as connection:
            await connection.execute(change)

    async def _select(self, *where: ColumnElement[bool]) -> tuple[Video, ...]:
        query = select(table).where(*where).order_by(table.c.created_at_us, table.c.id)
        async with self._connections.read_transaction() as connection:
            return tuple(_video(row) for row in await connection.execute(query))


def video_values(video: Video, leased_until: datetime) -> dict[str, object]:
    """Return what the row of a new video holds."""
    return {
        "id": video.id,
        "key": video.key,
        "model": video.model,
        "prompt": video.prompt,
        "seconds": video.seconds,
        "size": video.size,
        "wish": _params_to_json(video.params),
        "idempotency": video.idempotency_key,
        "fingerprint": video.fingerprint,
        "created_at_us": video.created_at,
        "deadline_us": video.deadline,
        "owner": video.owner,
        "leased_until_us": leased_until,
        "deleted_at_us": video.deleted_at,
        **video_update_values(video),
    }


def video_update_values(video: Video) -> dict[str, object]:
    """Return what changes in a row while the video is under way."""
    return {
        "status": video.status.value,
        "progress": video.progress,
        "service": video.service,
        "attempts": video.attempts,
        "cost_micro_usd": to_micro_usd(video.cost),
        "substituted": json.dumps(dict(video.substitutions)) if video.substitutions else "{}",
        "error_code": "" if video.error is None else video.error.code,
        "error_message": "" if video.error is None else video.error.message,
        "started_at_us": video.started_at,
        "ended_at_us": video.ended_at,
        "expires_at_us": video.expires_at,
        "asset": video.asset,
    }


def _params_to_json(params: CreateParams) -> str:
    reference = params.reference
    said = {
        "operation": "" if params.operation is Operation.CREATE else params.operation.value,
        "source": params.source,
        "reference": reference and [reference.url, reference.media_type, reference.name],
        "stored": params.reference_asset,
        "characters": params.characters,
        "extras": params.extras,
        "pinned": params.pinned_service,
        "chosen": params.defaulted_fields,
        "policy": params.policy,
        "onto": params.base_seconds,
    }
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False)


def _params_from_json(text: str) -> CreateParams:
    if text == "{}":
        return CreateParams()
    said = json.loads(text)
    reference = None
    if "reference" in said:
        url, media_type, name = said["reference"]
        reference = Reference(url=url, media_type=media_type, name=name)
    return CreateParams(
        operation=Operation(said.get("operation", Operation.CREATE)),
        source=VideoId(said.get("source", "")),
        reference=reference,
        reference_asset=said.get("stored", ""),
        characters=tuple(said.get("characters", ())),
        extras=said.get("extras", {}),
        pinned_service=ServiceId(said.get("pinned", "")),
        defaulted_fields=tuple(said.get("chosen", ())),
        policy=said.get("policy", ""),
        base_seconds=said.get("onto", 0),
    )


def _video(row: Row[*tuple[object, ...]]) -> Video:
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
        params=_params_from_json(row.wish),
        idempotency_key=row.idempotency,
        fingerprint=row.fingerprint,
        owner=row.owner,
        status=VideoStatus(row.status),
        progress=row.progress,
        service=ServiceId(row.service),
        attempts=row.attempts,
        cost=Decimal(row.cost_micro_usd) / MICROS_PER_USD,
        substitutions=json.loads(row.substituted),
        error=VideoError(row.error_code, row.error_message) if is_failed else None,
        started_at=row.started_at_us,
        ended_at=row.ended_at_us,
        expires_at=row.expires_at_us,
        asset=row.asset,
        deleted_at=row.deleted_at_us,
    )
