"""Stores transitions, and derives the intervals of one status between them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import pairwise

from sqlalchemy import Row, func, insert, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, StatusInterval, Transition, Verdict
from tallylight.storage.engine import MAX_IN_LIST
from tallylight.storage.tables import state_snapshots_table
from tallylight.storage.tables import transitions_table as table
from tallylight.storage.types import reasons_from_json, reasons_to_json, to_microseconds

STANDS = table.c.retracted_at_us.is_(None)
"""Holds for all transitions but those that were taken back, which no reader counts."""


async def insert_transition(connection: AsyncConnection, transition: Transition) -> None:
    """Store a transition as the newest of its service."""
    newest = select(func.max(table.c.id)).where(table.c.service == transition.service)
    last = int(await connection.scalar(newest) or 0)
    await connection.execute(
        insert(table),
        {
            "service": transition.service,
            "id": max(last + 1, to_microseconds(transition.recorded_at)),
            "at_us": transition.at,
            "recorded_at_us": transition.recorded_at,
            **_verdict_values("before", transition.before),
            **_verdict_values("after", transition.after),
        },
    )


async def retract_newest(
    connection: AsyncConnection, service: ServiceId, count: int, at: datetime
) -> datetime | None:
    """Mark the newest transitions of a service as retracted; return when the first happened."""
    newest = (
        select(table.c.id, table.c.at_us)
        .where(table.c.service == service, STANDS)
        .order_by(table.c.id.desc())
        .limit(count)
    )
    rows = (await connection.execute(newest)).all()
    ids = [row.id for row in rows]
    change = update(table).where(table.c.service == service, table.c.id.in_(ids))
    await connection.execute(change.values(retracted_at_us=at))
    return min((row.at_us for row in rows), default=None)


async def status_intervals(
    connection: AsyncConnection, services: Collection[ServiceId], start: datetime, end: datetime
) -> dict[ServiceId, tuple[StatusInterval, ...]]:
    """Return the status of each service over [start, end), without gaps from its first look on."""
    changes = await _changes(connection, services, start, end)
    return {
        service: intervals_from_changes(changes.get(service, ()), start, end)
        for service in services
    }


def intervals_from_changes(
    changes: Iterable[tuple[datetime, Status]], start: datetime, end: datetime
) -> tuple[StatusInterval, ...]:
    """Return the intervals of one status that changes divide [start, end) into.

    They begin at the first look: before its first change a service was not monitored.

    Args:
        changes: The start and the status of each change, in the order of *recording*. A change
            that is back-dated before earlier ones replaces them, as later records know more.
        start: The start of the window.
        end: The end of the window.
    """
    starts: list[tuple[datetime, Status]] = []
    for at, status in changes:
        while starts and starts[-1][0] >= at:
            starts.pop()
        if not starts or starts[-1][1] is not status:
            starts.append((max(at, start), status))
    return tuple(
        StatusInterval(status=status, start=at, end=min(until, end))
        for (at, status), (until, _) in pairwise([*starts, (end, Status.UNKNOWN)])
        if at < min(until, end)
    )


async def _changes(
    connection: AsyncConnection, services: Collection[ServiceId], start: datetime, end: datetime
) -> Mapping[ServiceId, list[tuple[datetime, Status]]]:
    # A service has a snapshot from its first transition on, so snapshots list all services that
    # matter. Only the last change at or before `start`, and what was recorded after it, count.
    listed = services if len(services) <= MAX_IN_LIST else None
    is_wanted = true() if listed is None else table.c.service.in_(listed)
    has_snapshot = true() if listed is None else state_snapshots_table.c.service.in_(listed)
    earlier = table.alias("earlier")
    opening = select(func.max(earlier.c.id)).where(
        earlier.c.service == state_snapshots_table.c.service,
        earlier.c.at_us <= start,
        earlier.c.retracted_at_us.is_(None),
    )
    columns = (table.c.service, table.c.id, table.c.at_us, table.c.after_status)
    # Pairs with IN, not a join: for a join, SQLite would scan all transitions.
    pairs = select(state_snapshots_table.c.service, opening.scalar_subquery()).where(has_snapshot)
    openings = select(*columns).where(tuple_(table.c.service, table.c.id).in_(pairs))
    inside = select(*columns).where(table.c.at_us > start, table.c.at_us < end, is_wanted, STANDS)
    changes: dict[ServiceId, list[tuple[datetime, Status]]] = defaultdict(list)
    first: dict[str, int] = {}
    for service, number, at, status in await connection.execute(openings):
        first[service] = number
        changes[ServiceId(service)].append((at, Status(status)))
    for service, number, at, status in await connection.execute(inside.order_by(table.c.id)):
        if number > first.get(service, 0):
            changes[ServiceId(service)].append((at, Status(status)))
    return changes


def transition_from_row(row: Row[*tuple[object, ...]]) -> Transition:
    """Return the transition in a row."""
    service = ServiceId(row.service)
    return Transition(
        service=service,
        at=row.at_us,
        recorded_at=row.recorded_at_us,
        before=_verdict_of(service, row, "before"),
        after=_verdict_of(service, row, "after"),
    )


def _verdict_of(service: ServiceId, row: Row[*tuple[object, ...]], side: str) -> Verdict:
    values = row._mapping  # noqa: SLF001  # public in all but name
    blocked = values[f"{side}_blocked"]
    return Verdict(
        service=service,
        status=Status(values[f"{side}_status"]),
        since=values[f"{side}_since_us"],
        confidence=values[f"{side}_confidence"],
        reasons=reasons_from_json(values[f"{side}_reasons"]),
        blocked=None if blocked is None else Block(blocked),
    )


def _verdict_values(side: str, verdict: Verdict) -> dict[str, object]:
    return {
        f"{side}_status": verdict.status.value,
        f"{side}_since_us": verdict.since,
        f"{side}_confidence": verdict.confidence,
        f"{side}_blocked": None if verdict.blocked is None else verdict.blocked.value,
        f"{side}_reasons": reasons_to_json(verdict.reasons),
    }
