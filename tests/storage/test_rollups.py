"""Rollups hold the sums of all evidence, whatever the batch size."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.storage import rollups
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.options import RetentionOptions
from tallylight.storage.rollups import Grain, Rollup, rollup_from_row
from tallylight.storage.tables import rollups_table as table

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora-2-official")
VEO = ServiceId("veo-3.1-reverse")
BROKEN = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:500", http_status=500)
REFUSED = Failure(FailureKind.CONTENT_REJECTED, Fault.CALLER, "code:moderation")
MONTH = timedelta(days=31)


def seen(minutes: float, latency: float | None = 120, failure: Failure | None = None) -> Evidence:
    span = None if latency is None else timedelta(milliseconds=latency)
    return Evidence(SORA, NOON + timedelta(minutes=minutes), Source.REACH, failure, span)


async def all_rollups(history: Storage, grain: Grain) -> tuple[Rollup, ...]:
    query = select(table).where(table.c.grain == grain.value)
    async with history.connections.read_transaction() as connection:
        found = await connection.execute(
            query.order_by(table.c.bucket_us, table.c.service, table.c.source)
        )
        return tuple(rollup_from_row(row) for row in found)


async def test_evidence_is_summed_by_time_bucket(history: Storage) -> None:
    feed = Evidence(SORA, NOON, Source.FEED, claimed_status=Status.DEGRADED)
    pieces = (seen(0), seen(4.9, 80), seen(3, None, BROKEN), seen(4, 10, REFUSED), seen(5), feed)
    for piece in pieces:
        history.add_evidence(piece)
    await history.flush()

    await history.update_rollups()

    claim, first, second = await all_rollups(history, Grain.FIVE_MINUTES)
    assert (claim.source, claim.good, claim.bad, claim.neutral) == (Source.FEED, 0, 0, 1)
    assert (first.start, first.good, first.bad, first.neutral) == (NOON, 2, 1, 1)
    assert first.latency_sum == timedelta(milliseconds=200)
    assert sum(first.latencies.values()) == 2  # a failure's time is none of an answer
    assert (second.start, second.good) == (NOON + timedelta(minutes=5), 1)
    hour = (await all_rollups(history, Grain.HOUR))[1]
    assert (hour.start, hour.good, hour.bad, hour.neutral) == (NOON, 3, 1, 1)
    day = (await all_rollups(history, Grain.DAY))[1]
    assert (day.start, day.good) == (NOON.replace(hour=0), 3)


PIECES = st.lists(
    st.builds(
        Evidence,
        service=st.sampled_from([SORA, VEO]),
        at=st.integers(-200, 200).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        source=st.sampled_from([Source.REACH, Source.TRAFFIC]),
        failure=st.sampled_from([None, None, BROKEN, REFUSED]),
        latency=st.none() | st.timedeltas(timedelta(), timedelta(days=2)),
    ),
    max_size=40,
)


@given(PIECES, st.lists(st.sampled_from([0, 1, 2, 7, 100]), min_size=41, max_size=41))
@settings(max_examples=15, deadline=None)
async def test_rollups_do_not_depend_on_the_batch_size(
    new_address: Callable[[], str], pieces: list[Evidence], portions: list[int]
) -> None:
    """After each piece a batch of some size is folded, or none (0); some pieces are late."""
    async with open_storage(new_address(), VirtualClock(NOON)) as history:
        for piece, portion in zip(pieces, portions, strict=False):
            history.add_evidence(piece)
            if portion:
                await history.flush()
                async with history.connections.relaxed_transaction(LockId.ROLLUP) as connection:
                    await rollups.fold_batch(connection, portion)
        await history.flush()

        await history.update_rollups()
        await history.update_rollups()

        found = {
            (one.grain, one.start, one.service, one.source): one
            for grain in Grain
            for one in await all_rollups(history, grain)
        }
    assert found == rollups.summarize(pieces)


async def test_a_fold_that_fails_changes_nothing(history: Storage) -> None:
    history.add_evidence(seen(0))
    await history.flush()

    async def fold_and_fail() -> None:
        async with history.connections.relaxed_transaction(LockId.ROLLUP) as connection:
            await rollups.fold_batch(connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fold_and_fail()
    assert await all_rollups(history, Grain.DAY) == ()
    await history.update_rollups()
    (day,) = await all_rollups(history, Grain.DAY)
    assert day.good == 1


async def test_old_evidence_is_deleted_once_it_is_in_the_rollups(
    history: Storage, clock: VirtualClock
) -> None:
    history.add_evidence(seen(0))
    await history.flush()
    await clock.advance(MONTH)
    young = seen(31 * 24 * 60)
    history.add_evidence(young)
    await history.flush()

    await history.apply_retention(RetentionOptions())
    assert len(await history.evidence()) == 2  # not folded yet
    await history.update_rollups()
    await history.apply_retention(RetentionOptions())

    assert await history.evidence() == (young,)
    assert sum(day.good for day in await all_rollups(history, Grain.DAY)) == 2


async def test_coarser_rollups_are_kept_longer(history: Storage, clock: VirtualClock) -> None:
    history.add_evidence(seen(0))
    await history.flush()
    await history.update_rollups()

    await clock.advance(timedelta(days=91))
    await history.apply_retention(RetentionOptions())
    kept = [grain for grain in Grain if await all_rollups(history, grain)]
    assert kept == [Grain.HOUR, Grain.DAY]

    await clock.advance(timedelta(days=730))
    await history.apply_retention(RetentionOptions())
    kept = [grain for grain in Grain if await all_rollups(history, grain)]
    assert kept == [Grain.DAY]


LATENCIES = st.lists(
    st.floats(0.001, 60_000).map(lambda seconds: timedelta(seconds=seconds)), min_size=1
)


def upper_bound(number: int) -> timedelta:
    return timedelta(milliseconds=2 ** (number / 4))


@given(LATENCIES)
def test_a_latency_lies_in_its_bin(latencies: list[timedelta]) -> None:
    tolerance = timedelta(microseconds=1)
    for latency in latencies:
        number = rollups.bin_of(latency)

        assert latency <= upper_bound(number) + tolerance
        assert number == 0 or latency >= upper_bound(number - 1) - tolerance


@given(st.dictionaries(st.integers(0, 104), st.integers(1, 10**6)))
def test_a_histogram_reads_back_as_it_was_written(bins: dict[int, int]) -> None:
    assert rollups.parse_bins(rollups.format_bins(bins)) == bins


def test_the_longest_latencies_are_in_the_last_bin() -> None:
    longest = rollups.bin_of(timedelta(days=400))

    assert longest == rollups.bin_of(timedelta(days=1))
