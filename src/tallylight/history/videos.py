"""Callers' videos: what was asked for, who follows it, and what became of it.

A video's id is ours and outlives the jobs behind it. While it is under way one process owns it, by
a lease that it renews; whoever finds a lease run out takes the video over. A row that has an end
never changes its status again.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from tallylight.history.attempts import Tried, tried_of
from tallylight.history.connections import Connections, Turn
from tallylight.history.tables import videos as table
from tallylight.money import MICRO, micros
from tallylight.quick import quick
from tallylight.terms import (
    NO_SERVICE,
    NO_VIDEO,
    KeyId,
    Operation,
    Order,
    Reference,
    ServiceId,
    VideoId,
)

_AT_A_TIME = 100


class VideoStatus(StrEnum):
    """Where a video stands, in the words of the Videos API."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asked for beside prompt, seconds and size.

    Args:
        operation: How the video is made.
        source: The video that is remixed, edited or extended; ours, "" for none.
        reference: What it builds on; its bytes lie in the asset store.
        stored: The reference's place in the asset store, "" where there are no bytes.
        characters: Ours.
        extras: Fields that we do not know.
        pinned: The only service that can do it, "" for any: it has the source or the characters.
        chosen: Fields that the caller left out, so that we chose them.
        policy: What the caller prefers in place of the route's own policy, "" for nothing.
        onto: How many seconds are there already that an extension adds to.
    """

    operation: Operation = Operation.CREATE
    source: VideoId = NO_VIDEO
    reference: Reference | None = None
    stored: str = ""
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    pinned: ServiceId = NO_SERVICE
    chosen: tuple[str, ...] = ()
    policy: str = ""
    onto: int = 0


@dataclass(frozen=True, slots=True)
class VideoError:
    """Why a video failed, as its caller is told: a code of the Videos API and a sentence."""

    code: str
    message: str


@quick
@dataclass(frozen=True, slots=True)
class Video:
    """One video that a caller asked for.

    Args:
        id: Ours; valid for ever.
        key: Who asked, "" where no key is needed.
        model: The route.
        prompt: The text.
        seconds: The length asked for; of an extension, with what it is added to.
        size: The size asked for.
        created_at: When it was asked for.
        deadline: When nobody waits for it any more.
        wish: All else that was asked for.
        idempotency: The caller's key for this request, "" for none.
        fingerprint: Of the request's content, by which a repetition is known.
        owner: The process that follows it.
        status: Where it stands.
        progress: 0 to 100; never falls.
        service: Who works on it, or delivered it; "" before the first acceptance.
        attempts: How many submissions there were.
        cost: What they cost together, in USD, as far as it is known.
        substituted: What the service was asked for in place of what the caller asked for.
        error: Why it failed.
        started_at: When a service was first seen at work on it.
        ended_at: When it was completed or had failed.
        expires_at: When its content is gone, None if it is kept.
        asset: Its place in the asset store, "" while it is not there.
        deleted_at: When its caller deleted it.
    """

    id: VideoId
    key: KeyId
    model: str
    prompt: str
    seconds: int
    size: str
    created_at: datetime
    deadline: datetime
    wish: Wish = field(default_factory=Wish)
    idempotency: str = ""
    fingerprint: str = ""
    owner: str = ""
    status: VideoStatus = VideoStatus.QUEUED
    progress: int = 0
    service: ServiceId = NO_SERVICE
    attempts: int = 0
    cost: Decimal = Decimal(0)
    substituted: Mapping[str, str] = field(default_factory=dict)
    error: VideoError | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    asset: str = ""
    deleted_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether it has an end, which never changes."""
        return self.ended_at is not None

    def order(self) -> Order:
        """Return what is asked for, in our own names, before anything is fitted to a service."""
        return Order(
            prompt=self.prompt,
            seconds=self.seconds - self.wish.onto,
            size=self.size,
            operation=self.wish.operation,
            reference=self.wish.reference,
            characters=self.wish.characters,
            extras=self.wish.extras,
        )


