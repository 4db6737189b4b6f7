"""The operator's word that a copied, restored or promoted database is now the one that counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from tallylight.storage.engine import Connections, LockId, acquire_lock
from tallylight.storage.identity import (
    BARRED,
    UNDER_WAY,
    Difference,
    drop_former_token,
    identity_now,
    set_bar,
    store_identity,
)
from tallylight.storage.tables import attempts_table, videos_table


@dataclass(frozen=True, slots=True)
class BarredVideo:
    """A video for which nothing is sent.

    Args:
        id: Its id.
        service: The service of its newest attempt; "" without one.
        state: The state of that attempt; "" without one.
        created_at: When it was created.
    """

    id: str
    service: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PendingAdoption:
    """What the operator decides about.

    Args:
        differences: What has changed.
        count: How many videos are barred, or will be once a process serves.
        videos: The oldest of them.
    """

    differences: tuple[Difference, ...]
    count: int
    videos: tuple[BarredVideo, ...]


async def pending_adoption(connections: Connections, limit: int) -> PendingAdoption | None:
    """Return what can be adopted, with so many videos at most; None if no video waits for it.

    Raises:
        StorageError: if the database, or the file beside it, cannot be read.
    """
    file = connections.file
    return await connections.run_in_thread(
        lambda connection: _pending(connection, file, limit), is_durable=False
    )


async def adopt_database(connections: Connections) -> None:
    """Lift the bar of all videos and record where the database lives.

    Raises:
        StorageError: if the database, or the file beside it, cannot be written.
    """
    file = connections.file
    await connections.run_in_thread(lambda connection: _adopt(connection, file), is_durable=True)
    if file is not None:
        await drop_former_token(connections, file)


def _pending(connection: Connection, file: Path | None, limit: int) -> PendingAdoption | None:
    identity, found = identity_now(connection, file)
    if not identity.differences:
        return None
    # Until a process that serves has found the change itself, nothing is barred yet.
    which = UNDER_WAY if found else BARRED
    count = connection.scalar(select(func.count()).where(which)) or 0
    if not count:
        return None
    oldest = select(videos_table.c.id, videos_table.c.created_at_us).where(which)
    rows = connection.execute(oldest.order_by(videos_table.c.created_at_us).limit(limit)).all()
    newest = _newest_attempts(connection, [row.id for row in rows])
    videos = (BarredVideo(row.id, *newest.get(row.id, ("", "")), row.created_at_us) for row in rows)
    return PendingAdoption(identity.differences, count, tuple(videos))


def _newest_attempts(connection: Connection, videos: list[str]) -> Mapping[str, tuple[str, str]]:
    """Return service and state of the newest attempt of each video that has one."""
    columns = attempts_table.c
    query = select(columns.video, columns.service, columns.state).where(columns.video.in_(videos))
    rows = connection.execute(query.order_by(columns.video, columns.number))
    return {video: (service, state) for video, service, state in rows}


def _adopt(connection: Connection, file: Path | None) -> None:
    acquire_lock(connection, LockId.PROCESS)
    identity, _ = identity_now(connection, file)
    store_identity(connection, replace(identity, differences=()), file)
    set_bar(connection, BARRED, is_barred=False)
