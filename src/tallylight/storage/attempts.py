"""Attempts: submissions of an order to one service, each recorded before it is sent.

A crash between the upstream's acceptance and our record of it cannot be ruled out. The row that
is written before the request makes it visible: an attempt that is still `intended` after a crash
may have been sent and billed. `transaction` writes all rows; what may follow what is the table of
`model.attempt_state`.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, exists, func, or_, select

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.doubt import DoubtRecord, result_of_doubt
from tallylight.model.ids import AttemptId, ServiceId, VideoId
from tallylight.model.jobs import JobRef, Made
from tallylight.model.ledger import EntryId, EntryState, Purpose
from tallylight.model.money import from_micro_usd, to_optional_micro_usd
from tallylight.storage.engine import Connections
from tallylight.storage.order_rows import order_from_row, order_values
from tallylight.storage.tables import WAS_IN_DOUBT, ledger_table, videos_table
from tallylight.storage.tables import attempts_table as table
from tallylight.storage.types import failure_from_row, failure_values

_LONGEST_SEARCH = timedelta(days=1)
"""Attempts that end without an answer are taken to have been sent at most so long before."""

_LONGEST_JOB = timedelta(hours=1)
"""Jobs that have ended are taken to have been sent at most so long before."""


class Attempts:
    """Reads attempts."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def get(self, attempt: AttemptId) -> Attempt | None:
        """Return the attempt of an id, None if there is none."""
        return next(iter(await self._select(table.c.id == attempt)), None)

    async def unfinished(self, purpose: Purpose) -> tuple[Attempt, ...]:
        """Return the attempts that have not ended, oldest first."""
        return await self._select(table.c.ended_at_us.is_(None), table.c.purpose == purpose.value)

    async def for_video(self, video: VideoId) -> tuple[Attempt, ...]:
        """Return all attempts at a video, oldest first."""
        return await self._select(table.c.video == video)

    async def delivered(self, video: VideoId) -> Attempt | None:
        """Return the attempt that delivered a video, None if there is none."""
        return next(
            (a for a in await self.for_video(video) if a.state is AttemptState.DELIVERED), None
        )

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
            .join(videos_table, videos_table.c.id == table.c.video)
            .where(
                table.c.ended_at_us.is_(None),
                table.c.intended_at_us >= since,
                table.c.state == AttemptState.INTENDED.value,
                table.c.service.in_(services),
                videos_table.c.prompt == prompt,
                table.c.id != attempt,
            )
        )
        async with self._connections.read_transaction() as connection:
            return tuple(await connection.scalars(query))

    async def had_jobs(
        self, services: Collection[ServiceId], at: datetime, within: timedelta
    ) -> bool:
        """Tell whether some services had jobs of ours at a moment.

        Args:
            services: The services.
            at: The moment; a job counts that was, or may have been, under way then.
            within: A job that was accepted at most so long before counts as well.
        """
        sent_before = (table.c.service.in_(services), table.c.intended_at_us < at)
        under_way = select(table.c.id).where(
            *sent_before,
            table.c.ended_at_us.is_(None),
            or_(table.c.accepted_at_us.is_not(None), WAS_IN_DOUBT),
        )
        recent = select(table.c.id).where(
            *sent_before,
            table.c.purpose.in_([purpose.value for purpose in Purpose]),
            table.c.intended_at_us >= at - _LONGEST_JOB,
            table.c.accepted_at_us.is_not(None),
            or_(table.c.ended_at_us >= at, table.c.accepted_at_us >= at - within),
        )
        async with self._connections.read_transaction() as connection:
            for query in (under_way, recent):
                if await connection.scalar(query.limit(1)) is not None:
                    return True
        return False

    async def last_intended(self, purpose: Purpose) -> Mapping[ServiceId, datetime]:
        """Return when each service's newest attempt for a purpose was intended."""
        newest = (
            select(table.c.service, func.max(table.c.intended_at_us))
            .where(table.c.purpose == purpose.value)
            .group_by(table.c.service)
        )
        async with self._connections.read_transaction() as connection:
            return {ServiceId(name): at for name, at in await connection.execute(newest)}

    async def doubts(self, since: datetime) -> tuple[DoubtRecord, ...]:
        """Return what came of the attempts that were in doubt and were intended since a moment."""
        has_job = or_(table.c.accepted_at_us.is_not(None), table.c.job != "").label("has_job")
        is_released = (ledger_table.c.state == EntryState.RELEASED.value).label("is_released")
        group = (table.c.service, table.c.doubt_rule, table.c.state, has_job, is_released)
        query = (
            select(*group, func.count().label("total"))
            .outerjoin(ledger_table, ledger_table.c.id == table.c.entry)
            .where(WAS_IN_DOUBT, table.c.intended_at_us >= since)
            .group_by(*group)
        )
        async with self._connections.read_transaction() as connection:
            rows = (await connection.execute(query)).all()
        found = (
            (
                row,
                result_of_doubt(
                    AttemptState(row.state),
                    has_job=bool(row.has_job),
                    is_released=bool(row.is_released),
                ),
            )
            for row in rows
        )
        return tuple(
            DoubtRecord(ServiceId(row.service), row.doubt_rule, result, row.total)
            for row, result in found
            if result is not None
        )

    async def unresolved_doubts(self, since: datetime, before: datetime) -> tuple[Attempt, ...]:
        """Return the attempts that ended without an answer in [since, before), oldest first.

        Attempts of which a job, or that there is none, was heard after their end are left out.
        """
        is_released = exists().where(
            ledger_table.c.id == table.c.entry, ledger_table.c.state == EntryState.RELEASED.value
        )
        return await self._select(
            WAS_IN_DOUBT,
            table.c.intended_at_us >= since - _LONGEST_SEARCH,
            table.c.ended_at_us >= since,
            table.c.ended_at_us < before,
            table.c.state == AttemptState.UNRESOLVED.value,
            table.c.accepted_at_us.is_(None),
            table.c.job == "",
            ~is_released,
        )

    async def _select(self, *where: ColumnElement[bool]) -> tuple[Attempt, ...]:
        query = select(table).where(*where).order_by(table.c.intended_at_us, table.c.number)
        async with self._connections.read_transaction() as connection:
            return tuple(attempt_from_row(row) for row in await connection.execute(query))