class Videos:
    """The doors to the videos; the journal writes most of them."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def one(self, id_: VideoId) -> Video | None:
        """Return the video of an id, None if there is none or it was deleted."""
        return next(
            iter(await self._found(table.c.id == id_, table.c.deleted_at_us.is_(None))), None
        )

    async def one_ever(self, id_: VideoId) -> Video | None:
        """Return the same though it was deleted: its place among the others stands."""
        return next(iter(await self._found(table.c.id == id_)), None)

    async def by_idempotency(self, key: KeyId, idempotency: str) -> Video | None:
        """Return the video that a caller's own key for a request named, if any."""
        where = and_(table.c.key == key, table.c.idempotency == idempotency)
        return next(iter(await self._found(where)), None)

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
        return tuple(reversed(await self._found(where)))

    async def listed(
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
        async with self._connections.reading() as connection:
            return tuple(_video(row) for row in await connection.execute(query))

    async def take_over(
        self, owner: str, now: datetime, until: datetime
    ) -> tuple[tuple[Video, Tried], ...]:
        """Take over some videos whose lease has expired, and return what is written of them.

        One transaction locks the videos and then reads their attempts in a later statement, whose
        snapshot holds all that was committed before the lock was had. So no end of an attempt is
        seen without the end of its video that was written with it.
        """
        orphaned = and_(table.c.ended_at_us.is_(None), table.c.leased_until_us < now)
        some = (
            select(table.c.id).where(orphaned).limit(_AT_A_TIME).with_for_update(skip_locked=True)
        )
        change = (
            update(table)
            .where(table.c.id.in_(some.scalar_subquery()), orphaned)
            .values(owner=owner, leased_until_us=until)
            .returning(*table.columns)
        )
        async with self._connections.noting(Turn.VIDEO) as connection:
            taken = [_video(row) for row in await connection.execute(change)]
            tried = await tried_of(connection, [video.id for video in taken])
        return tuple((video, tried[video.id]) for video in taken)

    async def renew(self, owner: str, until: datetime) -> frozenset[VideoId]:
        """Say that one goes on following one's videos; return which those are."""
        change = (
            update(table)
            .where(table.c.ended_at_us.is_(None), table.c.owner == owner)
            .values(leased_until_us=until)
            .returning(table.c.id)
        )
        async with self._connections.noting(Turn.VIDEO) as connection:
            return frozenset(map(VideoId, await connection.scalars(change)))

    async def hand_over(self, ids: Collection[VideoId], at: datetime) -> None:
        """Let others take videos over from a moment on."""
        change = update(table).where(table.c.id.in_(ids)).values(owner="", leased_until_us=at)
        async with self._connections.noting(Turn.VIDEO) as connection:
            await connection.execute(change)

    async def delete(self, id_: VideoId, at: datetime) -> bool:
        """Delete a video for its caller; tell whether it was there. What it cost is kept."""
        change = (
            update(table)
            .where(table.c.id == id_, table.c.deleted_at_us.is_(None))
            .values(deleted_at_us=at, prompt="", wish="{}", asset="", idempotency="")
            .returning(table.c.id)
        )
        async with self._connections.writing(Turn.VIDEO) as connection:
            return (await connection.execute(change)).first() is not None

    async def expired(self, at: datetime) -> tuple[Video, ...]:
        """Return some videos whose content is still kept and has expired."""
        gone = and_(table.c.expires_at_us < at, table.c.asset != "")
        some = select(table.c.id).where(gone).limit(_AT_A_TIME)
        return await self._found(table.c.id.in_(some.scalar_subquery()))

    async def forget_assets(self, ids: Collection[VideoId]) -> None:
        """Take note that the content of videos is not kept any more."""
        change = update(table).where(table.c.id.in_(ids)).values(asset="")
        async with self._connections.noting(Turn.VIDEO) as connection:
            await connection.execute(change)

    async def _found(self, *where: ColumnElement[bool]) -> tuple[Video, ...]:
        query = select(table).where(*where).order_by(table.c.created_at_us, table.c.id)
        async with self._connections.reading() as connection:
            return tuple(_video(row) for row in await connection.execute(query))


def new_video_id() -> VideoId:
    """Return an id that nobody can guess; clients know its form."""
    return VideoId(f"video_{uuid4().hex}")


def values_of(video: Video, leased_until: datetime) -> dict[str, object]:
    """Return what the row of a new video holds."""
    return {
        "id": video.id,
        "key": video.key,
        "model": video.model,
        "prompt": video.prompt,
        "seconds": video.seconds,
        "size": video.size,
        "wish": _wish_text(video.wish),
        "idempotency": video.idempotency,
        "fingerprint": video.fingerprint,
        "created_at_us": video.created_at,
        "deadline_us": video.deadline,
        "owner": video.owner,
        "leased_until_us": leased_until,
        "deleted_at_us": video.deleted_at,
        **changing_values_of(video),
    }


def changing_values_of(video: Video) -> dict[str, object]:
    """Return what changes in a row while the video is under way."""
    return {
        "status": video.status.value,
        "progress": video.progress,
        "service": video.service,
        "attempts": video.attempts,
        "cost_micro_usd": micros(video.cost),
        "substituted": json.dumps(dict(video.substituted)) if video.substituted else "{}",
        "error_code": "" if video.error is None else video.error.code,
        "error_message": "" if video.error is None else video.error.message,
        "started_at_us": video.started_at,
        "ended_at_us": video.ended_at,
        "expires_at_us": video.expires_at,
        "asset": video.asset,
    }


def _wish_text(wish: Wish) -> str:
    reference = wish.reference
    said = {
        "operation": "" if wish.operation is Operation.CREATE else wish.operation.value,
        "source": wish.source,
        "reference": reference and [reference.url, reference.media_type, reference.name],
        "stored": wish.stored,
        "characters": wish.characters,
        "extras": wish.extras,
        "pinned": wish.pinned,
        "chosen": wish.chosen,
        "policy": wish.policy,
        "onto": wish.onto,
    }
    return json.dumps({name: value for name, value in said.items() if value}, ensure_ascii=False)


def _wish_of(text: str) -> Wish:
    if text == "{}":
        return Wish()
    said = json.loads(text)
    reference = None
    if "reference" in said:
        url, media_type, name = said["reference"]
        reference = Reference(url=url, media_type=media_type, name=name)
    return Wish(
        operation=Operation(said.get("operation", Operation.CREATE)),
        source=VideoId(said.get("source", "")),
        reference=reference,
        stored=said.get("stored", ""),
        characters=tuple(said.get("characters", ())),
        extras=said.get("extras", {}),
        pinned=ServiceId(said.get("pinned", "")),
        chosen=tuple(said.get("chosen", ())),
        policy=said.get("policy", ""),
        onto=said.get("onto", 0),
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
        wish=_wish_of(row.wish),
        idempotency=row.idempotency,
        fingerprint=row.fingerprint,
        owner=row.owner,
        status=VideoStatus(row.status),
        progress=row.progress,
        service=ServiceId(row.service),
        attempts=row.attempts,
        cost=Decimal(row.cost_micro_usd) / MICRO,
        substituted=json.loads(row.substituted),
        error=VideoError(row.error_code, row.error_message) if is_failed else None,
        started_at=row.started_at_us,
        ended_at=row.ended_at_us,
        expires_at=row.expires_at_us,
        asset=row.asset,
        deleted_at=row.deleted_at_us,
    )
