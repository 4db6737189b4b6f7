"""The history as the rest of the house sees it: noted, recorded, asked.

`open_history` brings the tables up to date and keeps the writer running. Questions see what is
stored; what was noted in the last second may not be.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Never

import structlog
from sqlalchemy import select

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, StatusInterval, Transition
from tallylight.storage import (
    day_status,
    evidence,
    incidents,
    retention,
    rollups,
    state_snapshots,
    transitions,
)
from tallylight.storage.attempts import Attempts
from tallylight.storage.characters import Characters
from tallylight.storage.engine import (
    Connections,
    HeldLock,
    LockId,
    connect,
    run_to_completion,
    upsert,
)
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.evidence_buffer import EvidenceBuffer
from tallylight.storage.forwarded_evidence import ForwardedEvidence
from tallylight.storage.gateway_keys import GatewayKeys
from tallylight.storage.group_commit import GroupCommitter
from tallylight.storage.leader_epoch import LeaderEpoch
from tallylight.storage.ledger import Ledger
from tallylight.storage.migration import upgrade_schema
from tallylight.storage.outbox import Outbox
from tallylight.storage.retention import Retention
from tallylight.storage.rollups import Grain, Rollup
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.tables import component_state_table
from tallylight.storage.transition_record import TransitionRecord
from tallylight.storage.videos import Videos

log = structlog.get_logger(__name__)

_NO_LIMIT = 1_000_000  # more open incidents than anybody has services


class Storage:
    """What happened."""

    def __init__(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
        self,
        connections: Connections,
        clock: Clock,
        leader_epoch: LeaderEpoch,
        buffer: EvidenceBuffer,
        forwarded_evidence: ForwardedEvidence,
        buffer_task: asyncio.Task[Never],
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._buffer = buffer
        self.leader_epoch = leader_epoch
        self._buffer_task = buffer_task
        self.ledger = Ledger(connections)
        self.attempts = Attempts(connections)
        self.videos = Videos(connections)
        self.characters = Characters(connections)
        self.keys = GatewayKeys(connections)
        self.outbox = Outbox(connections)
        self.group_commit = GroupCommitter(connections)
        self.forwarded_evidence = forwarded_evidence

    def claim_leadership(self) -> AbstractAsyncContextManager[HeldLock | None]:
        """Try to be the one process that judges by this PostgreSQL; give None if another is."""
        return self._connections.try_lock(LockId.LEADER)

    # What comes in.

    def add_evidence(self, piece: Evidence) -> None:
        """Keep evidence; it is stored within a second or so.

        A crash of the process loses what waits, a power cut what the disk had not yet taken.
        """
        self._buffer.add(piece)

    async def flush(self) -> None:
        """Store what is noted.

        Raises:
            StorageError: if that was not possible; it is kept for later.
        """
        await self._buffer.flush()

    async def wait_for_buffer(self) -> None:
        """Wait as long as what is noted gets stored, which is for ever.

        Raises:
            StorageError: if a defect of ours ended that; the log shows it.
        """
        # Whoever gives up waiting must not end the storing.
        await asyncio.shield(self._buffer_task)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        """Store transitions with what is noted so far: all or nothing, durable on return.

        Args:
            records: Is called once, when it is this call's turn to write; what it returns are all
                transitions that are in the snapshots and not yet stored, in their order.

        Raises:
            StorageError: if that was not possible; what was noted is kept for later.
        """
        async with self._buffer.draining() as noted:
            found = records()
            rows = {record.service: record.state for record in found}
            async with self._connections.durable_transaction(LockId.EVIDENCE) as connection:
                await self.leader_epoch.check(connection)
                folded = await evidence.insert_evidence(connection, noted)
                await state_snapshots.store_snapshots(connection, rows, folded)
                for record in found:
                    if record.transition is not None:
                        await transitions.insert_transition(connection, record.transition)
                        await day_status.reopen_days(connection, record.transition.at)
                    if record.incident is not None:
                        await incidents.store_incident(connection, record.incident)

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store snapshots together with all evidence that is in them.

        Args:
            snapshot: Is called once, when it is this call's turn to write; what it returns must
                contain all evidence about its services that was noted by then.

        Raises:
            StorageError: if that was not possible; what was noted is kept for later.
        """
        async with self._buffer.draining() as noted:
            rows = snapshot()
            async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                await self.leader_epoch.check(connection)
                folded = await evidence.insert_evidence(connection, noted)
                await state_snapshots.store_snapshots(connection, rows, folded)

    async def forward_buffered(self) -> None:
        """Give what is noted and not yet stored to the process that judges now."""
        async with self._buffer.draining() as noted:
            for _, piece in noted:
                self.forwarded_evidence.forward(piece)

    # What is asked.

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        """Return the stored snapshot of every service that has one."""
        async with self._connections.read_transaction() as connection:
            return await state_snapshots.load_snapshots(connection)

    def replay(
        self, services: Collection[ServiceId], cursors: Mapping[ServiceId, int], since: datetime
    ) -> AsyncIterator[EvidenceRecord]:
        """Yield what snapshots do not contain, of each service in the order of its noting.

        Args:
            services: About whom.
            folded: The last that is in the snapshot of each that has one.
            since: Leave out what was noted before, for services that have none.
        """
        return evidence.evidence_after_cursors(self._connections, services, cursors, since)

    async def evidence_after(self, cursor: int) -> Sequence[EvidenceRecord]:
        """Return a page of the evidence of all services that follows an id, oldest first."""
        return await evidence.evidence_after(self._connections, cursor)

    async def latest_cursor(self) -> int:
        """Return the id of the evidence that was stored last."""
        async with self._connections.read_transaction() as connection:
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

        Without a start, one service's is looked for within the last day before the end.
        """
        async with self._connections.read_transaction() as connection:
            return await evidence.latest_evidence(
                connection, service, start=start, end=end, limit=limit
            )

    async def transitions(
        self, service: ServiceId | None, start: datetime, end: datetime
    ) -> tuple[Transition, ...]:
        """Return the transitions that happened in [start, end), oldest first."""
        async with self._connections.read_transaction() as connection:
            return await transitions.transitions_between(connection, service, start, end)

    async def status_intervals(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, tuple[StatusInterval, ...]]:
        """Return what each service was in every moment of [start, end).

        The spells tile the window; before the first transition a service is UNKNOWN.
        """
        async with self._connections.read_transaction() as connection:
            return await transitions.status_intervals(connection, services, start, end)

    async def status_seconds(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, Mapping[Status, float]]:
        """Return the sums of the spells in seconds, read from closed days as far as they go."""
        async with self._connections.read_transaction() as connection:
            return await day_status.status_seconds(connection, services, start, end)

    async def incidents(
        self,
        service: ServiceId | None = None,
        *,
        open_only: bool = False,
        start: datetime | None = None,
        limit: int = 50,
    ) -> tuple[Incident, ...]:
        """Return incidents that had not ended by `start`, the last begun first."""
        async with self._connections.read_transaction() as connection:
            return await incidents.latest_incidents(
                connection, service, open_only=open_only, start=start, limit=limit
            )

    async def open_incidents(self) -> tuple[Incident, ...]:
        """Return all incidents that have not ended."""
        return await self.incidents(open_only=True, limit=_NO_LIMIT)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return the incident of an id, None if there is none."""
        async with self._connections.read_transaction() as connection:
            return await incidents.get_incident(connection, incident)

    async def rollups(
        self, grain: Grain, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> tuple[Rollup, ...]:
        """Return the rollups of stretches that begin in [start, end), oldest first."""
        async with self._connections.read_transaction() as connection:
            return await rollups.rollups_between(connection, grain, services, start, end)

    def evidence_pages(self, start: datetime, end: datetime) -> AsyncIterator[tuple[Evidence, ...]]:
        """Yield all evidence of [start, end) in the order of its noting, a page at a time."""
        return evidence.evidence_pages(self._connections, start, end)

    # What a room remembers for itself.

    async def component_state(self, name: str) -> str | None:
        """Return the text that was kept under a name, None if none was."""
        async with self._connections.read_transaction() as connection:
            found: str | None = await connection.scalar(
                select(component_state_table.c.state).where(component_state_table.c.name == name)
            )
            return found

    async def save_component_state(self, name: str, state: str) -> None:
        """Keep a text under a name in place of the former one."""
        async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
            await connection.execute(
                upsert(connection, component_state_table), {"name": name, "state": state}
            )

    # Upkeep.

    async def update_rollups(self) -> None:
        """Sum up what is not yet in the rollups, and close the days that are over."""
        # Each portion is a transaction of its own: between them, others get their turn.
        while await self._fold_batch():
            pass
        while await self._close_day():
            pass

    async def apply_retention(self, retention_policy: Retention) -> None:
        """Delete what is older than a policy keeps."""
        while await self._delete_batch(retention_policy):
            pass

    async def _fold_batch(self) -> bool:
        async with self._connections.relaxed_transaction(LockId.ROLLUP) as connection:
            return await rollups.fold_batch(connection)

    async def _close_day(self) -> bool:
        async with self._connections.relaxed_transaction(LockId.EVIDENCE) as connection:
            return await day_status.close_oldest_day(connection, self._clock.now())

    async def _delete_batch(self, policy: Retention) -> bool:
        now = self._clock.now()
        async with self._connections.relaxed_transaction(LockId.ROLLUP) as connection:
            was_evidence = await retention.delete_old_evidence(connection, policy, now)
            was_rollup = await retention.delete_old_rollups(connection, policy, now)
        return was_evidence or was_rollup


@asynccontextmanager
async def open_storage(address: str, clock: Clock) -> AsyncIterator[Storage]:
    """Open the history at a database's address, its tables made or brought up to date.

    Args:
        address: "sqlite:///relative/path", "sqlite:////absolute/path" or "postgresql://…".
        clock: When it is.

    Raises:
        ConfigurationError: if the address is not one of these.
        StorageError: if the database cannot be reached or was written by a newer version.
    """
    connections = connect(address)
    try:
        await upgrade_schema(connections)
        judgeship = LeaderEpoch(connections)
        writer = EvidenceBuffer(connections, clock, guard=judgeship.check)
        hearsay = ForwardedEvidence(connections, clock, writer.flush)
        # No TaskGroup: it would wrap what the body raises.
        storing = asyncio.create_task(_run_buffer(writer), name="history writer")
        telling = asyncio.create_task(_run_buffer(hearsay.buffer), name="hearsay writer")
        try:
            yield Storage(connections, clock, judgeship, writer, hearsay, storing)
        finally:
            # Or whoever is cancelled meanwhile would lose what waits to be stored.
            await run_to_completion(_stop_buffers((storing, writer), (telling, hearsay.buffer)))
    finally:
        await connections.close()


async def _stop_buffers(*writers: tuple[asyncio.Task[Never], EvidenceBuffer]) -> None:
    for task, writer in writers:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # a defect has been logged
        await _final_flush(writer)


async def _run_buffer(buffer: EvidenceBuffer) -> Never:
    try:
        await buffer.run()
    except Exception as error:
        log.exception("history.writer_failed", waiting=buffer.pending)
        raise StorageError(
            "database: evidence is no longer stored, by a defect of tallylight; its log shows which"
        ) from error


async def _final_flush(buffer: EvidenceBuffer) -> None:
    try:
        await buffer.flush()
    except StorageError as error:
        log.error(  # noqa: TRY400  # the trace would add nothing
            "evidence.lost", lost=buffer.pending, dropped=buffer.dropped, error=str(error)
        )
