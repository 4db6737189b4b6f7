"""Rollups: counts and histograms of evidence by service, source and time bucket.

A cursor holds the last evidence that is in the rollups. A fold adds the evidence after it and moves
the cursor in the same transaction, so it can be interrupted and repeated, with any batch size.
Late evidence is added to the bucket of its time. Averages are never stored: they cannot be added.

Bin 0 of a histogram holds latencies up to 1 ms. The bound of each further bin is 19 % higher (four
bins per doubling), so that a quantile is right within a tenth from a millisecond to half a day.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.job_totals import JobTotals
from tallylight.storage import cursors
from tallylight.storage.engine import MAX_IN_LIST, upsert
from tallylight.storage.evidence import evidence_from_row, select_page_after
from tallylight.storage.tables import rollups_table as table
from tallylight.storage.types import MICROSECOND, bucket_start

_CURSOR = "rollups"
_BATCH_SIZE = 5000
_WEEK = timedelta(weeks=1)
_JOB_SOURCES = (Source.GENERATION.value, Source.TRAFFIC.value)
_SMALLEST = timedelta(milliseconds=1)
_PER_DOUBLING = 4
_LAST_BIN = 4 * 26  # ends at 2**26 ms, 18.6 hours; longer latencies are counted here too

Bins = Mapping[int, int]
"""A histogram: the number of latencies by bin; empty bins are left out."""


class Grain(StrEnum):
    """The width of the buckets."""

    FIVE_MINUTES = "5min"
    HOUR = "hour"
    DAY = "day"  # of UTC

    @property
    def width(self) -> timedelta:
        """Return the width of a bucket."""
        match self:
            case Grain.FIVE_MINUTES:
                return timedelta(minutes=5)
            case Grain.HOUR:
                return timedelta(hours=1)
            case Grain.DAY:
                return timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rollup:
    """The evidence of one source about one service in one bucket.

    Args:
        neutral: The number of all other pieces: faults of callers or ours, claims of feeds.
        latency_sum: The sum of the latencies of good pieces.
        latencies: Their histogram.
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
    """Return the rollups of evidence at every grain."""
    sums: dict[_Key, list[Evidence]] = {}
    for piece in pieces:
        for grain in Grain:
            key = (grain, bucket_start(piece.at, grain.width), piece.service, piece.source)
            sums.setdefault(key, []).append(piece)
    return {key: _sum(key, group) for key, group in sums.items()}


def combine(one: Rollup, other: Rollup) -> Rollup:
    """Return the sum of two rollups of the same bucket."""
    return replace(
        one,
        good=one.good + other.good,
        bad=one.bad + other.bad,
        neutral=one.neutral + other.neutral,
        latency_sum=one.latency_sum + other.latency_sum,
        latencies=Counter(one.latencies) + Counter(other.latencies),
    )


async def fold_batch(connection: AsyncConnection, batch_size: int = _BATCH_SIZE) -> bool:
    """Add a batch of new evidence to the rollups; return whether there may be more."""
    cursor = await rollup_cursor(connection)
    rows = (await connection.execute(select_page_after(cursor, batch_size))).all()
    if rows:
        await _add(connection, summarize(evidence_from_row(row) for row in rows))
        await cursors.set_position(connection, _CURSOR, rows[-1].id)
    return len(rows) == batch_size


async def rollup_cursor(connection: AsyncConnection) -> int:
    """Return the id of the last evidence that is in the rollups."""
    return await cursors.position(connection, _CURSOR) or 0


async def rewind_cursor(connection: AsyncConnection, to: int) -> None:
    """Set the cursor back to an id; leave it if it is not beyond."""
    await cursors.rewind(connection, _CURSOR, to)


async def oldest_bucket(connection: AsyncConnection, grain: Grain) -> datetime | None:
    """Return the start of the oldest bucket of a grain, None if there is none."""
    query = select(func.min(table.c.bucket_us)).where(table.c.grain == grain.value)
    found: datetime | None = await connection.scalar(query)
    return found


