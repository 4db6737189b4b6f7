"""Maps ledger entries to rows of their table and back, and adds up what counts against budgets."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, Row, Select, case, func, select

from tallylight.errors import BudgetError
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.money import (
    BUDGET_WINDOWS,
    MICROS_PER_USD,
    Budget,
    exceeded_limit,
    to_micro_usd,
)
from tallylight.storage.tables import ledger_table as table


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
