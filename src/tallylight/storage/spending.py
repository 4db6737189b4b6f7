"""Running sums of the ledger: what each scope spent or reserved, by buckets of time.

A reservation reads a few sums instead of a month of entries, and checks them in the transaction
that changes them. Windows roll by whole buckets: a minute for the last hour, an hour for the last
day and month. The oldest bucket counts as a whole, so a sum is never too low.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import BudgetError
from tallylight.model.ledger import EntryId, LedgerEntry, SpendingLimit, scopes_of
from tallylight.model.money import BUDGET_WINDOWS, MICROS_PER_USD, exceeded_limit, to_micro_usd
from tallylight.storage.engine import insert_or_ignore
from tallylight.storage.tables import scopes_table
from tallylight.storage.tables import spent_table as table
from tallylight.storage.types import EPOCH

_MINUTE, _HOUR = 60, 3600
_GRAINS = {"per_hour": _MINUTE, "per_day": _HOUR, "per_month": _HOUR}
_MINUTES_KEPT = timedelta(hours=3)
_BATCH_SIZE = 1000

_Bucket = tuple[str, int, int]
"""Scope, grain in seconds, and number of the bucket since 1970."""


class RunningSums:
    """The sums as one transaction reads and changes them; `flush` writes the changes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changes: defaultdict[_Bucket, int] = defaultdict(int)

    def lock(self, limits: Collection[SpendingLimit]) -> None:
        """Lock the scopes of some limits until the transaction ends, in the order of their names.

        The locks come after those of videos, or two processes could deadlock.
        """
        scopes = sorted({limit.scope for limit in limits if limit.budget.limits})
        if not scopes or self._connection.dialect.name == "sqlite":
            return  # SQLite has one writer
        is_one = scopes_table.c.scope.in_(scopes)
        known = set(self._connection.scalars(select(scopes_table.c.scope).where(is_one)))
        if len(known) < len(scopes):  # inserted before any is locked, or two could deadlock
            rows = [{"scope": scope} for scope in scopes if scope not in known]
            self._connection.execute(insert_or_ignore(self._connection, scopes_table), rows)
        ordered = select(scopes_table).where(is_one).order_by(scopes_table.c.scope)
        self._connection.execute(ordered.with_for_update())

    def change(
        self,
        before: Mapping[EntryId, LedgerEntry],
        after: Mapping[EntryId, LedgerEntry],
    ) -> None:
        """Add the change of some entries, in the buckets of the time of their reservation.

        An entry that is missing on one side counts 0 there.
        """
        for id_ in before.keys() | after.keys():
            was, entry = before.get(id_), after.get(id_)
            if was != entry:
                self._add(was or entry, _micros(entry) - _micros(was))

    def refusal(self, limit: SpendingLimit, amount: Decimal, at: datetime) -> BudgetError | None:
        """Return the error of the first limit that an amount would exceed, None if none."""
        spent = {name: self._spent(limit.scope, name, at) for name in limit.budget.limits}
        found = exceeded_limit(limit.budget, amount, spent)
        if found is None:
            return None
        name, most = found
        return BudgetError(f"{name} {limit.name}", most, spent[name] / MICROS_PER_USD, amount)

    def flush(self) -> None:
        """Write the changes."""
        rows = [
            {"scope": scope, "grain": grain, "bucket": bucket, "micro_usd": change}
            for (scope, grain, bucket), change in sorted(self._changes.items())
            if change
        ]
        self._changes.clear()
        if not rows:
            return
        self._connection.execute(_adding_insert(self._connection.dialect.name), rows)

    def _add(self, entry: LedgerEntry | None, change: int) -> None:
        if entry is None or not change:
            return
        for scope in scopes_of(entry):
            for grain in (_MINUTE, _HOUR):
                self._changes[scope, grain, _bucket(entry.at, grain)] += change

    def _spent(self, scope: str, window: str, at: datetime) -> int:
        # No upper bound: a reservation by another machine whose clock is ahead counts too.
        grain, first = _GRAINS[window], _bucket(at - BUDGET_WINDOWS[window], _GRAINS[window])
        is_counted = (table.c.scope == scope) & (table.c.grain == grain) & (table.c.bucket >= first)
        stored = self._connection.scalar(select(func.sum(table.c.micro_usd)).where(is_counted))
        pending = sum(
            change
            for (changed, width, bucket), change in self._changes.items()
            if changed == scope and width == grain and bucket >= first
        )
        return int(stored or 0) + pending


async def delete_old_minutes(connection: AsyncConnection, now: datetime) -> bool:
    """Delete a batch of minutes that no window reads any more; return whether any was.

    The hours stay, also when the entries of the ledger are deleted.
    """
    c = table.c
    old = (
        select(c.scope, c.bucket)
        .where(c.grain == _MINUTE, c.bucket < _bucket(now - _MINUTES_KEPT, _MINUTE))
        .limit(_BATCH_SIZE)
        .with_for_update(skip_locked=True)
    )
    rows = [tuple(row) for row in await connection.execute(old)]
    if not rows:
        return False
    is_old = tuple_(c.scope, c.bucket).in_(rows)
    await connection.execute(delete(table).where(c.grain == _MINUTE, is_old))
    return True


async def clip_sums(connection: AsyncConnection, now: datetime) -> None:
    """Add the money of buckets in the future to the present ones."""
    c = table.c
    for grain in (_MINUTE, _HOUR):
        present = _bucket(now, grain)
        is_future = (c.grain == grain) & (c.bucket > present)
        sums = select(c.scope, func.sum(c.micro_usd)).where(is_future).group_by(c.scope)
        rows = [
            {"scope": scope, "grain": grain, "bucket": present, "micro_usd": int(total)}
            for scope, total in (await connection.execute(sums)).all()
        ]
        if rows:
            await connection.execute(delete(table).where(is_future))
            await connection.execute(_adding_insert(connection.dialect.name), rows)


def _adding_insert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    total = table.c.micro_usd + insert.excluded.micro_usd
    return insert.on_conflict_do_update(
        index_elements=["scope", "grain", "bucket"], set_={"micro_usd": total}
    )


def _micros(entry: LedgerEntry | None) -> int:
    return 0 if entry is None or entry.amount is None else to_micro_usd(entry.amount)


def _bucket(at: datetime, grain: int) -> int:
    return (at - EPOCH) // timedelta(seconds=grain)
