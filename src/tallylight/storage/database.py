"""The storage as the rest of the program uses it.

`open_storage` brings the tables up to date and starts the tasks that write buffered evidence.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Never

from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.clock import Clock
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.outbox import OutboxMessage
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
from tallylight.storage.clock_ahead import (
    has_future_evidence,
    has_old_evidence_alone,
    set_future_aside,
)
from tallylight.storage.clock_trust import ClockTrust
from tallylight.storage.database_clock import (
    DatabaseClock,
    is_correction_due,
    open_database_clock,
)
from tallylight.storage.engine import (
    Connections,
    HeldLock,
    LockId,
    connect,
    upsert,
)
from tallylight.storage.evidence_buffer import EvidenceBuffer, running_buffer
from tallylight.storage.forwarded_evidence import ForwardedEvidence
from tallylight.storage.gateway_keys import GatewayKeys
from tallylight.storage.group_commit import GroupCommitter
from tallylight.storage.host_clocks import HostClocks
from tallylight.storage.leader_epoch import LeaderEpoch
from tallylight.storage.ledger import Ledger
from tallylight.storage.migration import upgrade_schema
from tallylight.storage.options import DEFAULT_POOL_SIZE, RetentionOptions
from tallylight.storage.outbox import Outbox, insert_messages
from tallylight.storage.queries import StorageQueries
from tallylight.storage.retention import RetentionStep
from tallylight.storage.tables import component_state_table
from tallylight.storage.transition_record import RetractedTransitions, TransitionRecord
from tallylight.storage.types import to_microseconds
from tallylight.storage.videos import Videos

_CLOCK_GAP = "clock_gap"
"""Name of the component state that says when the newest evidence was first found too old."""


class Storage(StorageQueries):
    """Reads and writes everything that is stored in one database."""

    def __init__(  # noqa: PLR0913, PLR0917  # only `open_storage` calls it
        self,
        connections: Connections,
        clock: DatabaseClock,
        leader_epoch: LeaderEpoch,
        buffer: EvidenceBuffer,
        forwarded_evidence: ForwardedEvidence,
        group_commit: GroupCommitter,
        buffer_task: asyncio.Task[Never],
    ) -> None:
        super().__init__(connections)
        self.clock = clock
        self.clock_trust = ClockTrust(clock)
        self._buffer = buffer
        self.leader_epoch = leader_epoch
        self._buffer_task = buffer_task
        self.ledger = Ledger(connections)
        self.attempts = Attempts(connections)
        self.videos = Videos(connections)
        self.characters = Characters(connections)
        self.keys = GatewayKeys(connections)
        self.outbox = Outbox(connections)
        self.group_commit = group_commit
        self.forwarded_evidence = forwarded_evidence

    def claim_leadership(self) -> AbstractAsyncContextManager[HeldLock | None]:
        """Try to become the only leader on this PostgreSQL; give None if another process is it."""
        return self.connections.try_lock(LockId.LEADER)

    def add_evidence(self, piece: Evidence) -> None:
        """Buffer evidence; it is written within about a second.

        A crash of the process loses what is buffered. A power cut also loses what the disk had not
        yet written.
        """
        self._buffer.add(piece)

    async def flush(self) -> None:
        """Write the buffered evidence, also what is forwarded to the leader.

        Raises:
            StorageError: if that failed; the evidence stays in the buffer.
        """
        await self._buffer.flush()
        await self.forwarded_evidence.buffer.flush()

    async def wait_for_buffer(self) -> None:
        """Wait until the task that writes the buffer ends, which only a defect of ours causes.

        Raises:
            StorageError: if it has ended; the log shows the defect.
        """
        # The shield keeps the task alive when the caller stops waiting.
        await asyncio.shield(self._buffer_task)

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        """Store transitions and the evidence buffered before them, in one durable transaction.

        Args:
            records: Called once, when this call may write. Returns, in their order, all transitions
                that the snapshots contain and that are not yet stored.

        Raises:
            StorageError: if that failed; the evidence stays in the buffer.
        """
        async with self._buffer.draining() as buffered:
            found = records()
            rows = {record.service: record.state for record in found}
            async with self.connections.durable_transaction(LockId.EVIDENCE) as connection:
                await self.leader_epoch.check(connection)
                cursor = await evidence.insert_evidence(connection, buffered)
                await state_snapshots.store_snapshots(connection, rows, cursor)
                for record in found:
                    if record.retracted is not None:
                        await _retract(connection, record.service, record.retracted)
                    if record.transition is not None:
                        await transitions.insert_transition(connection, record.transition)
                        await day_status.reopen_days(connection, record.transition.at)
                    if record.incident is not None:
                        await incidents.store_incident(connection, record.incident)

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store snapshots together with all evidence that they contain.

        Args:
            snapshot: Called once, when this call may write. What it returns must contain all
                evidence about its services that was buffered by then.

        Raises:
            StorageError: if that failed; the evidence stays in the buffer.
        """
        async with self._buffer.draining() as buffered:
            rows = snapshot()
            async with self.connections.relaxed_transaction(LockId.EVIDENCE) as connection:
                await self.leader_epoch.check(connection)
                cursor = await evidence.insert_evidence(connection, buffered)
                await state_snapshots.store_snapshots(connection, rows, cursor)

    async def forward_buffered(self) -> None:
        """Forward the buffered evidence to the process that is the leader now."""
        async with self._buffer.draining() as buffered:
            for _, piece in buffered:
                self.forwarded_evidence.forward(piece)

    async def save_component_state(
        self, name: str, state: str, messages: Sequence[OutboxMessage] = ()
    ) -> None:
        """Store the state of a component as text, with the messages that it caused.

        Raises:
            StorageError: if that failed, or if another process has become the leader.
        """
        async with self.connections.relaxed_transaction(LockId.EVIDENCE) as connection:
            await self.leader_epoch.check(connection)
            await connection.execute(
                upsert(connection, component_state_table), {"name": name, "state": state}
            )
            if messages:
                await connection.run_sync(insert_messages, messages)

    async def check_writable(self) -> None:
        """Write a row, and look whether the database is still the one that was opened.

        Raises:
            StorageError: if it cannot be written, or its file was deleted or replaced.
        """
        if self.connections.opened_file is not None:
            self.connections.opened_file.check()
        state = str(to_microseconds(self.clock.now()))
        async with self.connections.relaxed_transaction(LockId.PROCESS) as connection:
            await connection.execute(
                upsert(connection, component_state_table), {"name": "readiness", "state": state}
            )

    async def update_rollups(self) -> None:
        """Add new evidence to the rollups, and close the days that are over."""
        # Each batch is a transaction of its own, so that other writers wait only for one.
        while await self._fold_batch():
            pass
        while await self._close_day():
            pass

    async def needs_reopening(self, *, is_leader: bool) -> bool:
        """Tell whether the clock was set so that the process has to open the database anew.

        Args:
            is_leader: This process also looks for evidence that another clock has dated ahead.

        Raises:
            StorageError: if the database cannot be read.
        """
        if self.clock.is_own_reference:
            return False
        if self.connections.file is not None:
            self.clock.compare_wall_clock()
        if await is_correction_due(self.connections, self.clock):
            self.clock.host_clocks.stop_waiting()
            return True
        if not (is_leader and self.clock_trust.is_believed()):
            return False
        return await has_future_evidence(self.connections, self.clock.now())

    async def set_future_aside(self) -> None:
        """Mend rows whose times lie in the future, as far as the clock is believed.

        A gap before the present is remembered: what follows it may be dated by a wrong clock.

        Raises:
            StorageError: if the database cannot be reached.
        """
        now, is_believed = self.clock.now(), self.clock_trust.is_believed()
        await set_future_aside(self.connections, now, is_believed=is_believed)
        if await self.component_state(_CLOCK_GAP) is None:
            if not await has_old_evidence_alone(self.connections, now):
                return
            await self.save_component_state(_CLOCK_GAP, json.dumps(now.isoformat()))
        self.clock_trust.has_gap = True

    async def apply_retention(self, retention_policy: RetentionOptions) -> None:
        """Delete what is older than a policy keeps, unless the clock may be wrong."""
        if not self.clock_trust.may_delete():
            return
        now = self.clock.now()
        for step in retention.RETENTION_STEPS:
            while await self._delete_batch(step, retention_policy, now):
                pass

    async def _fold_batch(self) -> bool:
        async with self.connections.relaxed_transaction(LockId.ROLLUP) as connection:
            return await rollups.fold_batch(connection)

    async def _close_day(self) -> bool:
        async with self.connections.relaxed_transaction(LockId.EVIDENCE) as connection:
            return await day_status.close_oldest_day(connection, self.clock.now())

    async def _delete_batch(
        self, step: RetentionStep, policy: RetentionOptions, now: datetime
    ) -> bool:
        async with self.connections.relaxed_transaction(step.lock) as connection:
            return await step.delete_batch(connection, policy, now)


