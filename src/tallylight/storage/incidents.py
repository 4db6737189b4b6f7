"""Stores incidents with their updates, and reads them."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate
from tallylight.storage.engine import upsert
from tallylight.storage.tables import incident_updates_table as updates
from tallylight.storage.tables import incidents_table as table
from tallylight.storage.types import reasons_from_json, reasons_to_json


async def store_incident(connection: AsyncConnection, incident: Incident) -> None:
    """Store an incident, replacing the stored one of its id."""
    await connection.execute(
        upsert(connection, table),
        {
            "id": incident.id,
            "service": incident.service,
            "started_at_us": incident.started_at,
            "ended_at_us": incident.ended_at,
            "worst": incident.worst.value,
        },
    )
    await connection.execute(delete(updates).where(updates.c.incident == incident.id))
    rows = [
        {
            "incident": incident.id,
            "number": number,
            "at_us": update.at,
            "status": update.status.value,
            "reasons": reasons_to_json(update.reasons),
        }
        for number, update in enumerate(incident.updates)
    ]
    if rows:
        await connection.execute(insert(updates), rows)


async def remove_incident(connection: AsyncConnection, incident: IncidentId) -> None:
    """Remove an incident that never was."""
    await connection.execute(delete(updates).where(updates.c.incident == incident))
    await connection.execute(delete(table).where(table.c.id == incident))


async def incidents_from_rows(
    connection: AsyncConnection, rows: Sequence[Row[*tuple[object, ...]]]
) -> tuple[Incident, ...]:
    """Return the incidents in rows, with their updates."""
    found = await connection.execute(
        select(updates)
        .where(updates.c.incident.in_([row.id for row in rows]))
        .order_by(updates.c.incident, updates.c.number)
    )
    stories: dict[str, list[IncidentUpdate]] = defaultdict(list)
    for row in found:
        stories[row.incident].append(
            IncidentUpdate(
                at=row.at_us, status=Status(row.status), reasons=reasons_from_json(row.reasons)
            )
        )
    return tuple(
        Incident(
            id=IncidentId(row.id),
            service=ServiceId(row.service),
            started_at=row.started_at_us,
            ended_at=row.ended_at_us,
            worst=Status(row.worst),
            updates=tuple(stories[row.id]),
        )
        for row in rows
    )