async def _add(connection: AsyncConnection, new: dict[_Key, Rollup]) -> None:
    known: dict[_Key, Rollup] = {}
    for grain in Grain:
        starts = sorted({start for each, start, _, _ in new if each is grain})
        for first in range(0, len(starts), MAX_IN_LIST):
            listed = table.c.bucket_us.in_(starts[first : first + MAX_IN_LIST])
            query = select(table).where(table.c.grain == grain.value, listed)
            for rollup in map(rollup_from_row, await connection.execute(query)):
                known[grain, rollup.start, rollup.service, rollup.source] = rollup
    rows = [
        _values(combine(known[key], rollup) if key in known else rollup)
        for key, rollup in sorted(new.items())  # in the order of the primary key
    ]
    await connection.execute(upsert(connection, table), rows)


def _sum(key: _Key, pieces: Collection[Evidence]) -> Rollup:
    grain, start, service, source = key
    good = sum(piece.is_good for piece in pieces)
    bad = sum(piece.is_bad for piece in pieces)
    latencies = [piece.duration for piece in pieces if piece.duration is not None]
    return Rollup(
        grain=grain,
        start=start,
        service=service,
        source=source,
        good=good,
        bad=bad,
        neutral=len(pieces) - good - bad,
        latency_sum=sum(latencies, timedelta()),
        latencies=Counter(map(bin_of, latencies)),
    )


async def job_totals(
    connection: AsyncConnection, services: Collection[ServiceId], start: datetime, end: datetime
) -> dict[ServiceId, JobTotals]:
    """Return what each service's jobs came to; services without any are left out.

    Up to a week whole hours count, over more whole days.
    """
    grain = Grain.HOUR if end - start <= _WEEK else Grain.DAY
    query = select(table.c.service, table.c.good, table.c.bad, table.c.latency_bins).where(
        table.c.grain == grain.value,
        table.c.bucket_us >= bucket_start(start, grain.width),
        table.c.bucket_us < end,
        table.c.source.in_(_JOB_SOURCES),
    )
    if len(services) <= MAX_IN_LIST:
        query = query.where(table.c.service.in_(services))
    good: Counter[ServiceId] = Counter()
    bad: Counter[ServiceId] = Counter()
    bins: dict[ServiceId, Counter[int]] = defaultdict(Counter)
    for name, delivered, failed, histogram in await connection.execute(query):
        service = ServiceId(name)
        good[service] += delivered
        bad[service] += failed
        bins[service].update(parse_bins(histogram))
    return {
        service: JobTotals(
            good[service],
            bad[service],
            quantile(bins[service], 0.5),
            quantile(bins[service], 0.95),
        )
        for service in good
    }


def quantile(bins: Bins, share: float) -> timedelta | None:
    """Return the latency that this share of a histogram does not exceed; None if it is empty."""
    rest = share * sum(bins.values())
    for number in sorted(bins):
        rest -= bins[number]
        if rest <= 0:
            # The middle of the bin: within a tenth of every latency in it.
            return _SMALLEST * 2 ** (max(0.0, number - 0.5) / _PER_DOUBLING)
    return None


def bin_of(latency: timedelta) -> int:
    """Return the bin of a latency."""
    if latency <= _SMALLEST:
        return 0
    return min(_LAST_BIN, math.ceil(_PER_DOUBLING * math.log2(latency / _SMALLEST)))


def format_bins(bins: Bins) -> str:
    """Return a histogram as short text: "33:57 34:3"."""
    return " ".join(f"{number}:{bins[number]}" for number in sorted(bins))


def parse_bins(text: str) -> Bins:
    """Return the histogram that `format_bins` wrote."""
    pairs = (pair.split(":") for pair in text.split())
    return {int(number): int(times) for number, times in pairs}


def rollup_from_row(row: Row[*tuple[object, ...]]) -> Rollup:
    """Return the rollup in a row."""
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
