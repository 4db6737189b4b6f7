"""Named numbers that only rise: the positions of periodic jobs, and counters of changes."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.storage.engine import upsert
from tallylight.storage.tables import cursors_table as table


async def position(connection: AsyncConnection, name: str) -> int | None:
    """Return the position of a cursor, None if it was never set."""
    found: int | None = await connection.scalar(select(table.c.value).where(table.c.name == name))
    return found


async def set_position(connection: AsyncConnection, name: str, to: int) -> None:
    """Set a cursor."""
    await connection.execute(upsert(connection, table), {"name": name, "value": to})


async def increment(connection: AsyncConnection, name: str) -> int:
    """Raise a cursor by one, from 0 if it was never set, and return its new position."""
    number = (await position(connection, name) or 0) + 1
    await set_position(connection, name, number)
    return number


async def rewind(connection: AsyncConnection, name: str, to: int) -> None:
    """Set a cursor back to a position; leave one that is not beyond it."""
    await connection.execute(
        update(table).where(table.c.name == name, table.c.value > to).values(value=to)
    )
