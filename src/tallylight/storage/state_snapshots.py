"""Snapshots of what the judge remembers, each with the last evidence that is in it."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import ServiceId
from tallylight.storage.engine import upsert
from tallylight.storage.tables import standings as table


class Snapshot(NamedTuple):
    """What the judge remembered of a service.

    Args:
        standing: As text.
        folded: The id of the last evidence that is in it.
    """

    standing: str
    folded: int


async def store(connection: AsyncConnection, rows: Mapping[ServiceId, str], folded: int) -> None:
    """Replace the snapshots of some services."""
    if rows:
        await connection.execute(
            upsert(connection, table),
            [
                {"service": service, "standing": standing, "folded": folded}
                for service, standing in rows.items()
            ],
        )


async def stored(connection: AsyncConnection) -> dict[ServiceId, Snapshot]:
    """Return all snapshots."""
    found = await connection.execute(select(table.c.service, table.c.standing, table.c.folded))
    return {ServiceId(row.service): Snapshot(row.standing, int(row.folded)) for row in found}
