"""The table of evidence: append-only, in the order of recording.

The id of evidence is the moment of its recording in microseconds, raised until it is unique. So
ids rise with every commit, a cursor is one number, and a window of time is a range of ids. The
table needs no second index that each flush would have to update.
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
from tallylight.storage.types import failure_from_row, failure_values, to_microseconds

#: Evidence that is recorded at most this long after its time is found by its time (a feed's lag).
MAX_DELAY = timedelta(days=1)
#: The same for evidence recorded before its time (another machine's clock).
MAX_CLOCK_SKEW = timedelta(minutes=5)

PAGE_SIZE = 1000


class EvidenceRecord(NamedTuple):
    """Evidence with the moment of its recording, which is its id once it is stored."""

    recorded_at_us: int
    evidence: Evidence


async def insert_evidence(
    connection: AsyncConnection, records: Sequence[EvidenceRecord], into: Table = table
) -> int:
    """Insert evidence and return the newest id in the table.

    Args:
        connection: A transaction that holds the lock for evidence.
        records: The evidence, oldest first.
        into: The table of evidence, or that of forwarded evidence, which has the same columns.
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
    """Return the id of the newest evidence, 0 if there is none."""
    return int(await connection.scalar(select(func.max(of.c.id))) or 0)


async def evidence_after_cursors(
    connections: Connections,
    services: Collection[ServiceId],
    cursors: Mapping[ServiceId, int],
    since: datetime,
) -> AsyncIterator[EvidenceRecord]:
    """Yield the evidence after a cursor per service; that of each service is oldest first.

    Services without a cursor are read from the moment `since` on.
    """
    floor = to_microseconds(since)
    starts = {service: cursors.get(service, floor - 1) for service in services}
    # Services that come back after months are read apart, or all others would be read from there.
    old = {service: start for service, start in starts.items() if start < floor - 1}
    for group in (old, {service: starts[service] for service in starts.keys() - old.keys()}):
        if not group:
            continue
        where = [table.c.service.in_(group)] if len(group) <= MAX_IN_LIST else []
        async for page in row_pages(connections, where, after=min(group.values())):
            for row in page:
                start = group.get(row.service)
                if start is not None and row.id > start:
                    yield EvidenceRecord(row.id, evidence_from_row(row))


async def row_pages(
    connections: Connections, where: Sequence[ColumnElement[bool]], *, after: int
) -> AsyncIterator[Sequence[Row[*tuple[object, ...]]]]:
    """Yield rows in the order of their ids, each page read in a transaction of its own."""
    while True:
        async with connections.read_transaction() as connection:
            page = (
                await connection.execute(select_page_after(after, PAGE_SIZE).where(*where))
            ).all()
        if page:
            yield page
            after = page[-1].id
        if len(page) < PAGE_SIZE:
            return


def select_page_after(cursor: int, limit: int) -> Select[*tuple[object, ...]]:
    """Return the query for the evidence after an id, oldest first."""
    return select(table).where(table.c.id > cursor).order_by(table.c.id).limit(limit)


def window_filter(start: datetime | None, end: datetime | None) -> list[ColumnElement[bool]]:
    """Return the conditions that limit evidence to [start, end), by time and by id."""
    where: list[ColumnElement[bool]] = []
    if start is not None:
        where += (table.c.id >= to_microseconds(start - MAX_CLOCK_SKEW), table.c.at_us >= start)
    if end is not None:
        where += (table.c.id < to_microseconds(end + MAX_DELAY), table.c.at_us < end)
    return where


def evidence_from_row(row: Row[*tuple[object, ...]]) -> Evidence:
    """Return the evidence in a row."""
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
