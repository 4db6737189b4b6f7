"""Rows that a clock wrote which was ahead and has been set right since.

Their times lie in the future: verdicts would not move until then, budgets would count the money for
longer, and new evidence would get ids beyond the present. The leader mends them when it begins to
lead, and a process whose clock is set right while it runs opens everything anew. Evidence and its
rollups are set aside, for nobody knows when it was recorded; everything else happened at the latest
now.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.storage import day_status, rollups, spending
from tallylight.storage.engine import Connections, LockId, upsert
from tallylight.storage.evidence import latest_id
from tallylight.storage.host_clocks import MOST_DIFFERENCE
from tallylight.storage.tables import (
    attempts_table,
    component_state_table,
    day_status_table,
    evidence_table,
    forwarded_evidence_table,
    incident_updates_table,
    incidents_table,
    ledger_table,
    outbox_table,
    rollups_table,
    state_snapshots_table,
    transitions_table,
    videos_table,
)
from tallylight.storage.types import DAY, EPOCH, bucket_start, from_microseconds, to_microseconds

log = structlog.get_logger()

TOLERANCE: Final = timedelta(minutes=1)
"""Times up to so far ahead are those of another machine's clock, or of an instant of ours."""

_EARLIEST: Final = EPOCH + timedelta(days=20_700)
"""5 September 2026: a clock that says less is behind itself, and the rows are right."""

_PAST_COLUMNS: Final = (
    transitions_table.c.at_us,
    transitions_table.c.recorded_at_us,
    transitions_table.c.retracted_at_us,
    transitions_table.c.before_since_us,
    transitions_table.c.after_since_us,
    incidents_table.c.started_at_us,
    incidents_table.c.ended_at_us,
    incident_updates_table.c.at_us,
    ledger_table.c.at_us,
    attempts_table.c.intended_at_us,
    attempts_table.c.accepted_at_us,
    attempts_table.c.started_at_us,
    attempts_table.c.rendered_at_us,
    attempts_table.c.ended_at_us,
    videos_table.c.started_at_us,
    videos_table.c.ended_at_us,
    forwarded_evidence_table.c.at_us,
    outbox_table.c.created_at_us,
    outbox_table.c.due_at_us,
    outbox_table.c.delivered_at_us,
)
"""Times of what has happened, or was due after a wait that has passed by now."""

_PLANNED_KEYS: Final = frozenset(
    {"until", "shutdown_at", "told_shutdown_at", "maintenance_windows", "shutdowns_notified"}
)
"""Keys of a component's state whose times rightly lie in the future."""

_MOMENT: Final = TypeAdapter(datetime)
_SHORTEST_MOMENT: Final = len("2026-01-01T00:00:00Z")


async def set_future_aside(connections: Connections, now: datetime, *, is_believed: bool) -> bool:
    """Mend rows whose times lie in the future; return whether it did.

    Args:
        connections: The database.
        now: The present time.
        is_believed: No other clock may tell that it is wrong. Without that, rows that lie more
            than a day ahead are left as they are.

    Raises:
        StorageError: if the database cannot be reached.
    """
    if now < _EARLIEST:
        log.error("clock.behind", now=now.isoformat())
        return False
    async with connections.read_transaction() as connection:
        latest = await _latest(connection)
    if latest <= now + TOLERANCE:
        return False
    if latest > now + MOST_DIFFERENCE and not is_believed:
        ahead = (latest - now).total_seconds()
        log.warning("clock.rows_ahead", by_s=ahead, effect="left until other hosts tell the time")
        return False
    async with connections.durable_transaction(LockId.EVIDENCE) as connection:
        pieces = await _set_evidence_aside(connection, now)
        for column in _PAST_COLUMNS:
            is_future = column > now
            await connection.execute(
                update(column.table).where(is_future).values({column.name: now})
            )
        await _shift_videos(connection, now)
        await spending.clip_sums(connection, now)
        await _clip_states(connection, now)
    log.warning(
        "clock.was_ahead",
        by_s=(latest - now).total_seconds(),
        evidence_set_aside=pieces,
        effect="times in the future are clipped to the present",
    )
    return True


async def has_future_evidence(connections: Connections, now: datetime) -> bool:
    """Tell whether evidence lies in the future.

    Raises:
        StorageError: if the database cannot be reached.
    """
    async with connections.read_transaction() as connection:
        return from_microseconds(await latest_id(connection)) > now + TOLERANCE


async def has_old_evidence_alone(connections: Connections, now: datetime) -> bool:
    """Tell whether there is evidence, and all of it is more than a day old.

    Raises:
        StorageError: if the database cannot be reached.
    """
    async with connections.read_transaction() as connection:
        newest = from_microseconds(await latest_id(connection))
    return EPOCH < newest < now - MOST_DIFFERENCE


def clip_moments(value: object, now: datetime) -> object:
    """Return a JSON value in which times after now are now, but for those that are planned."""
    match value:
        case Mapping():
            return {
                key: each if key in _PLANNED_KEYS else clip_moments(each, now)
                for key, each in value.items()
            }
        case list():
            return [clip_moments(each, now) for each in value]
        case str() if len(value) >= _SHORTEST_MOMENT and value[4:5] == "-":
            moment = _moment(value)
            return value if moment is None or moment <= now else now.isoformat()
        case _:
            return value


def _moment(text: str) -> datetime | None:
    try:
        moment = _MOMENT.validate_python(text)
    except ValidationError:
        return None
    return moment if moment.tzinfo is not None else None


async def _latest(connection: AsyncConnection) -> datetime:
    found = [from_microseconds(await latest_id(connection))]
    for column in (
        transitions_table.c.at_us,
        incidents_table.c.started_at_us,
        ledger_table.c.at_us,
        videos_table.c.created_at_us,
    ):
        moment = await connection.scalar(select(func.max(column)))
        found += [] if moment is None else [moment]
    return max(found)


async def _set_evidence_aside(connection: AsyncConnection, now: datetime) -> int:
    future = delete(evidence_table).where(evidence_table.c.id > to_microseconds(now))
    pieces = (await connection.execute(future)).rowcount
    last = await latest_id(connection)
    await connection.execute(delete(rollups_table).where(rollups_table.c.bucket_us > now))
    await rollups.rewind_cursor(connection, last)
    today = bucket_start(now, DAY)
    await connection.execute(delete(day_status_table).where(day_status_table.c.day_us >= today))
    await day_status.reopen_days(connection, now)
    return pieces


async def _shift_videos(connection: AsyncConnection, now: datetime) -> None:
    """Let videos that begin in the future begin now, with the time to their ends as it was."""
    video = videos_table.c
    rows = await connection.execute(
        select(video.id, video.created_at_us, video.deadline_us, video.expires_at_us).where(
            video.created_at_us > now
        )
    )
    for row in rows.all():
        ahead = row.created_at_us - now
        expires = row.expires_at_us and row.expires_at_us - ahead
        await connection.execute(
            update(videos_table)
            .where(video.id == row.id)
            .values(created_at_us=now, deadline_us=row.deadline_us - ahead, expires_at_us=expires)
        )


async def _clip_states(connection: AsyncConnection, now: datetime) -> None:
    last = await latest_id(connection)
    for table in (state_snapshots_table, component_state_table):
        for row in (await connection.execute(select(table))).all():
            values = dict(row._mapping)  # noqa: SLF001  # public in all but name
            values["state"] = json.dumps(clip_moments(json.loads(row.state), now))
            if "cursor" in values:
                values["cursor"] = min(values["cursor"], last)
            await connection.execute(upsert(connection, table), values)
