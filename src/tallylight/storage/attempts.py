"""Attempts: submissions of an order to one service, each recorded before it is sent.

A crash between the upstream's acceptance and our record of it cannot be ruled out. The row that
is written before the request makes it visible: an attempt that is still `intended` after a crash
may have been sent and billed. ::

    intended ──► accepted ──► delivered
       │  ╲         ▲  ╲
       │   ╲        │   ╲──► failed
       │    ╲──► in_doubt ──► failed
       ▼            │
    refused ◄───────┘

`refused`, `delivered` and `failed` are final: no statement here changes such a row.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, LedgerEntry, Purpose
from tallylight.storage.attempt_rows import attempt_from_row, attempt_values
from tallylight.storage.engine import Connections, LockId
from tallylight.storage.ledger import entries_of
from tallylight.storage.tables import attempts_table as table
from tallylight.storage.tables import videos_table
from tallylight.storage.types import failure_values

_ALLOWED_FROM: Mapping[AttemptState, tuple[AttemptState, ...]] = {
    AttemptState.ACCEPTED: (AttemptState.INTENDED, AttemptState.IN_DOUBT),
    AttemptState.REFUSED: (AttemptState.INTENDED, AttemptState.IN_DOUBT),
    AttemptState.IN_DOUBT: (AttemptState.INTENDED,),
    AttemptState.DELIVERED: (AttemptState.ACCEPTED,),
    AttemptState.FAILED: (AttemptState.ACCEPTED, AttemptState.IN_DOUBT),
}


class VideoAttempts(NamedTuple):
    """The attempts at one video.

    Args:
        attempts: All attempts, oldest first.
        entries: Their ledger entries.
    """

    attempts: tuple[Attempt, ...]
    entries: Mapping[EntryId, LedgerEntry]


class Attempts:
    """Reads and writes attempts; every change is durable when its call returns."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, attempt: Attempt) -> None:
        """Record an attempt; it may be sent only after this returns."""
        async with self._connections.durable_transaction(LockId.ATTEMPT) as connection:
            await connection.execute(insert(table), attempt_values(attempt))

    async def mark_accepted(self, attempt: AttemptId, job: str, at: datetime) -> Attempt:
        """Record that the upstream has a job for it."""
        return await self._transition(attempt, AttemptState.ACCEPTED, job=job, accepted_at_us=at)

    async def mark_refused(self, attempt: AttemptId, failure: Failure, at: datetime) -> Attempt:
        """Record that the upstream has no job for it."""
        return await self._transition(
            attempt, AttemptState.REFUSED, ended_at_us=at, **failure_values(failure)
        )

    async def mark_in_doubt(self, attempt: AttemptId, reason: str) -> Attempt:
        """Record that it is not known whether it was accepted."""
        return await self._transition(attempt, AttemptState.IN_DOUBT, doubt=reason)

    async def mark_delivered(self, attempt: AttemptId, at: datetime) -> Attempt:
        """Record that its video was delivered."""
        return await self._transition(attempt, AttemptState.DELIVERED, ended_at_us=at)

    async def mark_failed(self, attempt: AttemptId, failure: Failure, at: datetime) -> Attempt:
        """Record that it will deliver no video."""
        return await self._transition(
            attempt, AttemptState.FAILED, ended_at_us=at, **failure_values(failure)
        )

    async def get(self, attempt: AttemptId) -> Attempt | None:
        """Return the attempt of an id, None if there is none."""
        return next(iter(await self._select(table.c.id == attempt)), None)

    async def unfinished(self, purpose: Purpose) -> tuple[Attempt, ...]:
        """Return the attempts that are intended, accepted or in doubt, oldest first."""
        return await self._select(table.c.ended_at_us.is_(None), table.c.purpose == purpose.value)

    async def for_video(self, video: VideoId) -> tuple[Attempt, ...]:
        """Return all attempts at a video, oldest first."""
        return await self._select(table.c.video == video)

    async def jobs_of_other_attempts(
        self, services: Collection[ServiceId], jobs: Collection[str], attempt: AttemptId
    ) -> frozenset[str]:
        """Return which of some jobs at some services belong to another attempt."""
        query = select(table.c.job).where(
            table.c.service.in_(services), table.c.job.in_(jobs), table.c.id != attempt
        )
        async with self._connections.read_transaction() as connection:
            return frozenset(await connection.scalars(query))

    async def unanswered_since(
        self, services: Collection[ServiceId], prompt: str, since: datetime, attempt: AttemptId
    ) -> tuple[datetime, ...]:
        """Return when other attempts with the same prompt, still unanswered, were intended.

        Args:
            services: The services that they were sent to.
            prompt: Their prompt.
            since: Attempts that were intended earlier do not count: no answer is awaited any more.
            attempt: The attempt that does not count.
        """
        query = (
            select(table.c.intended_at_us)
            .outerjoin(videos_table, videos_table.c.id == table.c.video)
            .where(
                table.c.ended_at_us.is_(None),
                table.c.intended_at_us >= since,
                table.c.state == AttemptState.INTENDED.value,
                table.c.service.in_(services),
                func.coalesce(videos_table.c.prompt, table.c.prompt) == prompt,
                table.c.id != attempt,
            )
        )
        async with self._connections.read_transaction() as connection:
            return tuple(await connection.scalars(query))

    async def last_intended(self, purpose: Purpose) -> Mapping[ServiceId, datetime]:
        """Return when each service's newest attempt for a purpose was intended."""
        newest = (
            select(table.c.service, func.max(table.c.intended_at_us))
            .where(table.c.purpose == purpose.value)
            .group_by(table.c.service)
        )
        async with self._connections.read_transaction() as connection:
            return {ServiceId(name): at for name, at in await connection.execute(newest)}

    async def _select(self, *where: ColumnElement[bool]) -> tuple[Attempt, ...]:
        async with self._connections.read_transaction() as connection:
            return await _read(connection, *where)

    async def _transition(
        self, attempt: AttemptId, state: AttemptState, **values: object
    ) -> Attempt:
        """Move an attempt to a state, if its present state allows that.

        Raises:
            StorageError: if it does not, or the attempt does not exist.
        """
        change = (
            update(table)
            .where(
                table.c.id == attempt, table.c.state.in_([s.value for s in _ALLOWED_FROM[state]])
            )
            .values(state=state.value, **values)
            .returning(*table.columns)
        )
        async with self._connections.durable_transaction(LockId.ATTEMPT) as connection:
            row = (await connection.execute(change)).first()
            if row is not None:
                return attempt_from_row(row)
            current = await connection.scalar(select(table.c.state).where(table.c.id == attempt))
        raise StorageError(
            f"attempt {attempt} is {current} and cannot become {state}"
            if current
            else f"attempt {attempt} does not exist"
        )


async def attempts_of_videos(
    connection: AsyncConnection, videos: Collection[VideoId]
) -> Mapping[VideoId, VideoAttempts]:
    """Return the attempts at some videos as one transaction sees them."""
    attempts = await _read(connection, table.c.video.in_(videos))
    entries = await entries_of(connection, [attempt.entry for attempt in attempts])
    own = {id_: tuple(each for each in attempts if each.video == id_) for id_ in videos}
    return {
        id_: VideoAttempts(found, {a.entry: entries[a.entry] for a in found if a.entry in entries})
        for id_, found in own.items()
    }


async def _read(connection: AsyncConnection, *where: ColumnElement[bool]) -> tuple[Attempt, ...]:
    query = select(table).where(*where).order_by(table.c.intended_at_us, table.c.number)
    return tuple(attempt_from_row(row) for row in await connection.execute(query))
