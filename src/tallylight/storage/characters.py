"""Characters that can appear in videos, each known to one service."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from tallylight.model.ids import KeyId, ServiceId
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import characters_table as table


@dataclass(frozen=True, slots=True)
class CharacterRow:
    """A character that a caller created at a service.

    Args:
        id: Our id.
        upstream_id: Its id at that service.
    """

    id: str
    key: KeyId
    name: str
    service: ServiceId
    upstream_id: str
    created_at: datetime


class Characters:
    """Reads and writes characters."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, row: CharacterRow) -> None:
        """Store a character; durable on return."""
        values = {
            "id": row.id,
            "key": row.key,
            "name": row.name,
            "service": row.service,
            "upstream_id": row.upstream_id,
            "created_at_us": row.created_at,
        }
        async with self._connections.durable_transaction(LockId.VIDEO) as connection:
            await connection.execute(insert(table), values)

    async def get(self, id_: str) -> CharacterRow | None:
        """Return the character of an id, None if there is none."""
        async with self._connections.read_transaction() as connection:
            row = (await connection.execute(select(table).where(table.c.id == id_))).first()
        if row is None:
            return None
        return CharacterRow(
            id=row.id,
            key=KeyId(row.key),
            name=row.name,
            service=ServiceId(row.service),
            upstream_id=row.upstream_id,
            created_at=row.created_at_us,
        )
