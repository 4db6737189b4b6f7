"""The keys of the gateway's callers with their routes, rate limits and budgets.

Only the digest of a key is stored. A counter rises with every change, so that a process that keeps
all keys in memory reads one row to learn that nothing changed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tallylight.storage import cursors
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import gateway_keys_table as table

_VERSION_CURSOR = "gateway_keys"


@dataclass(frozen=True, slots=True)
class ActiveKeys:
    """All keys that are not revoked.

    Args:
        version: A number that rises with every change.
    """

    version: int
    keys: Mapping[str, GatewayKey]


class GatewayKeys:
    """Reads and writes the keys; every change is durable when its call returns."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, key: GatewayKey) -> None:
        """Store a new key."""
        async with self._connections.durable_transaction(LockId.KEY) as connection:
            await connection.execute(insert(table), _values_of(key))
            await cursors.increment(connection, _VERSION_CURSOR)

    async def revoke(self, key: KeyId, at: datetime) -> GatewayKey | None:
        """Revoke a key and return it; return None if the id is unknown or already revoked."""
        change = (
            update(table)
            .where(table.c.id == key, table.c.revoked_at_us.is_(None))
            .values(revoked_at_us=at)
            .returning(*table.columns)
        )
        async with self._connections.durable_transaction(LockId.KEY) as connection:
            row = (await connection.execute(change)).first()
            if row is None:
                return None
            await cursors.increment(connection, _VERSION_CURSOR)
            return _key(row)

    async def list_all(self) -> tuple[GatewayKey, ...]:
        """Return all keys, revoked ones included, oldest first."""
        async with self._connections.read_transaction() as connection:
            return await _select_keys(connection)

    async def active_keys(self, known_version: int | None) -> ActiveKeys | None:
        """Return all keys that are not revoked; None if nothing changed since a known version."""
        async with self._connections.read_transaction() as connection:
            version = await cursors.position(connection, _VERSION_CURSOR) or 0
            if version == known_version:
                return None
            keys = await _select_keys(connection, table.c.revoked_at_us.is_(None))
        return ActiveKeys(version, {key.digest: key for key in keys})


async def _select_keys(
    connection: AsyncConnection, *where: ColumnElement[bool]
) -> tuple[GatewayKey, ...]:
    query = select(table).where(*where).order_by(table.c.created_at_us, table.c.id)
    return tuple(_key(row) for row in await connection.execute(query))


def _values_of(key: GatewayKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "routes": json.dumps(sorted(key.routes)),
        "per_minute": key.per_minute,
        "limits": json.dumps({name: str(limit) for name, limit in key.budget.limits.items()}),
        "created_at_us": key.created_at,
        "revoked_at_us": key.revoked_at,
    }


def _key(row: Row[*tuple[object, ...]]) -> GatewayKey:
    limits = {name: Decimal(limit) for name, limit in json.loads(row.limits).items()}
    return GatewayKey(
        id=KeyId(row.id),
        name=row.name,
        digest=row.digest,
        hint=row.hint,
        created_at=row.created_at_us,
        routes=frozenset(json.loads(row.routes)),
        per_minute=row.per_minute,
        budget=Budget(**limits),
        revoked_at=row.revoked_at_us,
    )