def attempts_of_videos(
    connection: Connection, videos: Collection[VideoId]
) -> Mapping[VideoId, tuple[Attempt, ...]]:
    """Return the attempts at some videos as one transaction sees them, oldest first."""
    query = select(table).where(table.c.video.in_(videos)).order_by(table.c.video, table.c.number)
    found: dict[VideoId, list[Attempt]] = {id_: [] for id_ in videos}
    for attempt in map(attempt_from_row, connection.execute(query)):
        found[attempt.video].append(attempt)
    return {id_: tuple(attempts) for id_, attempts in found.items()}


def attempt_values(attempt: Attempt) -> dict[str, object]:
    """Return the row of a new attempt."""
    return {
        "id": attempt.id,
        "service": attempt.service,
        "purpose": attempt.purpose.value,
        "entry": attempt.entry,
        "intended_at_us": attempt.intended_at,
        "video": attempt.video,
        "number": attempt.number,
        "send_within_us": attempt.send_within,
        "answer_within_us": attempt.answer_within,
        **order_values(attempt.order),
        **attempt_update_values(attempt),
    }


def attempt_update_values(attempt: Attempt) -> dict[str, object]:
    """Return the columns that change after an attempt was created."""
    return {
        "state": attempt.state.value,
        "accepted_at_us": attempt.accepted_at,
        "started_at_us": attempt.started_at,
        "rendered_at_us": attempt.rendered_at,
        "ended_at_us": attempt.ended_at,
        "job": attempt.job_id,
        "job_extra": json.dumps(attempt.job.extra) if attempt.job and attempt.job.extra else "{}",
        "doubt": attempt.doubt_reason,
        "doubt_rule": attempt.doubt_rule,
        "cost_micro_usd": to_optional_micro_usd(attempt.cost),
        "results": json.dumps(attempt.results) if attempt.results else "[]",
        **made_values(attempt.made),
        **failure_values(attempt.failure),
    }


def attempt_from_row(row: Row[*tuple[object, ...]]) -> Attempt:
    """Return the attempt in a row."""
    return Attempt(
        id=AttemptId(row.id),
        service=ServiceId(row.service),
        purpose=Purpose(row.purpose),
        order=order_from_row(row),
        entry=EntryId(row.entry),
        intended_at=row.intended_at_us,
        state=AttemptState(row.state),
        accepted_at=row.accepted_at_us,
        ended_at=row.ended_at_us,
        job=_job_from_row(row),
        doubt_reason=row.doubt,
        failure=failure_from_row(row),
        video=VideoId(row.video),
        number=row.number,
        started_at=row.started_at_us,
        rendered_at=row.rendered_at_us,
        send_within=row.send_within_us,
        answer_within=row.answer_within_us,
        doubt_rule=row.doubt_rule,
        made=made_from_row(row),
        cost=from_micro_usd(row.cost_micro_usd),
        results=() if row.results == "[]" else tuple(json.loads(row.results)),
    )


def _job_from_row(row: Row[*tuple[object, ...]]) -> JobRef | None:
    extra = {} if row.job_extra == "{}" else json.loads(row.job_extra)
    return JobRef(row.job, extra) if row.job or extra else None


def made_values(made: Made | None) -> dict[str, object]:
    """Return the columns of what a service says it made."""
    return {
        "made_seconds": None if made is None else made.seconds,
        "made_size": None if made is None else made.size,
        "made_model": None if made is None else made.model,
    }


def made_from_row(row: Row[*tuple[object, ...]]) -> Made | None:
    """Return what a service says it made, None if it did not say."""
    if row.made_seconds is None:
        return None
    return Made(row.made_seconds, row.made_size, row.made_model)
