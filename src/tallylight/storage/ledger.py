"""The ledger: the estimated and the actual cost of every probe and job, and the hard budgets.

Money is reserved before it is spent. A reservation that is never settled, because its process
died, keeps counting as spent, since it may have been. Windows roll: the last hour, the last 24
hours and the last 30 days before a given moment. Amounts are stored in whole millionths of a
dollar, rounded up, so that sums are exact and never too low.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, Select, case, func, insert, literal, select, update
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
    """Reads and writes the ledger; every change is durable when its call returns."""

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
        """Reserve money for a probe if neither its service's budget nor the total is exceeded.

        The check and the write share one lock of all processes, so that two processes cannot
        both take the remainder of a budget.

        Raises:
            BudgetError: if a budget would be exceeded; it names the first. Nothing is written.
        """
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            of_service = table.c.service == service
            await _check_budget(connection, f"of {service}", budget, amount, at, of_service)
            await _check_budget(connection, "total", total_budget, amount, at)
            return await _insert(
                connection, service, purpose, EntryState.RESERVED, amount, at, note
            )

    async def charge(
        self, service: ServiceId, purpose: Purpose, amount: Decimal, *, at: datetime, note: str
    ) -> EntryId:
        """Record money that was already spent, whatever the budgets allow.

        A probe that was meant to be free, and that the upstream accepted as a job, is charged so.
        """
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            return await _insert(connection, service, purpose, EntryState.SETTLED, amount, at, note)

    async def settle(self, entry: EntryId, amount: Decimal | None = None) -> None:
        """Settle a reservation at its real cost; a repetition with that amount changes nothing.

        Args:
            entry: The reservation.
            amount: In USD; None if only the estimate is known.

        Raises:
            StorageError: if the entry was released or settled at another amount, or does not exist.
        """
        await self._close(entry, EntryState.SETTLED, amount)

    async def release(self, entry: EntryId) -> None:
        """Release a reservation that was not spent; a repetition changes nothing.

        Raises:
            StorageError: if the entry was settled or does not exist.
        """
        await self._close(entry, EntryState.RELEASED, Decimal(0))

    async def spent_by_service(
        self, window: timedelta, at: datetime
    ) -> Mapping[ServiceId, Decimal]:
        """Return what probes spent or reserved in the window that ends at `at`, in USD."""
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
        """Return what was spent in the window that ends at `at`, largest totals first."""
        amount = func.sum(table.c.amount_micro_usd).label("micros")
        group = (table.c.purpose, table.c.payer, table.c.service)
        query = (
            select(*group, func.count().label("entries"), amount)
            .where(table.c.at_us > at - window, table.c.state != EntryState.RELEASED.value)
            .group_by(*group)
            .order_by(amount.desc(), *group)
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
        self, *, end: datetime | None = None, limit: int = 100
    ) -> tuple[LedgerEntry, ...]:
        """Return the entries that were reserved before `end`, newest first."""
        query = select(table).order_by(table.c.at_us.desc(), table.c.id).limit(limit)
        if end is not None:
            query = query.where(table.c.at_us < end)
        async with self._connections.read_transaction() as connection:
            return tuple(entry_from_row(row) for row in await connection.execute(query))

    async def by_ids(self, ids: Collection[EntryId]) -> Mapping[EntryId, LedgerEntry]:
        """Return the entries of these ids; unknown ids are left out."""
        async with self._connections.read_transaction() as connection:
            return await entries_of(connection, ids)

    async def unexpected_charges(self) -> Mapping[ServiceId, frozenset[str]]:
        """Return, by service, the notes of charges for probes that were meant to be free."""
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
        is_entry = table.c.id == entry
        change = (
            update(table)
            .where(is_entry, table.c.state == EntryState.RESERVED.value)
            .values(state=state.value, amount_micro_usd=wanted)
            .returning(table.c.id)
        )
        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            if (await connection.execute(change)).first() is not None:
                return
            column = wanted.label("wanted")
            row = (await connection.execute(select(table, column).where(is_entry))).first()
            if row is None:
                raise StorageError(f"ledger: entry {entry} does not exist")
            if (row.state, row.amount_micro_usd) != (state.value, row.wanted):
                raise StorageError(
                    f"ledger: entry {entry} is {row.state} at "
                    f"{row.amount_micro_usd / MICROS_PER_USD} USD and cannot become {state} at "
                    f"{row.wanted / MICROS_PER_USD} USD"
                )


async def _check_budget(  # private, called twice above
    connection: AsyncConnection,
    scope: str,
    budget: Budget,
    amount: Decimal,
    at: datetime,
    *where: ColumnElement[bool],
) -> None:
    if not budget.limits:
        return
    query = spending_query(budget, at, _IS_PROBE_SPENDING, *where)
    error = budget_error(scope, budget, amount, (await connection.execute(query)).one())
    if error is not None:
        raise error


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
    """Return the entries of these ids as one transaction sees them; unknown ids are left out."""
    found = await connection.execute(select(table).where(table.c.id.in_(ids)))
    return {entry.id: entry for entry in map(entry_from_row, found)}


def ledger_values(entry: LedgerEntry) -> dict[str, object]:
    """Return the row of a new entry."""
    return {
        "id": entry.id,
        "service": entry.service,
        "purpose": entry.purpose.value,
        "note": entry.note,
        "estimate_micro_usd": to_micro_usd(entry.estimate),
        "at_us": entry.at,
        "payer": entry.payer,
        **ledger_update_values(entry),
    }


def ledger_update_values(entry: LedgerEntry) -> dict[str, object]:
    """Return the columns that change when an entry is settled or released."""
    return {"state": entry.state.value, "amount_micro_usd": to_micro_usd(entry.amount)}


def entry_from_row(row: Row[*tuple[object, ...]]) -> LedgerEntry:
    """Return the entry in a row."""
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


def spending_query(
    budget: Budget, at: datetime, *where: ColumnElement[bool]
) -> Select[*tuple[object, ...]]:
    """Return the query of what counts against each limit of a budget, in millionths of a dollar.

    Args:
        budget: A budget with at least one limit; each is a column of the one row, under its name.
        at: The end of all windows.
        where: Which entries count.
    """
    windows = {name: BUDGET_WINDOWS[name] for name in budget.limits}
    # No upper bound: a reservation by another machine whose clock is ahead counts too.
    sums = (
        func.sum(case((table.c.at_us > at - window, table.c.amount_micro_usd), else_=0)).label(name)
        for name, window in windows.items()
    )
    return select(*sums).where(table.c.at_us > at - max(windows.values()), *where)


def budget_error(
    scope: str, budget: Budget, amount: Decimal, row: Row[*tuple[object, ...]]
) -> BudgetError | None:
    """Return the error for the first limit that an amount would exceed, None if it exceeds none.

    Args:
        scope: Whose budget it is, as the error names it.
        budget: The limits.
        amount: The requested amount in USD.
        row: The result of `spending_query`.
    """
    spent = {name: int(value or 0) for name, value in row._mapping.items()}  # noqa: SLF001  # public in all but name
    found = exceeded_limit(budget, amount, spent)
    if found is None:
        return None
    name, limit = found
    return BudgetError(f"{name} {scope}", limit, spent[name] / MICROS_PER_USD, amount)
