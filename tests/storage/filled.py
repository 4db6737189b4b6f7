"""Fills the tables that grow with some thousand rows, as a gateway leaves them."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import Table, Text, insert, text

from tallylight.storage.database import Storage
from tallylight.storage.engine import LockId
from tallylight.storage.tables import metadata, state_snapshots_table
from tallylight.storage.types import to_microseconds
from tests.builders import NOON

GROWING = frozenset(
    {
        "attempts",
        "evidence",
        "idempotency",
        "incident_updates",
        "incidents",
        "ledger",
        "outbox",
        "spent",
        "transitions",
        "videos",
    }
)

_ROWS = 3000
_NOON_US = to_microseconds(NOON)
_MINUTE_US = 60_000_000


def _common(number: int) -> dict[str, object]:
    """Return the columns that mean the same in several tables."""
    return {
        "service": f"s{number % 40}",
        "key": f"k{number % 10}",
        "payer": f"k{number % 10}",
        "params": "{}",
        "names_state": False,
        "is_barred": False,
        "before_reasons": "[]",
        "after_reasons": "[]",
        "reasons": "[]",
        "before_status": "operational",
        "before_blocked": None,
        "after_status": "degraded",
        "after_blocked": None,
        "failure_kind": None,
        "made_seconds": None,
        "ended_at_us": _NOON_US if number % 100 else None,
    }


_SPECIAL: Mapping[str, Callable[[int], dict[str, object]]] = {
    "videos": lambda number: {
        "id": f"video_{number}",
        "kind": "video",
        "owner": f"p{number % 3}",
        "asset": "film" if number % 50 == 0 else "",
        "status": "completed" if number % 3 == 0 else "failed" if number % 100 else "queued",
        "deleted_at_us": None,
    },
    "attempts": lambda number: {
        "id": f"video_{number}.1",
        "video": f"video_{number}",
        "number": 1,
        "entry": f"video_{number}.1",
        "purpose": "probe" if number % 20 == 0 else "traffic",
        "state": "refused" if number % 100 else "accepted",
        "results": "[]",
        "job_extra": "{}",
        "size": "1280x720",
        "ordered": "{}",
    },
    "ledger": lambda number: {
        "id": f"video_{number}.1",
        "purpose": "unexpected_charge" if number == 9 else "traffic",
        "state": "settled" if number % 100 else "reserved",
    },
    "idempotency": lambda number: {
        "video": f"video_{number}",
        "until_us": None if number % 10 else _NOON_US + number,
    },
    "outbox": lambda number: {
        "id": f"msg_{number}",
        "endpoint": "shop",
        "video": f"video_{number}",
        "due_at_us": None if number % 100 else _NOON_US,
    },
    "spent": lambda number: {
        "scope": f"payer:k{number % 10}",
        "grain": 60 if number % 2 else 3600,
        "bucket": _NOON_US // _MINUTE_US - number,
    },
    "evidence": lambda number: {
        "id": _NOON_US - number * _MINUTE_US,
        "source": "reach",
        "claimed_status": None,
    },
    "incidents": lambda number: {"id": f"i_{number}", "worst": "degraded"},
    "incident_updates": lambda number: {"incident": f"i_{number}", "status": "degraded"},
}


def _row(table: Table, number: int) -> dict[str, object]:
    """Return a row of a table; numbers, texts and times differ from those of other rows."""
    at = to_microseconds(NOON - number * timedelta(minutes=20))
    row: dict[str, object] = {}
    for column in table.columns:
        name = column.name
        is_text = isinstance(column.type, Text)
        row[name] = at if name.endswith("_us") else f"{name}_{number}" if is_text else number
    known = {name: value for name, value in _common(number).items() if name in row}
    special = _SPECIAL.get(table.name)
    return row | known | ({} if special is None else special(number))


async def fill(storage: Storage) -> None:
    """Fill the tables that grow, and let the database count what they hold."""
    async with storage.connections.durable_transaction(LockId.MIGRATION) as connection:
        for table in metadata.sorted_tables:
            if table.name in GROWING:
                rows = [_row(table, number) for number in range(_ROWS)]
                names, marks = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
                statement = text(f"INSERT INTO {table.name} ({names}) VALUES ({marks})")  # noqa: S608
                await connection.execute(statement, rows)
        snapshots = [{"service": f"s{n}", "state": "{}", "cursor": 0} for n in range(40)]
        await connection.execute(insert(state_snapshots_table), snapshots)
    async with storage.connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.execute(text("ANALYZE"))
