"""Stores incidents with their updates, and reads them."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import ColumnElement, Row, delete, insert, select
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


async def latest_incidents(
    connection: AsyncConnection,
    service: ServiceId | None,
    *,
    open_only: bool,
    start: datetime | None,
    limit: int,
) -> tuple[Incident, ...]:
    """Return incidents that had not ended at `start`, latest start first."""
    where: list[ColumnElement[bool]] = []
    if service is not None:
        where.append(table.c.service == service)
    if open_only:
        where.append(table.c.ended_at_us.is_(None))
    if start is not None:
        where.append(table.c.ended_at_us.is_(None) | (table.c.ended_at_us > start))
    found = await connection.execute(
        select(table).where(*where).order_by(table.c.started_at_us.desc(), table.c.id).limit(limit)
    )
    return await _with_updates(connection, list(found))


async def get_incident(connection: AsyncConnection, incident: IncidentId) -> Incident | None:
    """Return the incident of an id, None if there is none."""
    found = await connection.execute(select(table).where(table.c.id == incident))
    return next(iter(await _with_updates(connection, list(found))), None)


async def _with_updates(
    connection: AsyncConnection, rows: list[Row[*tuple[object, ...]]]
) -> tuple[Incident, ...]:
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
