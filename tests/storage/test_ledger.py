"""The ledger, and the running sums that limits read instead of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import (
    ALL_PROBES,
    ALL_TRAFFIC,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingLimit,
    payer_scope,
    probe_scope,
    scopes_of,
)
from tallylight.model.money import Budget, to_micro_usd
from tallylight.model.video import Video
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.spending import delete_old_minutes
from tallylight.storage.transaction import NewAttempt, NewVideo, Write, WriteOutcome, Written
from tests.builders import NOON, SERVICE, VIDEO
from tests.storage.writes import change, created, new_attempt, recorded, video_of

VEO = ServiceId("veo-3.1-reverse")
KEY = VIDEO.key
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Reservation(NamedTuple):
    """What one attempt reserves."""

    usd: str
    at: datetime = NOON
    purpose: Purpose = Purpose.TRAFFIC
    service: ServiceId = SERVICE.id
    payer: KeyId = KEY


def reservation(what: Reservation, *limits: SpendingLimit) -> Write:
    """Return the write of a video whose attempt reserves an amount."""
    video = video_of(key=what.payer)
    attempt, entry, _ = new_attempt(video, usd=what.usd)
    entry = replace(entry, at=what.at, purpose=what.purpose, service=what.service, payer=what.payer)
    attempt = replace(attempt, purpose=what.purpose, service=what.service)
    return Write(video.id, new=NewVideo(video.id, video, NewAttempt(attempt, entry, limits)))


async def reserve(storage: Storage, usd: str, *limits: SpendingLimit, at: datetime = NOON) -> Video:
    """Reserve an amount for a caller's video, and return the video.

    Raises:
        BudgetError: if a limit does not allow it.
    """
    written = await storage.group_commit.write(reservation(Reservation(usd, at), *limits))
    if written.refusal is not None:
        raise written.refusal
    assert written.record is not None
    return written.record.video


def limited(scope: str = ALL_TRAFFIC, **windows: str) -> SpendingLimit:
    """Return the limit of a scope: "all" for all videos."""
    budget = Budget(**{name: Decimal(limit) for name, limit in windows.items()})
    return SpendingLimit(budget, scope, f"of {scope}")


async def settle(storage: Storage, video: Video, usd: str) -> None:
    """Settle the only attempt at a video."""
    await recorded(
        storage,
        Write(video.id, facts=(change(video, AttemptEvent.FAILED_BILLED, usd=usd),)),
    )


async def release(storage: Storage, video: Video) -> None:
    """Release what the only attempt at a video reserved."""
    await recorded(storage, Write(video.id, facts=(change(video, AttemptEvent.REFUSED),)))


async def test_a_reservation_counts_as_spent(history: Storage) -> None:
    await created(history, video_of())

    (found,) = await history.ledger.entries()
    assert (found.service, found.at, found.state) == (SERVICE.id, NOON, EntryState.RESERVED)
    assert found.amount == found.estimate == Decimal("0.4")
    with pytest.raises(BudgetError):
        await reserve(history, "0.2", limited(per_hour="0.5"))


async def test_settling_replaces_the_estimate(history: Storage) -> None:
    video = await reserve(history, "0.4")

    await settle(history, video, "0.3000001")

    (found,) = await history.ledger.entries()
    assert (found.state, found.estimate) == (EntryState.SETTLED, Decimal("0.4"))
    assert found.amount == Decimal("0.300001")  # rounded up to a millionth
    await reserve(history, "0.199999", limited(per_hour="0.5"))


async def test_a_released_reservation_does_not_count_as_spent(history: Storage) -> None:
    video = await reserve(history, "0.4")

    await release(history, video)
    await release(history, video)

    await reserve(history, "0.5", limited(per_hour="0.5"))


async def test_a_refusal_names_the_limit_and_writes_nothing(history: Storage) -> None:
    await reserve(history, "0.7")

    with pytest.raises(BudgetError) as caught:
        await reserve(history, "0.4", limited(per_day="1"))

    assert caught.value.budget == "per_day of all"
    assert (caught.value.limit, caught.value.spent) == (Decimal(1), Decimal("0.7"))
    assert caught.value.requested == Decimal("0.4")
    assert len(await history.ledger.entries()) == 1


async def test_a_budget_may_be_spent_to_the_last_millionth(history: Storage) -> None:
    limit = limited(per_hour="0.3")
    for _ in range(3):
        await reserve(history, "0.1", limit)

    with pytest.raises(BudgetError):
        await reserve(history, "0.000001", limit)


async def test_each_scope_counts_its_own(history: Storage) -> None:
    for what in (
        Reservation("0.7", payer=KeyId("other")),
        Reservation("0.5", purpose=Purpose.PROBE, service=VEO),
    ):
        await recorded(history, reservation(what))

    await reserve(history, "1", limited(payer_scope(KEY), per_month="1"))
    for limit in (
        limited(ALL_TRAFFIC, per_month="1.7"),
        limited(payer_scope(KEY), per_month="1"),
        limited(payer_scope(KeyId("other")), per_month="0.7"),
        limited(ALL_PROBES, per_month="0.5"),
        limited(probe_scope(VEO), per_month="0.5"),
    ):
        with pytest.raises(BudgetError):
            await reserve(history, "0.000001", limit)
    await reserve(history, "9", limited(probe_scope(SERVICE.id), per_month="9"))


@pytest.mark.parametrize(
    ("name", "window", "bucket"),
    [
        ("per_hour", timedelta(hours=1), MINUTE),
        ("per_day", timedelta(hours=24), HOUR),
        ("per_month", timedelta(days=30), HOUR),
    ],
)
async def test_windows_roll_by_whole_buckets(
    history: Storage, name: str, window: timedelta, bucket: timedelta
) -> None:
    limit = limited(**{name: "1"})
    await reserve(history, "1", limit, at=NOON)

    # The bucket of NOON is the oldest one until the window begins in the next one.
    for at in (NOON + window, NOON + window + bucket - timedelta(microseconds=1)):
        with pytest.raises(BudgetError):
            await reserve(history, "1", limit, at=at)
    await reserve(history, "1", limit, at=NOON + window + bucket)


async def test_a_correction_counts_in_the_hour_of_its_reservation(history: Storage) -> None:
    video = await reserve(history, "1", at=NOON - 30 * HOUR)
    await reserve(history, "1", limited(per_day="1"))

    await release(history, video)

    with pytest.raises(BudgetError):
        await reserve(history, "0.1", limited(per_day="1"))


async def test_a_charge_is_recorded_whatever_the_budget(history: Storage) -> None:
    await history.ledger.charge(VEO, Purpose.PROBE, Decimal(3), at=NOON, note="was not free")

    with pytest.raises(BudgetError):
        await reserve(history, "0.1", limited(probe_scope(VEO), per_day="3"))


async def test_a_reservation_survives_a_crash(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:
        await reserve(history, "1")

    async with open_storage(address, clock) as history:
        with pytest.raises(BudgetError):
            await reserve(history, "0.5", limited(per_day="1"))


async def test_concurrent_reservations_never_exceed_the_budget(
    address: str, clock: VirtualClock
) -> None:
    """Two storages on one database stand for two processes."""
    limits = (limited(per_day="5"), limited(payer_scope(KEY), per_day="6"))

    async def ask(storage: Storage, number: int) -> Written:
        # In either order: the locks have one of their own.
        ordered = limits if number % 2 else limits[::-1]
        return await storage.group_commit.write(reservation(Reservation("1"), *ordered))

    async with open_storage(address, clock) as one, open_storage(address, clock) as other:
        asked = [ask(storage, number) for number in range(10) for storage in (one, other)]
        found = [written.outcome for written in await asyncio.gather(*asked)]
        entries = await one.ledger.entries()

    assert sorted(set(found)) == [WriteOutcome.REFUSED, WriteOutcome.WRITTEN]
    assert found.count(WriteOutcome.WRITTEN) == len(entries) == 5


AMOUNTS = st.decimals("0.000001", "0.6", places=6).map(str)
ASKED = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), AMOUNTS, st.integers(0, 40), st.booleans()),
    min_size=5,
    max_size=20,
)


@given(ASKED)
@settings(max_examples=15, deadline=None)
async def test_no_window_ever_exceeds_its_budget(
    new_address: Callable[[], str], asked: list[tuple[str, str, int, bool]]
) -> None:
    own, total = {"per_hour": "0.7", "per_day": "2"}, {"per_hour": "1", "per_day": "2.5"}
    now = NOON
    async with open_storage(new_address(), VirtualClock(NOON)) as history:
        for payer, usd, minutes, is_spent in asked:
            now += timedelta(minutes=minutes)
            limits = (limited(payer_scope(KeyId(payer)), **own), limited(ALL_TRAFFIC, **total))
            write = reservation(Reservation(usd, now, payer=KeyId(payer)), *limits)
            written = await history.group_commit.write(write)
            refusal = written.refusal
            if refusal is not None:  # a refusal needs a cause
                assert refusal.spent + refusal.requested > refusal.limit
            elif not is_spent:
                assert written.record is not None
                await release(history, written.record.video)

            entries = await history.ledger.entries()
            for hours, of_one, of_all in ((1, "0.7", "1"), (24, "2", "2.5")):
                counted = [each for each in entries if each.at > now - timedelta(hours=hours)]
                assert sum(each.amount or 0 for each in counted) <= Decimal(of_all)
                mine = [each.amount or 0 for each in counted if each.payer == payer]
                assert sum(mine) <= Decimal(of_one)


class Step(NamedTuple):
    """One write: a reservation, or an event of an earlier one."""

    what: Reservation
    event: AttemptEvent | None
    which: int
    usd: str | None


STEPS = st.lists(
    st.builds(
        Step,
        st.builds(
            Reservation,
            AMOUNTS,
            st.integers(0, 400).map(lambda minutes: NOON + minutes * MINUTE),
            st.sampled_from([Purpose.TRAFFIC, Purpose.PROBE]),
            st.sampled_from([SERVICE.id, VEO]),
            st.sampled_from([KEY, KeyId("other")]),
        ),
        st.sampled_from([None, *AttemptEvent]),
        st.integers(0, 9),
        st.none() | AMOUNTS,
    ),
    min_size=3,
    max_size=25,
)
Bucket = tuple[str, int, int]


@given(STEPS, st.integers(1, 6))
@settings(max_examples=25, deadline=None)
async def test_the_sums_are_the_fold_of_the_ledger(
    new_address: Callable[[], str], steps: list[Step], group_size: int
) -> None:
    limit = limited(per_day="3")
    videos: list[Video] = []
    async with open_storage(new_address(), VirtualClock(NOON)) as history:
        for start in range(0, len(steps), group_size):
            writes = [_write(step, videos, limit) for step in steps[start : start + group_size]]
            await asyncio.gather(*map(history.group_commit.write, writes))
        await history.ledger.charge(
            VEO, Purpose.UNEXPECTED_CHARGE, Decimal("0.15"), at=NOON, note=""
        )

        found = await stored_sums(history)
        entries = await history.ledger.entries(limit=1000)

    assert found == fold(entries)


def _write(step: Step, videos: list[Video], limit: SpendingLimit) -> Write:
    if step.event is None or not videos:
        write = reservation(step.what, limit)
        assert write.new is not None
        videos.append(write.new.video)
        return write
    video = videos[step.which % len(videos)]
    return Write(video.id, facts=(change(video, step.event, job="job", usd=step.usd),))


def fold(entries: tuple[LedgerEntry, ...]) -> dict[Bucket, int]:
    """Return the sum of each scope and bucket that is not 0."""
    sums: dict[Bucket, int] = {}
    for entry in entries:
        for scope in scopes_of(entry):
            for grain in (60, 3600):
                bucket = scope, grain, int(entry.at.timestamp()) // grain
                sums[bucket] = sums.get(bucket, 0) + to_micro_usd(entry.amount or Decimal(0))
    return {bucket: total for bucket, total in sums.items() if total}


async def stored_sums(storage: Storage) -> dict[Bucket, int]:
    """Return the stored sums that are not 0."""
    query = text("SELECT scope, grain, bucket, micro_usd FROM spent WHERE micro_usd != 0")
    async with storage.connections.read_transaction() as connection:
        return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(query)}


async def test_old_minutes_are_deleted_and_hours_stay(history: Storage) -> None:
    await reserve(history, "1", at=NOON - 4 * HOUR)
    await reserve(history, "1", at=NOON)

    async with history.connections.relaxed_transaction(LockId.LEDGER) as connection:
        assert await delete_old_minutes(connection, NOON)
        assert not await delete_old_minutes(connection, NOON)

    kept = [(grain, bucket) for _, grain, bucket in await stored_sums(history)]
    minute, hour = (int(NOON.timestamp()) // grain for grain in (60, 3600))
    assert set(kept) == {(60, minute), (3600, hour), (3600, hour - 4)}
    with pytest.raises(BudgetError):
        await reserve(history, "0.1", limited(per_day="2"))


async def test_totals_are_by_purpose_payer_and_service(history: Storage) -> None:
    ledger = history.ledger
    await reserve(history, "0.4")
    await release(history, await reserve(history, "9"))
    await reserve(history, "5", at=NOON - 2 * HOUR)
    await ledger.charge(VEO, Purpose.TRAFFIC, Decimal("0.7"), at=NOON, note="")
    await ledger.charge(VEO, Purpose.TRAFFIC, Decimal("0.1"), at=NOON, note="")

    recent, older = await ledger.totals(HOUR, NOON), await ledger.totals(3 * HOUR, NOON)

    assert [(each.payer, each.service, each.entry_count, each.amount) for each in recent] == [
        ("", VEO, 2, Decimal("0.8")),
        (KEY, SERVICE.id, 1, Decimal("0.4")),
    ]
    assert [each.amount for each in older] == [Decimal("5.4"), Decimal("0.8")]
    (past,) = await ledger.totals(2 * HOUR, NOON - HOUR)  # nothing of what came later
    assert past.amount == 5


async def test_the_ledger_tells_what_probes_spent_by_service(history: Storage) -> None:
    await reserve(history, "9")
    for service, hours in ((VEO, 0), (VEO, 2), (SERVICE.id, 0)):
        what = Reservation("1", NOON - hours * HOUR, Purpose.PROBE, service)
        await recorded(history, reservation(what))

    assert await history.ledger.spent_by_service(HOUR, NOON) == {VEO: 1, SERVICE.id: 1}


async def test_unexpected_charges_are_told_by_service(history: Storage) -> None:
    for note in ("sora-2", "sora-2", "sora-2-pro"):
        await history.ledger.charge(VEO, Purpose.UNEXPECTED_CHARGE, Decimal(1), at=NOON, note=note)

    assert await history.ledger.unexpected_charges() == {VEO: {"sora-2", "sora-2-pro"}}
