"""The ledger: the estimated and the actual cost of every probe and job.

Money is reserved before it is spent, in the transaction that records an attempt (`transaction`),
which also checks the budgets (`spending`). A reservation counts as spent until the attempt's end
settles or releases it. Amounts are stored in whole millionths of a dollar, rounded up, so that sums
are exact and never too low.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import Connection, Row, func, insert, literal_column, select

from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import (
    PROBE_PURPOSES,
    EntryId,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingTotal,
)
from tallylight.model.money import MICROS_PER_USD, from_micro_usd, to_optional_micro_usd
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.spending import RunningSums
from tallylight.storage.tables import ledger_table as table

_IS_PROBE_SPENDING = table.c.purpose.in_([purpose.value for purpose in PROBE_PURPOSES])


class Ledger:
    """Reads and writes the ledger; every change is durable when its call returns."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def charge(
        self,
        service: ServiceId,
        purpose: Purpose,
        amount: Decimal | None,
        *,
        at: datetime,
        note: str,
    ) -> EntryId:
        """Record money that was already spent, whatever the budgets allow.

        A probe that was meant to be free, and that the upstream accepted as a job, is charged so.
        An amount of None is not known.
        """
        entry = LedgerEntry(
            EntryId(uuid4().hex), service, purpose, note, EntryState.SETTLED, amount, amount, at
        )

        def write(connection: Connection) -> None:
            sums = RunningSums(connection)
            connection.execute(insert(table), ledger_values(entry))
            sums.change({}, {entry.id: entry})
            sums.flush()

        async with self._connections.durable_transaction(LockId.LEDGER) as connection:
            await connection.run_sync(write)
        return entry.id

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
        micros = table.c.amount_micro_usd
        amount = func.coalesce(func.sum(micros), 0).label("micros")
        known = func.count(micros).label("known")
        group = (table.c.purpose, table.c.payer, table.c.service)
        query = (
            select(*group, func.count().label("entries"), known, amount)
            .where(
                table.c.at_us > at - window,
                table.c.at_us <= at,
                table.c.state != EntryState.RELEASED.value,
            )
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
                    Decimal(row.micros) / MICROS_PER_USD,
                    row.entries - row.known,
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
            return await connection.run_sync(entries_of, ids)

    async def unexpected_charges(self) -> Mapping[ServiceId, frozenset[str]]:
        """Return, by service, the notes of charges for probes that were meant to be free."""
        charged = (
            select(table.c.service, table.c.note)
            # A literal: with a parameter, SQLite would not use the index of these charges.
            .where(table.c.purpose == literal_column(f"'{Purpose.UNEXPECTED_CHARGE.value}'"))
            .distinct()
        )
        found: dict[ServiceId, frozenset[str]] = {}
        async with self._connections.read_transaction() as connection:
            for name, note in await connection.execute(charged):
                service = ServiceId(name)
                found[service] = found.get(service, frozenset()) | {note}
        return found


def entries_of(connection: Connection, ids: Collection[EntryId]) -> Mapping[EntryId, LedgerEntry]:
    """Return the entries of these ids as one transaction sees them; unknown ids are left out."""
    found = connection.execute(select(table).where(table.c.id.in_(ids)))
    return {entry.id: entry for entry in map(entry_from_row, found)}


def ledger_values(entry: LedgerEntry) -> dict[str, object]:
    """Return the row of a new entry."""
    return {
        "id": entry.id,
        "service": entry.service,
        "purpose": entry.purpose.value,
        "note": entry.note,
        "estimate_micro_usd": to_optional_micro_usd(entry.estimate),
        "at_us": entry.at,
        "payer": entry.payer,
        **ledger_update_values(entry),
    }


def ledger_update_values(entry: LedgerEntry) -> dict[str, object]:
    """Return the columns that change when an entry is settled or released."""
    return {"state": entry.state.value, "amount_micro_usd": to_optional_micro_usd(entry.amount)}


def entry_from_row(row: Row[*tuple[object, ...]]) -> LedgerEntry:
    """Return the entry in a row."""
    return LedgerEntry(
        id=EntryId(row.id),
        service=ServiceId(row.service),
        purpose=Purpose(row.purpose),
        note=row.note,
        state=EntryState(row.state),
        estimate=from_micro_usd(row.estimate_micro_usd),
        amount=from_micro_usd(row.amount_micro_usd),
        at=row.at_us,
        payer=KeyId(row.payer),
    )
