"""Evidence summed up by service, source and stretch of time: sums and histograms, never averages.

A mark names the last evidence that is in the sums. Folding adds what follows the mark and moves
it in the same transaction, so that it may be broken off, repeated, or run in any portions. What
comes late is added where it belongs by its time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.storage import cursors
from tallylight.storage.engine import upsert
from tallylight.storage.evidence import evidence_from_row, select_page_after
from tallylight.storage.histogram import Bins, bin_of, format_bins, merge_bins, parse_bins
from tallylight.storage.tables import rollups_table as table
from tallylight.storage.types import MICROSECOND, bucket_start

_CURSOR = "rollups"
_BATCH_SIZE = 5000


class Grain(StrEnum):
    """How long the stretches are."""

    FIVE_MINUTES = "5min"
    HOUR = "hour"
    DAY = "day"  # of UTC

    @property
    def width(self) -> timedelta:
        """Return that length."""
        match self:
            case Grain.FIVE_MINUTES:
                return timedelta(minutes=5)
            case Grain.HOUR:
                return timedelta(hours=1)
            case Grain.DAY:
                return timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rollup:
    """What one source said about one service in one stretch of time.

    Args:
        grain: How long the stretch is.
        start: When it began.
        service: Whom it is about.
        source: Who said it.
        good: How many pieces of evidence spoke for the service.
        bad: How many spoke against it.
        neutral: How many did neither: a caller's fault, ours, a feed's claim.
        latency_sum: The sum of the latencies that were taken.
        latencies: Their histogram (`histogram.quantile`, `histogram.count`).
    """

    grain: Grain
    start: datetime
    service: ServiceId
    source: Source
    good: int = 0
    bad: int = 0
    neutral: int = 0
    latency_sum: timedelta = timedelta()
    latencies: Bins = field(default_factory=dict)


_Key = tuple[Grain, datetime, ServiceId, Source]


def summarize(pieces: Iterable[Evidence]) -> dict[_Key, Rollup]:
    """Return the rollups of evidence, at every grain."""
    sums: dict[_Key, list[Evidence]] = {}
    for piece in pieces:
        for grain in Grain:
            key = (grain, bucket_start(piece.at, grain.width), piece.service, piece.source)
            sums.setdefault(key, []).append(piece)
    return {key: _sum(key, group) for key, group in sums.items()}


def combine(one: Rollup, other: Rollup) -> Rollup:
    """Return the rollup of both together; both are of the same stretch."""
    return replace(
        one,
        good=one.good + other.good,
        bad=one.bad + other.bad,
        neutral=one.neutral + other.neutral,
        latency_sum=one.latency_sum + other.latency_sum,
        latencies=merge_bins(one.latencies, other.latencies),
    )


async def fold_batch(connection: AsyncConnection, batch_size: int = _BATCH_SIZE) -> bool:
    """Fold one portion of what is not yet folded; tell whether there may be more."""
    mark = await cursors.position(connection, _CURSOR) or 0
    rows = (await connection.execute(select_page_after(mark, batch_size))).all()
    if rows:
        await _add(connection, summarize(evidence_from_row(row) for row in rows))
        await cursors.set_position(connection, _CURSOR, rows[-1].id)
    return len(rows) == batch_size


async def rollup_cursor(connection: AsyncConnection) -> int:
    """Return the id of the last evidence that is in the sums."""
    return await cursors.position(connection, _CURSOR) or 0


async def rollups_between(
    connection: AsyncConnection,
    grain: Grain,
    services: Collection[ServiceId],
    start: datetime,
    end: datetime,
) -> tuple[Rollup, ...]:
    """Return the rollups of stretches that begin in [start, end), oldest first."""
    found = await connection.execute(
        select(table)
        .where(
            table.c.grain == grain.value,
            table.c.bucket_us >= start,
            table.c.bucket_us < end,
            table.c.service.in_(services),
        )
        .order_by(table.c.bucket_us, table.c.service, table.c.source)
    )
    return tuple(_rollup(row) for row in found)


async def oldest_bucket(connection: AsyncConnection, grain: Grain) -> datetime | None:
    """Return the start of the oldest stretch of a grain, None if there is none."""
    query = select(func.min(table.c.bucket_us)).where(table.c.grain == grain.value)
    found: datetime | None = await connection.scalar(query)
    return found


async def _add(connection: AsyncConnection, news: dict[_Key, Rollup]) -> None:
    known: dict[_Key, Rollup] = {}
    for grain, start in {(grain, start) for grain, start, _, _ in news}:
        where = (table.c.grain == grain.value, table.c.bucket_us == start)
        for row in await connection.execute(select(table).where(*where)):
            rollup = _rollup(row)
            known[grain, start, rollup.service, rollup.source] = rollup
    rows = [
        _values(combine(known[key], rollup) if key in known else rollup)
        for key, rollup in sorted(news.items())  # in the order of the table
    ]
    await connection.execute(upsert(connection, table), rows)


def _sum(key: _Key, pieces: Collection[Evidence]) -> Rollup:
    grain, start, service, source = key
    good = sum(piece.is_good for piece in pieces)
    bad = sum(piece.is_bad for piece in pieces)
    latencies = [piece.latency for piece in pieces if piece.latency is not None]
    bins: dict[int, int] = {}
    for latency in latencies:
        number = bin_of(latency)
        bins[number] = bins.get(number, 0) + 1
    return Rollup(
        grain=grain,
        start=start,
        service=service,
        source=source,
        good=good,
        bad=bad,
        neutral=len(pieces) - good - bad,
        latency_sum=sum(latencies, timedelta()),
        latencies=bins,
    )


def _rollup(row: Row[*tuple[object, ...]]) -> Rollup:
    return Rollup(
        grain=Grain(row.grain),
        start=row.bucket_us,
        service=ServiceId(row.service),
        source=Source(row.source),
        good=row.good,
        bad=row.bad,
        neutral=row.neutral,
        latency_sum=row.latency_sum_us * MICROSECOND,
        latencies=parse_bins(row.latency_bins),
    )


def _values(rollup: Rollup) -> dict[str, object]:
    return {
        "grain": rollup.grain.value,
        "bucket_us": rollup.start,
        "service": rollup.service,
        "source": rollup.source.value,
        "good": rollup.good,
        "bad": rollup.bad,
        "neutral": rollup.neutral,
        "latency_sum_us": rollup.latency_sum // MICROSECOND,
        "latency_bins": format_bins(rollup.latencies),
    }