@asynccontextmanager
async def open_storage(
    address: str,
    clock: Clock,
    pool_size: int = DEFAULT_POOL_SIZE,
    host_clocks: HostClocks | None = None,
) -> AsyncIterator[Storage]:
    """Open the database at an address; create its tables or bring them up to date.

    Args:
        address: "sqlite:///relative/path", "sqlite:////absolute/path" or "postgresql://…".
        clock: The process's clock; the storage's own one is anchored to the database's time.
        pool_size: Connections to PostgreSQL that transactions use at most.
        host_clocks: What this process has heard from other hosts before; None for nothing.

    Raises:
        ConfigurationError: if the address has another form.
        StorageError: if the database cannot be reached, or a newer version has written it.
    """
    connections = connect(address, pool_size)
    try:
        await upgrade_schema(connections)
        if connections.opened_file is not None:
            connections.opened_file.remember()
        host_clocks = host_clocks or HostClocks(clock)
        clock = await open_database_clock(connections, clock, host_clocks)
        leader_epoch = LeaderEpoch(connections)
        buffer = EvidenceBuffer(connections, clock, guard=leader_epoch.check)
        forwarded = ForwardedEvidence(connections, clock, buffer.flush)
        group_commit = GroupCommitter(connections)
        async with (
            group_commit.running(),
            running_buffer(forwarded.buffer, "forwarded evidence buffer"),
            running_buffer(buffer, "evidence buffer") as buffer_task,
        ):
            yield Storage(
                connections,
                clock,
                leader_epoch,
                buffer,
                forwarded,
                group_commit,
                buffer_task,
            )
    finally:
        await connections.close()


async def _retract(
    connection: AsyncConnection, service: ServiceId, retracted: RetractedTransitions
) -> None:
    first = await transitions.retract_newest(connection, service, retracted.count, retracted.at)
    if first is not None:
        await day_status.reopen_days(connection, first)
    if retracted.incident is not None:
        await incidents.remove_incident(connection, retracted.incident)
