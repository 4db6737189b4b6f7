"""Reads what happened: evidence, transitions, incidents, and the state of components."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, select

from tallylight.model.evidence import Evidence
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.job_totals import JobTotals
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, StatusInterval, Transition
from tallylight.storage import (
    day_status,
    evidence,
    incidents,
    rollups,
    transitions,
)
from tallylight.storage.attempts import Attempts
from tallylight.storage.engine import Connections
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.tables import (
    component_state_table,
    evidence_table,
    incidents_table,
    state_snapshots_table,
    transitions_table,
)
from tallylight.storage.types import MICROSECOND, from_microseconds, to_microseconds

#: How far back the newest evidence of one service is searched. The search has no index, and a day
#: of 1,000 services that are probed every 60 s is 1.4 million rows.
_SEARCH_WINDOW = timedelta(days=1)
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
            found = await connection.execute(select(state_snapshots_table))
            return {
                ServiceId(row.service): StateSnapshot(row.state, int(row.cursor)) for row in found
            }

    async def removed_services(
        self, configured: Collection[ServiceId]
    ) -> Mapping[ServiceId, datetime]:
        """Return the services that have a history but are not configured, by id.

        The value is when they were last monitored: a state is stored with its service's removal,
        or, if the process was killed, up to 15 minutes before.
        """
        columns = state_snapshots_table.c
        query = select(columns.service, columns.cursor).where(columns.cursor > 0)
        async with self.connections.read_transaction() as connection:
            return {
                ServiceId(row.service): from_microseconds(row.cursor)
                for row in await connection.execute(query.order_by(columns.service))
                if row.service not in configured
            }

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
        ids = evidence_table.c.id
        where = evidence.window_filter(start, end)
        if service is not None:
            where.append(evidence_table.c.service == service)
        async with self.connections.read_transaction() as connection:
            if service is not None and start is None:
                until = await evidence.latest_id(connection)
                if end is not None:
                    until = min(until, to_microseconds(end + evidence.MAX_DELAY))
                where.append(ids > until - _SEARCH_WINDOW // MICROSECOND)
            query = select(evidence_table).where(*where).order_by(ids.desc()).limit(limit)
            pieces = map(evidence.evidence_from_row, await connection.execute(query))
            return tuple(sorted(pieces, key=lambda piece: piece.at, reverse=True))

    async def transitions(
        self, service: ServiceId | None, start: datetime, end: datetime
    ) -> tuple[Transition, ...]:
        """Return the transitions that happened in [start, end), oldest first."""
        columns = transitions_table.c
        query = select(transitions_table).where(
            columns.at_us >= start, columns.at_us < end, transitions.STANDS
        )
        if service is not None:
            query = query.where(columns.service == service)
        query = query.order_by(columns.at_us, columns.id, columns.service)
        async with self.connections.read_transaction() as connection:
            return tuple(map(transitions.transition_from_row, await connection.execute(query)))

    async def retracted(
        self, beginnings: Collection[tuple[ServiceId, datetime]]
    ) -> frozenset[tuple[ServiceId, datetime]]:
        """Return those of some services' verdicts, by their beginning, that were taken back."""
        if not beginnings:
            return frozenset()
        columns = transitions_table.c
        query = select(columns.service, columns.after_since_us).where(
            columns.at_us >= min(since for _, since in beginnings), ~transitions.STANDS
        )
        async with self.connections.read_transaction() as connection:
            rows = await connection.execute(query)
            found = {(ServiceId(row.service), row.after_since_us) for row in rows}
        return frozenset(each for each in beginnings if each in found)

    async def status_intervals(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, tuple[StatusInterval, ...]]:
        """Return the status of each service over [start, end), without gaps from its first look.

        Before its first transition a service was not monitored, and has no interval.
        """
        async with self.connections.read_transaction() as connection:
            return await transitions.status_intervals(connection, services, start, end)

    async def status_seconds(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, Mapping[Status, float]]:
        """Return the seconds that each service spent in each status."""
        async with self.connections.read_transaction() as connection:
            return await day_status.status_seconds(connection, services, start, end)

    async def job_totals(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, JobTotals]:
        """Return what each service's jobs came to; services without any are left out.

        Up to a week whole hours count, over more whole days.
        """
        async with self.connections.read_transaction() as connection:
            return await rollups.job_totals(connection, services, start, end)

    async def incidents(
        self,
        service: ServiceId | None = None,
        *,
        open_only: bool = False,
        start: datetime | None = None,
        limit: int = 50,
    ) -> tuple[Incident, ...]:
        """Return incidents that had not ended at `start`, latest start first."""
        columns = incidents_table.c
        query = select(incidents_table).order_by(columns.started_at_us.desc(), columns.id)
        if service is not None:
            query = query.where(columns.service == service)
        if open_only:
            query = query.where(columns.ended_at_us.is_(None))
        if start is not None:
            query = query.where(columns.ended_at_us.is_(None) | (columns.ended_at_us > start))
        return await self._incidents(query.limit(limit))

    async def had_jobs(
        self, services: Collection[ServiceId], at: datetime, within: timedelta
    ) -> bool:
        """Tell whether some services had jobs of ours at a moment, or shortly before."""
        return await Attempts(self.connections).had_jobs(services, at, within)

    async def open_incidents(self) -> tuple[Incident, ...]:
        """Return all incidents that have not ended."""
        return await self.incidents(open_only=True, limit=_NO_LIMIT)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return the incident of an id, None if there is none."""
        query = select(incidents_table).where(incidents_table.c.id == incident)
        return next(iter(await self._incidents(query)), None)

    async def statuses_before(self, found: Sequence[Incident]) -> Mapping[IncidentId, Status]:
        """Return the status that each incident began from; those not known are left out."""
        columns = transitions_table.c
        query = select(columns.service, columns.at_us, columns.before_status).where(
            columns.at_us.in_([each.started_at for each in found]), transitions.STANDS
        )
        async with self.connections.read_transaction() as connection:
            rows = (await connection.execute(query)).all()
        before = {(row.service, row.at_us): Status(row.before_status) for row in rows}
        keys = {each.id: (each.service, each.started_at) for each in found}
        return {id_: before[key] for id_, key in keys.items() if key in before}

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

    async def _incidents(self, query: Select[*tuple[object, ...]]) -> tuple[Incident, ...]:
        async with self.connections.read_transaction() as connection:
            rows = (await connection.execute(query)).all()
            return await incidents.incidents_from_rows(connection, rows)
