"""The ledger: what every probe and job was expected to cost and did, and the hard budgets.

Money is reserved before it is spent. A reservation that nobody settles, because the process
died, goes on counting as spent: it may have been. Windows roll: the last hour, the last 24 hours,
the last 30 days before the moment asked about. Amounts lie in whole millionths of a dollar,
rounded up, so that sums are exact and never too low.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, case, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import BudgetError, StorageError
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import (
    PROBE_PURPOSES,
    EntryId,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingTotal,
)
from tallylight.model.money import (
    BUDGET_WINDOWS,
    MICROS_PER_USD,
    Budget,
    exceeded_limit,
    to_micro_usd,
)
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import ledger_table as table

_IS_PROBE_SPENDING = table.c.purpose.in_([purpose.value for purpose in PROBE_PURPOSES])


class Ledger:
    """The doors to the ledger; every change is durable when it returns."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def reserve(  # noqa: PLR0913  # one row's facts
        self,
        service: ServiceId,
        purpose: Purpose,
        amount: Decimal,
        *,
        budget: Budget,
        total_budget: Budget,
        at: datetime,
        note: str = "",
    ) -> EntryId:
        """Set money aside for a probe, if that exceeds neither its service's budget nor the total.

        Checks and writes in one turn of all processes, so that two cannot both take the rest.

        Raises:
            BudgetError: naming the first budget that does not allow it; nothing is written.
        """
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            await _check_budget(connection, f"of {service}", budget, amount, at, service)
            await _check_budget(connection, "total", total_budget, amount, at, None)
            return await _insert(
                connection, service, purpose, EntryState.RESERVED, amount, at, note
            )

    async def charge(
        self, service: ServiceId, purpose: Purpose, amount: Decimal, *, at: datetime, note: str
    ) -> EntryId:
        """Write down what was spent already, whatever the budgets say.

        For the probe meant to be free that was accepted as a job.
        """
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            return await _insert(connection, service, purpose, EntryState.SETTLED, amount, at, note)

    async def settle(self, entry: EntryId, amount: Decimal | None = None) -> None:
        """Say what a reservation really cost; again with the same amount changes nothing.

        Args:
            entry: The reservation.
            amount: In USD; None where the estimate is the best that is known.

        Raises:
            StorageError: if it was released, settled otherwise, or never made.
        """
        await self._close(entry, EntryState.SETTLED, amount)

    async def release(self, entry: EntryId) -> None:
        """Say that a reservation was not spent; again changes nothing.

        Raises:
            StorageError: if it was settled or never made.
        """
        await self._close(entry, EntryState.RELEASED, Decimal(0))

    async def spent(
        self, window: timedelta, at: datetime, service: ServiceId | None = None
    ) -> Decimal:
        """Return what probes spent or reserved in the window that ends at a moment, in USD."""
        async with self._connections.read_transaction() as connection:
            (micros,) = await _spent(connection, (window,), at, service)
            return micros / MICROS_PER_USD

    async def spent_by_service(
        self, window: timedelta, at: datetime
    ) -> Mapping[ServiceId, Decimal]:
        """Return the same of every service that was probed for money, in one question."""
        total = func.sum(table.c.amount_micro_usd)
        query = (
            select(table.c.service, total.label("micros"))
            .where(table.c.at_us > at - window, _IS_PROBE_SPENDING)
            .group_by(table.c.service)
        )
        async with self._connections.read_transaction() as connection:
            found = await connection.execute(query)
            return {
                ServiceId(row.service): Decimal(row.micros or 0) / MICROS_PER_USD for row in found
            }

    async def totals(self, window: timedelta, at: datetime) -> tuple[SpendingTotal, ...]:
        """Return what was spent in the window that ends at a moment, the largest first."""
        amount = func.sum(table.c.amount_micro_usd).label("micros")
        of = (table.c.purpose, table.c.payer, table.c.service)
        query = (
            select(*of, func.count().label("entries"), amount)
            .where(table.c.at_us > at - window, table.c.state != EntryState.RELEASED.value)
            .group_by(*of)
            .order_by(amount.desc(), *of)
        )
        async with self._connections.read_transaction() as connection:
            return tuple(
                SpendingTotal(
                    Purpose(row.purpose),
                    KeyId(row.payer),
                    ServiceId(row.service),
                    row.entries,
                    Decimal(row.micros or 0) / MICROS_PER_USD,
                )
                for row in await connection.execute(query)
            )

    async def entries(
        self,
        service: ServiceId | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 100,
    ) -> tuple[LedgerEntry, ...]:
        """Return entries reserved in [start, end), newest first."""
        where: list[ColumnElement[bool]] = []
        if service is not None:
            where.append(table.c.service == service)
        if start is not None:
            where.append(table.c.at_us >= start)
        if end is not None:
            where.append(table.c.at_us < end)
        query = select(table).where(*where).order_by(table.c.at_us.desc(), table.c.id)
        async with self._connections.read_transaction() as connection:
            return tuple(_entry(row) for row in await connection.execute(query.limit(limit)))

    async def by_ids(self, ids: Collection[EntryId]) -> Mapping[EntryId, LedgerEntry]:
        """Return the entries of these ids, as far as there are such."""
        async with self._connections.read_transaction() as connection:
            return await entries_of(connection, ids)

    async def unexpected_charges(self) -> Mapping[ServiceId, frozenset[str]]:
        """Return by service the notes of what was charged for probes that were meant to be free."""
        charged = (
            select(table.c.service, table.c.note)
            .where(table.c.purpose == Purpose.UNEXPECTED_CHARGE.value)
            .distinct()
        )
        found: dict[ServiceId, frozenset[str]] = {}
        async with self._connections.read_transaction() as connection:
            for name, note in await connection.execute(charged):
                service = ServiceId(name)
                found[service] = found.get(service, frozenset()) | {note}
        return found

    async def _close(self, entry: EntryId, state: EntryState, amount: Decimal | None) -> None:
        wanted = table.c.estimate_micro_usd if amount is None else literal(to_micro_usd(amount))
        is_mine = table.c.id == entry
        change = (
            update(table)
            .where(is_mine, table.c.state == EntryState.RESERVED.value)
            .values(state=state.value, amount_micro_usd=wanted)
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            if (await connection.execute(change)).first() is not None:
                return
            column = wanted.label("wanted")
            row = (await connection.execute(select(table, column).where(is_mine))).first()
            if row is None:
                raise StorageError(f"ledger: there is no entry {entry}")
            if (row.state, row.amount_micro_usd) != (state.value, row.wanted):
                raise StorageError(
                    f"ledger: entry {entry} is {row.state} at {row.amount_micro_usd / MICROS_PER_USD} USD "
                    f"and cannot become {state} at {row.wanted / MICROS_PER_USD} USD"
                )


async def _check_budget(  # noqa: PLR0913, PLR0917  # private, called twice above
    connection: AsyncConnection,
    scope: str,
    budget: Budget,
    amount: Decimal,
    at: datetime,
    service: ServiceId | None,
) -> None:
    names = tuple(budget.limits)
    if not names:
        return
    sums = await _spent(connection, tuple(BUDGET_WINDOWS[name] for name in names), at, service)
    spent = dict(zip(names, sums, strict=True))
    found = exceeded_limit(budget, amount, spent)
    if found is not None:
        name, limit = found
        raise BudgetError(f"{name} {scope}", limit, spent[name] / MICROS_PER_USD, amount)


async def _spent(
    connection: AsyncConnection,
    windows: tuple[timedelta, ...],
    at: datetime,
    service: ServiceId | None,
) -> tuple[Decimal, ...]:
    # No upper bound: what another machine's faster clock has reserved counts too.
    sums = [
        func.sum(case((table.c.at_us > at - window, table.c.amount_micro_usd), else_=0))
        for window in windows
    ]
    query = select(*sums).where(table.c.at_us > at - max(windows), _IS_PROBE_SPENDING)
    if service is not None:
        query = query.where(table.c.service == service)
    row = (await connection.execute(query)).one()
    return tuple(Decimal(value or 0) for value in row)


async def _insert(  # noqa: PLR0913, PLR0917  # one row's facts
    connection: AsyncConnection,
    service: ServiceId,
    purpose: Purpose,
    state: EntryState,
    amount: Decimal,
    at: datetime,
    note: str,
) -> EntryId:
    entry = LedgerEntry(EntryId(uuid4().hex), service, purpose, note, state, amount, amount, at)
    await connection.execute(insert(table), ledger_values(entry))
    return entry.id


async def entries_of(
    connection: AsyncConnection, ids: Collection[EntryId]
) -> Mapping[EntryId, LedgerEntry]:
    """Return the entries of these ids as a transaction sees them, as far as there are such."""
    found = await connection.execute(select(table).where(table.c.id.in_(ids)))
    return {entry.id: entry for entry in map(_entry, found)}


def ledger_values(entry: LedgerEntry) -> dict[str, object]:
    """Return what the row of an entry holds."""
    return {
        "id": entry.id,
        "service": entry.service,
        "purpose": entry.purpose.value,
        "note": entry.note,
        "state": entry.state.value,
        "estimate_micro_usd": to_micro_usd(entry.estimate),
        "amount_micro_usd": to_micro_usd(entry.amount),
        "at_us": entry.at,
        "payer": entry.payer,
    }


def _entry(row: Row[*tuple[object, ...]]) -> LedgerEntry:
    return LedgerEntry(
        id=EntryId(row.id),
        service=ServiceId(row.service),
        purpose=Purpose(row.purpose),
        note=row.note,
        state=EntryState(row.state),
        estimate=row.estimate_micro_usd / MICROS_PER_USD,
        amount=row.amount_micro_usd / MICROS_PER_USD,
        at=row.at_us,
        payer=KeyId(row.payer),
    )
