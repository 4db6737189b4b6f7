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
from tallylight.storage.engine import MAX_IN_LIST, Connections
from tallylight.storage.tables import evidence_table as table
from tallylight.storage.types import MICROSECOND, failure_from_row, failure_values, to_microseconds

#: How long after its time evidence may be noted and still be found by its time (a feed's lag).
MAX_DELAY = timedelta(days=1)
#: How long before its time (another machine's clock).
MAX_CLOCK_SKEW = timedelta(minutes=5)

_PAGE_SIZE = 1000
#: How far back a search for one service's newest evidence looks: it has no index to go by, and a
#: day of 1,000 services, each probed every 60 s, is 1.4 million rows.
_SEARCH_WINDOW = timedelta(days=1)


class EvidenceRecord(NamedTuple):
    """Evidence and when it was noted; once it is stored, that is its id."""

    recorded_at_us: int
    evidence: Evidence


async def insert_evidence(
    connection: AsyncConnection, records: Sequence[EvidenceRecord], into: Table = table
) -> int:
    """Store evidence, oldest first, and return the newest id there is.

    Args:
        connection: Whose turn it is to write.
        noted: What to store.
        into: The evidence, or the hearsay, whose rows are alike.
    """
    last = await latest_id(connection, into)
    rows = []
    for at_us, piece in records:
        last = max(last + 1, at_us)
        rows.append(_values(last, piece))
    if rows:
        await connection.execute(insert(into), rows)
    return last


async def latest_id(connection: AsyncConnection, of: Table = table) -> int:
    """Return the id of the evidence noted last, 0 if there is none."""
    return int(await connection.scalar(select(func.max(of.c.id))) or 0)


async def latest_evidence(
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
    where = window_filter(start, end)
    if service is not None:
        where.append(table.c.service == service)
        if start is None:
            last = await latest_id(connection)
            until = last if end is None else min(last, to_microseconds(end + MAX_DELAY))
            where.append(table.c.id > until - _SEARCH_WINDOW // MICROSECOND)
    found = await connection.execute(
        select(table).where(*where).order_by(table.c.id.desc()).limit(limit)
    )
    pieces = [evidence_from_row(row) for row in found]
    return tuple(sorted(pieces, key=lambda piece: piece.at, reverse=True))


async def evidence_after_cursors(
    connections: Connections,
    services: Collection[ServiceId],
    cursors: Mapping[ServiceId, int],
    since: datetime,
) -> AsyncIterator[EvidenceRecord]:
    """Yield what was noted after a mark; of each service oldest first.

    Of services without a mark, only what was noted since a moment.
    """
    floor = to_microseconds(since)
    marks = {service: cursors.get(service, floor - 1) for service in services}
    # Apart, so that one that comes back after months makes nobody walk through all these months.
    old = {service: mark for service, mark in marks.items() if mark < floor - 1}
    for group in (old, {service: marks[service] for service in marks.keys() - old.keys()}):
        if not group:
            continue
        is_named = [table.c.service.in_(group)] if len(group) <= MAX_IN_LIST else []
        async for page in row_pages(connections, is_named, after=min(group.values())):
            for row in page:
                mark = group.get(row.service)
                if mark is not None and row.id > mark:
                    yield EvidenceRecord(row.id, evidence_from_row(row))


async def evidence_after(connections: Connections, cursor: int) -> tuple[EvidenceRecord, ...]:
    """Return a page of the evidence that follows an id, oldest first."""
    async with connections.read_transaction() as connection:
        found = await connection.execute(select_page_after(cursor, _PAGE_SIZE))
        return tuple(EvidenceRecord(row.id, evidence_from_row(row)) for row in found)


async def evidence_pages(
    connections: Connections, start: datetime, end: datetime
) -> AsyncIterator[tuple[Evidence, ...]]:
    """Yield all evidence of [start, end), a page at a time, oldest noted first."""
    async for page in row_pages(connections, window_filter(start, end), after=0):
        yield tuple(evidence_from_row(row) for row in page)


async def row_pages(
    connections: Connections, where: Sequence[ColumnElement[bool]], *, after: int
) -> AsyncIterator[Sequence[Row[*tuple[object, ...]]]]:
    """Yield rows in the order of their ids, a page at a time, holding no transaction between."""
    while True:
        async with connections.read_transaction() as connection:
            page = (
                await connection.execute(select_page_after(after, _PAGE_SIZE).where(*where))
            ).all()
        if page:
            yield page
            after = page[-1].id
        if len(page) < _PAGE_SIZE:
            return


def select_page_after(cursor: int, limit: int) -> Select[*tuple[object, ...]]:
    """Return the query of the evidence that follows an id, oldest first."""
    return select(table).where(table.c.id > cursor).order_by(table.c.id).limit(limit)


def window_filter(start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    """Return what confines evidence to [start, end), in time and in ids."""
    where = _recorded_window_filter(start, end)
    if start is not None:
        where.append(table.c.at_us >= start)
    if end is not None:
        where.append(table.c.at_us < end)
    return where


def _recorded_window_filter(
    start: datetime | None, end: datetime | None
) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if start is not None:
        where.append(table.c.id >= to_microseconds(start - MAX_CLOCK_SKEW))
    if end is not None:
        where.append(table.c.id < to_microseconds(end + MAX_DELAY))
    return where


def evidence_from_row(row: Row[*tuple[object, ...]]) -> Evidence:
    """Return the evidence that a row holds."""
    return Evidence(
        service=ServiceId(row.service),
        at=row.at_us,
        source=Source(row.source),
        failure=failure_from_row(row),
        latency=row.latency_us,
        claimed_status=None if row.claimed_status is None else Status(row.claimed_status),
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
        "claimed_status": None if piece.claimed_status is None else piece.claimed_status.value,
        "until_us": piece.until,
        "note": piece.note,
        "vantage": piece.vantage,
    }
