"""The keys of the gateway's callers: who may ask, for what, how often, for how much.

A key itself is stored nowhere, only its digest. A counter rises with every change, so that a
process that keeps all keys in memory need read one row to know that nothing changed.
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
from tallylight.storage.engine import Connections, LockId, upsert
from tallylight.storage.tables import cursors_table
from tallylight.storage.tables import gateway_keys_table as table

_VERSION_CURSOR = "gateway_keys"


@dataclass(frozen=True, slots=True)
class ActiveKeys:
    """All keys that open something, at one moment.

    Args:
        version: Rises with every change.
        keys: By digest.
    """

    version: int
    keys: Mapping[str, GatewayKey]


class GatewayKeys:
    """The doors to the keys."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, key: GatewayKey) -> None:
        """Keep a new key; durable on return."""
        async with self._connections.durable_transaction(LockId.KEY) as connection:
            await connection.execute(insert(table), _values_of(key))
            await _bump_version(connection)

    async def revoke(self, key: KeyId, at: datetime) -> GatewayKey | None:
        """Let a key open nothing any more; durable on return.

        Returns:
            The key; None if there is none of that id that opens anything.
        """
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
            await _bump_version(connection)
            return _key(row)

    async def list_all(self) -> tuple[GatewayKey, ...]:
        """Return all keys, the revoked ones too, oldest first."""
        async with self._connections.read_transaction() as connection:
            return await _select_keys(connection)

    async def active_keys(self, known_version: int | None) -> ActiveKeys | None:
        """Return all keys that open something, None if nothing changed since a known version."""
        async with self._connections.read_transaction() as connection:
            version = await _version(connection)
            if version == known_version:
                return None
            keys = await _select_keys(connection, table.c.revoked_at_us.is_(None))
        return ActiveKeys(version, {key.digest: key for key in keys})


async def _version(connection: AsyncConnection) -> int:
    found = await connection.scalar(
        select(cursors_table.c.value).where(cursors_table.c.name == _VERSION_CURSOR)
    )
    return int(found or 0)


async def _bump_version(connection: AsyncConnection) -> None:
    row = {"name": _VERSION_CURSOR, "value": await _version(connection) + 1}
    await connection.execute(upsert(connection, cursors_table), row)


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
