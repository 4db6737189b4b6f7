"""Snapshots of the judge's state per service, each with the id of the last evidence in it."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import ServiceId
from tallylight.storage.engine import upsert
from tallylight.storage.tables import state_snapshots_table as table


class StateSnapshot(NamedTuple):
    """The judge's state of a service.

    Args:
        cursor: The id of the last evidence that is in it.
    """

    state: str
    cursor: int


async def store_snapshots(
    connection: AsyncConnection, rows: Mapping[ServiceId, str], cursor: int
) -> None:
    """Store the snapshots of some services, replacing their former ones."""
    if rows:
        await connection.execute(
            upsert(connection, table),
            [
                {"service": service, "state": state, "cursor": cursor}
                for service, state in rows.items()
            ],
        )
