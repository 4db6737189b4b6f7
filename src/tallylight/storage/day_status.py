"""The time each service spent in each status per day: 90 days are 90 rows of a service.

A cursor holds the first day that is still open. A transition that is back-dated into closed days
moves it back (`reopen_days`), and these days are closed again. The time in UNKNOWN is not stored:
it is the rest of the day.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.storage import cursors, transitions
from tallylight.storage.engine import MAX_IN_LIST, upsert
from tallylight.storage.tables import day_status_table as table
from tallylight.storage.tables import state_snapshots_table
from tallylight.storage.tables import transitions_table as changes
from tallylight.storage.types import (
    DAY,
    MICROSECOND,
    bucket_start,
    from_microseconds,
    to_microseconds,
)

_CURSOR = "day_status"
_KNOWN = tuple(status for status in Status if status is not Status.UNKNOWN)


async def close_oldest_day(connection: AsyncConnection, now: datetime) -> bool:
    """Close the oldest open day that is over; return whether there was one."""
    day = await _first_open_day(connection)
    if day is None:
        first = await connection.scalar(select(func.min(changes.c.at_us)))
        if first is None:
            return False
        day = bucket_start(first, DAY)
    if day + DAY > now:
        return False
    names = await connection.scalars(select(state_snapshots_table.c.service))
    services = [ServiceId(name) for name in names]
    found = await transitions.status_intervals(connection, services, day, day + DAY)
    rows = [
        {"service": service, "day_us": day} | _columns(_lengths(intervals))
        for service, intervals in sorted(found.items())
    ]
    if rows:
        await connection.execute(upsert(connection, table), rows)
    await cursors.set_position(connection, _CURSOR, to_microseconds(day + DAY))
    return True


async def reopen_days(connection: AsyncConnection, at: datetime) -> None:
    """Reopen the day of a moment and all later days, because the past has changed."""
    await cursors.rewind(connection, _CURSOR, to_microseconds(bucket_start(at, DAY)))


async def status_seconds(
    connection: AsyncConnection, services: Collection[ServiceId], start: datetime, end: datetime
) -> dict[ServiceId, dict[Status, float]]:
    """Return the seconds that each service spent in each status; they add up to [start, end)."""
    first, last = bucket_start(start - MICROSECOND, DAY) + DAY, bucket_start(end, DAY)
    last = max(first, min(last, await _first_open_day(connection) or first))
    sums: dict[ServiceId, Counter[Status]] = defaultdict(Counter)
    if first < last:
        await _add_closed_days(connection, services, first, last, sums)
        open_windows = [(start, first), (last, end)]
    else:
        open_windows = [(start, end)]
    for begin, until in open_windows:
        if begin < until:
            found = await transitions.status_intervals(connection, services, begin, until)
            for service, intervals in found.items():
                sums[service].update(_lengths(intervals))
    whole = (end - start) // MICROSECOND
    return {service: _in_seconds(sums[service], whole) for service in services}


async def _add_closed_days(
    connection: AsyncConnection,
    services: Collection[ServiceId],
    start: datetime,
    end: datetime,
    sums: Mapping[ServiceId, Counter[Status]],
) -> None:
    # The join makes SQLite look up days by service; without it, it would scan the days of all time.
    query = (
        select(
            state_snapshots_table.c.service,
            *(func.sum(table.c[f"{status}_us"]) for status in _KNOWN),
        )
        .join(table, table.c.service == state_snapshots_table.c.service)
        .where(table.c.day_us >= start, table.c.day_us < end)
        .group_by(state_snapshots_table.c.service)
    )
    if len(services) <= MAX_IN_LIST:
        query = query.where(state_snapshots_table.c.service.in_(services))
    for service, *lengths in await connection.execute(query):
        sums[ServiceId(service)].update(dict(zip(_KNOWN, map(int, lengths), strict=True)))


def _columns(lengths: Counter[Status]) -> dict[str, object]:
    return {f"{status}_us": lengths[status] for status in _KNOWN}


def _lengths(intervals: Iterable[StatusInterval]) -> Counter[Status]:
    lengths: Counter[Status] = Counter()
    for interval in intervals:
        lengths[interval.status] += (interval.end - interval.start) // MICROSECOND
    return lengths


def _in_seconds(lengths: Counter[Status], whole: int) -> dict[Status, float]:
    known = Counter(lengths)
    del known[Status.UNKNOWN]
    known[Status.UNKNOWN] = whole - known.total()
    return {status: length / 1_000_000 for status, length in known.items() if length}


async def _first_open_day(connection: AsyncConnection) -> datetime | None:
    cursor = await cursors.position(connection, _CURSOR)
    return None if cursor is None else from_microseconds(cursor)
