"""Evidence in its table: append-only, in the order in which it was noted.

An evidence's id is the moment of its noting in microseconds, raised by one where that is taken.
So ids rise with every commit, a mark of what has been folded is one number, and a stretch of
time is a stretch of ids, without any index that each flush would have to touch.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Row, Select, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.storage.engine import Connections
from tallylight.storage.tables import evidence as table
from tallylight.storage.types import MICROSECOND, failure_of, failure_values, microseconds

#: How long after its time evidence may be noted and still be found by its time (a feed's lag).
LATEST = timedelta(days=1)
#: How long before its time (another machine's clock).
EARLIEST = timedelta(minutes=5)

_PAGE = 1000
#: How far back a search for one service's newest evidence looks: it has no index to go by, and a
#: day of 1,000 services, each probed every 60 s, is 1.4 million rows.
_SEARCHED = timedelta(days=1)
#: Above this, reading all services and choosing here is quicker than a long IN.
_MOST_NAMED = 500


class Noted(NamedTuple):
    """Evidence and when it was noted; once it is stored, that is its id."""

    at_us: int
    evidence: Evidence


async def append(connection: AsyncConnection, noted: Sequence[Noted], into: Table = table) -> int:
    """Store evidence, oldest first, and return the newest id there is.

    Args:
        connection: Whose turn it is to write.
        noted: What to store.
        into: The evidence, or the hearsay, whose rows are alike.
    """
    last = await newest_id(connection, into)
    rows = []
    for at_us, piece in noted:
        last = max(last + 1, at_us)
        rows.append(_values(last, piece))
    if rows:
        await connection.execute(insert(into), rows)
    return last


async def newest_id(connection: AsyncConnection, of: Table = table) -> int:
    """Return the id of the evidence noted last, 0 if there is none."""
    return int(await connection.scalar(select(func.max(of.c.id))) or 0)


async def newest(
    connection: AsyncConnection,
    service: ServiceId | None,
    *,
    start: datetime | None,
    end: datetime | None,
    limit: int,
) -> tuple[Evidence, ...]:
    """Return the evidence noted last within a window, newest first.

    Without a start, one service's evidence is looked for among a day's of all services.
    """
    where = within(start, end)
    if service is not None:
        where.append(table.c.service == service)
        if start is None:
            last = await newest_id(connection)
            until = last if end is None else min(last, microseconds(end + LATEST))
            where.append(table.c.id > until - _SEARCHED // MICROSECOND)
    found = await connection.execute(
        select(table).where(*where).order_by(table.c.id.desc()).limit(limit)
    )
    pieces = [evidence_of(row) for row in found]
    return tuple(sorted(pieces, key=lambda piece: piece.at, reverse=True))


async def unfolded(
    connections: Connections,
    services: Collection[ServiceId],
    folded: Mapping[ServiceId, int],
    since: datetime,
) -> AsyncIterator[Noted]:
    """Yield what was noted after a mark; of each service oldest first.

    Of services without a mark, only what was noted since a moment.
    """
    floor = microseconds(since)
    marks = {service: folded.get(service, floor - 1) for service in services}
    # Apart, so that one that comes back after months makes nobody walk through all these months.
    old = {service: mark for service, mark in marks.items() if mark < floor - 1}
    for group in (old, {service: marks[service] for service in marks.keys() - old.keys()}):
        if not group:
            continue
        is_named = [table.c.service.in_(group)] if len(group) <= _MOST_NAMED else []
        async for page in pages(connections, is_named, after=min(group.values())):
            for row in page:
                mark = group.get(row.service)
                if mark is not None and row.id > mark:
                    yield Noted(row.id, evidence_of(row))


async def following(connections: Connections, mark: int) -> tuple[Noted, ...]:
    """Return a page of the evidence that follows an id, oldest first."""
    async with connections.reading() as connection:
        found = await connection.execute(page_after(mark, _PAGE))
        return tuple(Noted(row.id, evidence_of(row)) for row in found)


async def window_pages(
    connections: Connections, start: datetime, end: datetime
) -> AsyncIterator[tuple[Evidence, ...]]:
    """Yield all evidence of [start, end), a page at a time, oldest noted first."""
    async for page in pages(connections, within(start, end), after=0):
        yield tuple(evidence_of(row) for row in page)


async def pages(
    connections: Connections, where: Sequence[ColumnElement[bool]], *, after: int
) -> AsyncIterator[Sequence[Row[*tuple[object, ...]]]]:
    """Yield rows in the order of their ids, a page at a time, holding no transaction between."""
    while True:
        async with connections.reading() as connection:
            page = (await connection.execute(page_after(after, _PAGE).where(*where))).all()
        if page:
            yield page
            after = page[-1].id
        if len(page) < _PAGE:
            return


def page_after(mark: int, limit: int) -> Select[*tuple[object, ...]]:
    """Return the query of the evidence that follows an id, oldest first."""
    return select(table).where(table.c.id > mark).order_by(table.c.id).limit(limit)


def within(start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    """Return what confines evidence to [start, end), in time and in ids."""
    where = _noted_within(start, end)
    if start is not None:
        where.append(table.c.at_us >= start)
    if end is not None:
        where.append(table.c.at_us < end)
    return where


def _noted_within(start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if start is not None:
        where.append(table.c.id >= microseconds(start - EARLIEST))
    if end is not None:
        where.append(table.c.id < microseconds(end + LATEST))
    return where


def evidence_of(row: Row[*tuple[object, ...]]) -> Evidence:
    """Return the evidence that a row holds."""
    return Evidence(
        service=ServiceId(row.service),
        at=row.at_us,
        source=Source(row.source),
        failure=failure_of(row),
        latency=row.latency_us,
        claimed_status=None if row.says is None else Status(row.says),
        until=row.until_us,
        note=row.note,
        vantage=row.vantage,
    )


def _values(number: int, piece: Evidence) -> dict[str, object]:
    return {
        "id": number,
        "service": piece.service,
        "at_us": piece.at,
        "source": piece.source.value,
        "latency_us": piece.latency,
        **failure_values(piece.failure),
        "says": None if piece.claimed_status is None else piece.claimed_status.value,
        "until_us": piece.until,
        "note": piece.note,
        "vantage": piece.vantage,
    }
