"""Reads what happened: evidence, transitions, incidents, and the state of components."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select

from tallylight.model.evidence import Evidence
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, StatusInterval, Transition
from tallylight.storage import (
    day_status,
    evidence,
    incidents,
    state_snapshots,
    transitions,
)
from tallylight.storage.engine import Connections
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.tables import component_state_table

_NO_LIMIT = 1_000_000  # more open incidents than any configuration has services


class StorageQueries:
    """The read side of the storage; each call sees one state of the database.

    What was added in the last second may not be stored yet, and is not seen.
    """

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        """Return the stored snapshot of every service that has one."""
        async with self.connections.read_transaction() as connection:
            return await state_snapshots.load_snapshots(connection)

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime
    ) -> AsyncIterator[EvidenceRecord]:
        """Yield the evidence that snapshots do not contain, in the order of its ids per service.

        Args:
            services: The services whose evidence is read.
            cursors: The id of the last evidence in the snapshot of each service that has one.
            since: The moment of recording from which services without a snapshot are read.
        """
        return evidence.evidence_after_cursors(self.connections, services, cursors, since)

    async def evidence_after(self, cursor: int) -> Sequence[EvidenceRecord]:
        """Return a page of the evidence of all services after an id, oldest first."""
        query = evidence.select_page_after(cursor, evidence.PAGE_SIZE)
        async with self.connections.read_transaction() as connection:
            return [
                EvidenceRecord(row.id, evidence.evidence_from_row(row))
                for row in await connection.execute(query)
            ]

    async def latest_cursor(self) -> int:
        """Return the id of the newest evidence."""
        async with self.connections.read_transaction() as connection:
            return await evidence.latest_id(connection)

    async def evidence(
        self,
        service: ServiceId | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Evidence, ...]:
        """Return evidence of [start, end), newest first.

        Without a start, the evidence of one service is searched within the last day before the end.
        """
        async with self.connections.read_transaction() as connection:
            return await evidence.latest_evidence(
                connection, service, start=start, end=end, limit=limit
            )

    async def transitions(
        self, service: ServiceId | None, start: datetime, end: datetime
    ) -> tuple[Transition, ...]:
        """Return the transitions that happened in [start, end), oldest first."""
        async with self.connections.read_transaction() as connection:
            return await transitions.transitions_between(connection, service, start, end)

    async def status_intervals(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, tuple[StatusInterval, ...]]:
        """Return the status of each service over [start, end) as intervals without gaps.

        Before its first transition a service is UNKNOWN.
        """
        async with self.connections.read_transaction() as connection:
            return await transitions.status_intervals(connection, services, start, end)

    async def status_seconds(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, Mapping[Status, float]]:
        """Return the seconds that each service spent in each status."""
        async with self.connections.read_transaction() as connection:
            return await day_status.status_seconds(connection, services, start, end)

    async def incidents(
        self,
        service: ServiceId | None = None,
        *,
        open_only: bool = False,
        start: datetime | None = None,
        limit: int = 50,
    ) -> tuple[Incident, ...]:
        """Return incidents that had not ended at `start`, latest start first."""
        async with self.connections.read_transaction() as connection:
            return await incidents.latest_incidents(
                connection, service, open_only=open_only, start=start, limit=limit
            )

    async def open_incidents(self) -> tuple[Incident, ...]:
        """Return all incidents that have not ended."""
        return await self.incidents(open_only=True, limit=_NO_LIMIT)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return the incident of an id, None if there is none."""
        async with self.connections.read_transaction() as connection:
            return await incidents.get_incident(connection, incident)

    async def evidence_pages(
        self, start: datetime, end: datetime
    ) -> AsyncIterator[tuple[Evidence, ...]]:
        """Yield all evidence of [start, end) in the order of its ids, a page at a time."""
        where = evidence.window_filter(start, end)
        async for page in evidence.row_pages(self.connections, where, after=0):
            yield tuple(map(evidence.evidence_from_row, page))

    async def component_state(self, name: str) -> str | None:
        """Return the stored state of a component, None if it has none."""
        async with self.connections.read_transaction() as connection:
            found: str | None = await connection.scalar(
                select(component_state_table.c.state).where(component_state_table.c.name == name)
            )
            return found
