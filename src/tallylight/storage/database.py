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
from tallylight.storage.engine import Connections, Held, Turn, connect, unbroken, upsert
from tallylight.storage.evidence import Noted
from tallylight.storage.evidence_buffer import Writer
from tallylight.storage.forwarded_evidence import Hearsay
from tallylight.storage.gateway_keys import GatewayKeys
from tallylight.storage.group_commit import Journal
from tallylight.storage.leader_epoch import Judgeship
from tallylight.storage.ledger import Ledger
from tallylight.storage.migration import bring_up_to_date
from tallylight.storage.outbox import Outbox
from tallylight.storage.retention import Retention
from tallylight.storage.rollups import Grain, Rollup
from tallylight.storage.state_snapshots import Snapshot
from tallylight.storage.tables import memos
from tallylight.storage.transition_record import Record
from tallylight.storage.videos import Videos

log = structlog.get_logger(__name__)

_ALL = 1_000_000  # more open incidents than anybody has services


class History:
    """What happened."""

    def __init__(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
        self,
        connections: Connections,
        clock: Clock,
        judgeship: Judgeship,
        writer: Writer,
        hearsay: Hearsay,
        storing: asyncio.Task[Never],
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._writer = writer
        self.judgeship = judgeship
        self._storing = storing
        self.ledger = Ledger(connections)
        self.attempts = Attempts(connections)
        self.videos = Videos(connections)
        self.characters = Characters(connections)
        self.keys = GatewayKeys(connections)
        self.outbox = Outbox(connections)
        self.journal = Journal(connections)
        self.hearsay = hearsay

    def claim_judging(self) -> AbstractAsyncContextManager[Held | None]:
        """Try to be the one process that judges by this PostgreSQL; give None if another is."""
        return self._connections.claim(Turn.JUDGE)

    # What comes in.

    def note(self, piece: Evidence) -> None:
        """Keep evidence; it is stored within a second or so.

        A crash of the process loses what waits, a power cut what the disk had not yet taken.
        """
        self._writer.note(piece)

    async def flush(self) -> None:
        """Store what is noted.

        Raises:
            StorageError: if that was not possible; it is kept for later.
        """
        await self._writer.flush()

    async def storing(self) -> None:
        """Wait as long as what is noted gets stored, which is for ever.

        Raises:
            StorageError: if a defect of ours ended that; the log shows it.
        """
        # Whoever gives up waiting must not end the storing.
        await asyncio.shield(self._storing)

    async def record(self, records: Callable[[], Sequence[Record]]) -> None:
        """Store transitions with what is noted so far: all or nothing, durable on return.

        Args:
            records: Is called once, when it is this call's turn to write; what it returns are all
                transitions that are in the snapshots and not yet stored, in their order.

        Raises:
            StorageError: if that was not possible; what was noted is kept for later.
        """
        async with self._writer.lending() as noted:
            found = records()
            rows = {record.service: record.standing for record in found}
            async with self._connections.writing(Turn.EVIDENCE) as connection:
                await self.judgeship.guard(connection)
                folded = await evidence.append(connection, noted)
                await state_snapshots.store(connection, rows, folded)
                for record in found:
                    if record.transition is not None:
                        await transitions.append(connection, record.transition)
                        await day_status.reopen(connection, record.transition.at)
                    if record.incident is not None:
                        await incidents.store(connection, record.incident)

    async def save_standings(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        """Store snapshots together with all evidence that is in them.

        Args:
            snapshot: Is called once, when it is this call's turn to write; what it returns must
                contain all evidence about its services that was noted by then.

        Raises:
            StorageError: if that was not possible; what was noted is kept for later.
        """
        async with self._writer.lending() as noted:
            rows = snapshot()
            async with self._connections.noting(Turn.EVIDENCE) as connection:
                await self.judgeship.guard(connection)
                folded = await evidence.append(connection, noted)
                await state_snapshots.store(connection, rows, folded)

    async def leave_to_others(self) -> None:
        """Give what is noted and not yet stored to the process that judges now."""
        async with self._writer.lending() as noted:
            for _, piece in noted:
                self.hearsay.tell(piece)

    # What is asked.

    async def standings(self) -> Mapping[ServiceId, Snapshot]:
        """Return the stored snapshot of every service that has one."""
        async with self._connections.reading() as connection:
            return await state_snapshots.stored(connection)

    def replay(
        self, services: Collection[ServiceId], folded: Mapping[ServiceId, int], since: datetime
    ) -> AsyncIterator[Noted]:
        """Yield what snapshots do not contain, of each service in the order of its noting.

        Args:
            services: About whom.
            folded: The last that is in the snapshot of each that has one.
            since: Leave out what was noted before, for services that have none.
        """
        return evidence.unfolded(self._connections, services, folded, since)

    async def following(self, mark: int) -> Sequence[Noted]:
        """Return a page of the evidence of all services that follows an id, oldest first."""
        return await evidence.following(self._connections, mark)

    async def newest_mark(self) -> int:
        """Return the id of the evidence that was stored last."""
        async with self._connections.reading() as connection:
            return await evidence.newest_id(connection)

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
        async with self._connections.reading() as connection:
            return await evidence.newest(connection, service, start=start, end=end, limit=limit)

    async def transitions(
        self, service: ServiceId | None, start: datetime, end: datetime
    ) -> tuple[Transition, ...]:
        """Return the transitions that happened in [start, end), oldest first."""
        async with self._connections.reading() as connection:
            return await transitions.between(connection, service, start, end)

    async def spells(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, tuple[StatusInterval, ...]]:
        """Return what each service was in every moment of [start, end).

        The spells tile the window; before the first transition a service is UNKNOWN.
        """
        async with self._connections.reading() as connection:
            return await transitions.spells(connection, services, start, end)

    async def status_seconds(
        self, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> Mapping[ServiceId, Mapping[Status, float]]:
        """Return the sums of the spells in seconds, read from closed days as far as they go."""
        async with self._connections.reading() as connection:
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
        async with self._connections.reading() as connection:
            return await incidents.newest(
                connection, service, open_only=open_only, start=start, limit=limit
            )

    async def open_incidents(self) -> tuple[Incident, ...]:
        """Return all incidents that have not ended."""
        return await self.incidents(open_only=True, limit=_ALL)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return the incident of an id, None if there is none."""
        async with self._connections.reading() as connection:
            return await incidents.one(connection, incident)

    async def rollups(
        self, grain: Grain, services: Collection[ServiceId], start: datetime, end: datetime
    ) -> tuple[Rollup, ...]:
        """Return the rollups of stretches that begin in [start, end), oldest first."""
        async with self._connections.reading() as connection:
            return await rollups.between(connection, grain, services, start, end)

    def evidence_pages(self, start: datetime, end: datetime) -> AsyncIterator[tuple[Evidence, ...]]:
        """Yield all evidence of [start, end) in the order of its noting, a page at a time."""
        return evidence.window_pages(self._connections, start, end)

    # What a room remembers for itself.

    async def memo(self, name: str) -> str | None:
        """Return the text that was kept under a name, None if none was."""
        async with self._connections.reading() as connection:
            found: str | None = await connection.scalar(
                select(memos.c.text).where(memos.c.name == name)
            )
            return found

    async def keep_memo(self, name: str, text: str) -> None:
        """Keep a text under a name in place of the former one."""
        async with self._connections.noting(Turn.EVIDENCE) as connection:
            await connection.execute(upsert(connection, memos), {"name": name, "text": text})

    # Upkeep.

    async def fold(self) -> None:
        """Sum up what is not yet in the rollups, and close the days that are over."""
        # Each portion is a transaction of its own: between them, others get their turn.
        while await self._fold_portion():
            pass
        while await self._close_day():
            pass

    async def forget(self, policy: Retention) -> None:
        """Delete what is older than a policy keeps."""
        while await self._forget_portion(policy):
            pass

    async def _fold_portion(self) -> bool:
        async with self._connections.noting(Turn.FOLD) as connection:
            return await rollups.fold(connection)

    async def _close_day(self) -> bool:
        async with self._connections.noting(Turn.EVIDENCE) as connection:
            return await day_status.close_one(connection, self._clock.now())

    async def _forget_portion(self, policy: Retention) -> bool:
        now = self._clock.now()
        async with self._connections.noting(Turn.FOLD) as connection:
            was_evidence = await retention.forget_evidence(connection, policy, now)
            was_rollup = await retention.forget_rollups(connection, policy, now)
        return was_evidence or was_rollup


@asynccontextmanager
async def open_history(address: str, clock: Clock) -> AsyncIterator[History]:
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
        await bring_up_to_date(connections)
        judgeship = Judgeship(connections)
        writer = Writer(connections, clock, guard=judgeship.guard)
        hearsay = Hearsay(connections, clock, writer.flush)
        # No TaskGroup: it would wrap what the body raises.
        storing = asyncio.create_task(_keep_storing(writer), name="history writer")
        telling = asyncio.create_task(_keep_storing(hearsay.writer), name="hearsay writer")
        try:
            yield History(connections, clock, judgeship, writer, hearsay, storing)
        finally:
            # Or whoever is cancelled meanwhile would lose what waits to be stored.
            await unbroken(_end_writing((storing, writer), (telling, hearsay.writer)))
    finally:
        await connections.close()


async def _end_writing(*writers: tuple[asyncio.Task[Never], Writer]) -> None:
    for task, writer in writers:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # a defect has been logged
        await _flush_last(writer)


async def _keep_storing(writer: Writer) -> Never:
    try:
        await writer.run()
    except Exception as error:
        log.exception("history.writer_failed", waiting=writer.waiting)
        raise StorageError(
            "database: evidence is no longer stored, by a defect of tallylight; its log shows which"
        ) from error


async def _flush_last(writer: Writer) -> None:
    try:
        await writer.flush()
    except StorageError as error:
        log.error(  # noqa: TRY400  # the trace would add nothing
            "evidence.lost", lost=writer.waiting, dropped=writer.dropped, error=str(error)
        )
