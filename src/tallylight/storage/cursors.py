"""How far each fold has come: one number by name."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.storage.engine import upsert
from tallylight.storage.tables import cursors_table as table


async def position(connection: AsyncConnection, name: str) -> int | None:
    """Return where a mark stands, None if it was never set."""
    found: int | None = await connection.scalar(select(table.c.value).where(table.c.name == name))
    return found


async def set_position(connection: AsyncConnection, name: str, to: int) -> None:
    """Set a mark."""
    await connection.execute(upsert(connection, table), {"name": name, "value": to})


async def rewind(connection: AsyncConnection, name: str, to: int) -> None:
    """Set a mark that stands further on; leave one that does not."""
    await connection.execute(
        update(table).where(table.c.name == name, table.c.value > to).values(value=to)
    )
