"""Budgets are hard limits, also for concurrent reservations."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError, StorageError
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryId, EntryState, Purpose
from tallylight.model.money import Budget
from tallylight.storage.database import Storage, open_storage

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora-2-official")
VEO = ServiceId("veo-3.1-reverse")
HOUR = timedelta(hours=1)
NO_LIMIT = Budget()


async def reserve(  # noqa: PLR0913  # what a budget depends on
    history: Storage,
    amount: str,
    *,
    budget: Budget = NO_LIMIT,
    total: Budget = NO_LIMIT,
    service: ServiceId = SORA,
    at: datetime = NOON,
) -> EntryId:
    return await history.ledger.reserve(
        service, Purpose.PROBE, Decimal(amount), budget=budget, total_budget=total, at=at
    )


async def spent_in_all(history: Storage, window: timedelta, at: datetime) -> Decimal:
    return sum((await history.ledger.spent_by_service(window, at)).values(), Decimal())


async def test_a_reservation_counts_as_spent(history: Storage) -> None:
    entry = await history.ledger.reserve(
        SORA,
        Purpose.PROBE,
        Decimal("0.4"),
        budget=NO_LIMIT,
        total_budget=NO_LIMIT,
        at=NOON,
        note="4 s",
    )

    assert await spent_in_all(history, HOUR, NOON) == Decimal("0.4")
    (found,) = await history.ledger.entries()
    assert (found.id, found.service, found.note, found.at) == (entry, SORA, "4 s", NOON)
    assert found.state is EntryState.RESERVED
    assert found.amount == found.estimate == Decimal("0.4")


async def test_settling_replaces_the_estimate(history: Storage) -> None:
    entry = await reserve(history, "0.4")

    await history.ledger.settle(entry, Decimal("0.3000001"))
    await history.ledger.settle(entry, Decimal("0.3000001"))

    (found,) = await history.ledger.entries()
    assert found.state is EntryState.SETTLED
    assert found.estimate == Decimal("0.4")
    assert found.amount == Decimal("0.300001")  # rounded up to a millionth


async def test_a_released_reservation_does_not_count_as_spent(history: Storage) -> None:
    entry = await reserve(history, "0.4")

    await history.ledger.release(entry)
    await history.ledger.release(entry)

    assert await spent_in_all(history, HOUR, NOON) == 0


async def test_a_closed_entry_does_not_change(history: Storage) -> None:
    entry = await reserve(history, "0.4")
    await history.ledger.settle(entry, Decimal("0.4"))

    with pytest.raises(StorageError, match=r"settled at 0\.4 USD"):
        await history.ledger.release(entry)
    with pytest.raises(StorageError, match="settled"):
        await history.ledger.settle(entry, Decimal("0.5"))
    with pytest.raises(StorageError, match="does not exist"):
        await history.ledger.release(EntryId("nobody's"))
    assert await spent_in_all(history, HOUR, NOON) == Decimal("0.4")


async def test_a_refusal_names_the_budget_and_writes_nothing(history: Storage) -> None:
    await reserve(history, "0.7")

    with pytest.raises(BudgetError) as caught:
        await reserve(history, "0.4", budget=Budget(per_day=Decimal(1)))

    assert caught.value.budget == "per_day of sora-2-official"
    assert (caught.value.limit, caught.value.spent) == (Decimal(1), Decimal("0.7"))
    assert caught.value.requested == Decimal("0.4")
    assert len(await history.ledger.entries()) == 1


async def test_a_budget_may_be_spent_to_the_last_millionth(history: Storage) -> None:
    budget = Budget(per_hour=Decimal("0.3"))
    for _ in range(3):
        await reserve(history, "0.1", budget=budget)

    with pytest.raises(BudgetError):
        await reserve(history, "0.000001", budget=budget)


async def test_the_total_counts_all_services(history: Storage) -> None:
    await reserve(history, "0.7", service=VEO)

    await reserve(history, "0.4", budget=Budget(per_month=Decimal(1)))
    with pytest.raises(BudgetError, match="per_month total"):
        await reserve(history, "0.1", total=Budget(per_month=Decimal(1)))


@pytest.mark.parametrize(
    ("budget", "window"),
    [
        (Budget(per_hour=Decimal(1)), timedelta(hours=1)),
        (Budget(per_day=Decimal(1)), timedelta(hours=24)),
        (Budget(per_month=Decimal(1)), timedelta(days=30)),
    ],
)
async def test_windows_roll(history: Storage, budget: Budget, window: timedelta) -> None:
    await reserve(history, "1", budget=budget)

    with pytest.raises(BudgetError):
        await reserve(history, "1", budget=budget, at=NOON + window - timedelta(seconds=1))
    await reserve(history, "1", budget=budget, at=NOON + window)


async def test_a_charge_is_recorded_whatever_the_budget(
    history: Storage,
) -> None:
    await history.ledger.charge(SORA, Purpose.PROBE, Decimal(3), at=NOON, note="was not free")

    with pytest.raises(BudgetError):
        await reserve(history, "0.1", budget=Budget(per_day=Decimal(3)))


async def test_a_reservation_survives_a_crash(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:
        await reserve(history, "1")

    async with open_storage(address, clock) as history:
        with pytest.raises(BudgetError):
            await reserve(history, "0.5", total=Budget(per_day=Decimal(1)))


async def test_concurrent_reservations_never_exceed_the_budget(
    address: str, clock: VirtualClock
) -> None:
    """Two storages on one database stand for two processes."""

    async def asks(history: Storage, service: ServiceId) -> bool:
        try:
            total = Budget(per_day=Decimal(5))
            await reserve(history, "1", service=service, total=total)
        except BudgetError:
            return False
        return True

    async with open_storage(address, clock) as one, open_storage(address, clock) as other:
        granted = await asyncio.gather(
            *(asks(one, SORA) for _ in range(10)), *(asks(other, VEO) for _ in range(10))
        )
        spent = await spent_in_all(one, HOUR, NOON)

    assert sum(granted) == 5
    assert spent == 5


AMOUNTS = st.decimals("0.000001", "0.6", places=6)
ASKED = st.lists(
    st.tuples(st.sampled_from([SORA, VEO]), AMOUNTS, st.integers(0, 40), st.booleans()),
    min_size=5,
    max_size=20,
)


@given(ASKED)
@settings(max_examples=15, deadline=None)
async def test_no_window_ever_exceeds_its_budget(
    new_address: Callable[[], str], asked: list[tuple[ServiceId, Decimal, int, bool]]
) -> None:
    budget = Budget(per_hour=Decimal("0.7"), per_day=Decimal(2))
    total = Budget(per_hour=Decimal(1), per_day=Decimal("2.5"))
    now, refusals = NOON, list[BudgetError]()
    async with open_storage(new_address(), VirtualClock(NOON)) as history:
        for service, amount, minutes, is_spent in asked:
            now += timedelta(minutes=minutes)
            try:
                entry = await history.ledger.reserve(
                    service, Purpose.PROBE, amount, budget=budget, total_budget=total, at=now
                )
            except BudgetError as refusal:
                refusals.append(refusal)
            else:
                if not is_spent:
                    await history.ledger.release(entry)

            for hours, own_limit, limit in ((1, "0.7", "1"), (24, "2", "2.5")):
                window = timedelta(hours=hours)
                spent = await history.ledger.spent_by_service(window, now)
                assert spent.get(service, 0) <= Decimal(own_limit)
                assert await spent_in_all(history, window, now) <= Decimal(limit)
    # A refusal needs a cause.
    assert all(refusal.spent + refusal.requested > refusal.limit for refusal in refusals)


async def test_totals_are_by_purpose_payer_and_service(history: Storage) -> None:
    ledger = history.ledger
    await reserve(history, "0.4")
    released = await reserve(history, "9")
    await ledger.release(released)
    await reserve(history, "5", at=NOON - 2 * HOUR)
    await ledger.charge(VEO, Purpose.TRAFFIC, Decimal("0.7"), at=NOON, note="")
    await ledger.charge(VEO, Purpose.TRAFFIC, Decimal("0.1"), at=NOON, note="")

    recent, older = await ledger.totals(HOUR, NOON), await ledger.totals(3 * HOUR, NOON)

    assert [(each.purpose, each.service, each.entry_count, each.amount) for each in recent] == [
        (Purpose.TRAFFIC, VEO, 2, Decimal("0.8")),
        (Purpose.PROBE, SORA, 1, Decimal("0.4")),
    ]
    assert [each.amount for each in older] == [Decimal("5.4"), Decimal("0.8")]
