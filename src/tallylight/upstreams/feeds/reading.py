"""What a status page says about one component, and when that is worth a piece of evidence.

How the parts of a page count:

- The component's own row says how bad things are. The page's overall indicator is never asked: it
  says "none" while an incident is still open.
- An unresolved incident that names the component, or names none at all, raises OPERATIONAL to
  DEGRADED, whatever the row says: rows stay green during incidents. It proves trouble, not its
  depth. An incident that names only other components does not count.
- A row under maintenance, or work under way that names the component or nothing, is MAINTENANCE.
- SUSPENDED wins over MAINTENANCE, that over DEGRADED; a word that nobody knows is UNKNOWN, and so
  is a component that the page does not have.
- Without a component the whole page counts: SUSPENDED or MAINTENANCE only where every row is,
  since one row's outage or planned work says little about ours; any trouble else is DEGRADED.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageComponent,
    StatusPageIncident,
    StatusPageMaintenance,
)
from tallylight.upstreams.redact import redact_line

_MAX_NOTE = 200


@dataclass(frozen=True, slots=True)
class PlannedMaintenance:
    """Work that a page announces with both its times."""

    start: datetime
    end: datetime
    title: str


@dataclass(frozen=True, slots=True)
class FeedReading:
    """What a page says about a component.

    Args:
        says: The claim; UNKNOWN where the page cannot be read or does not say, which is never an
            outage: pages move, and answer HTML with 200 where JSON was.
        note: The headline, or what could not be read; one line, scrubbed.
        until: When a claimed maintenance is planned to end.
        at: When the page says that what it claims changed.
        maintenances: Work announced or under way that touches the component, earliest first.
    """

    claimed_status: Status
    note: str = ""
    until: datetime | None = None
    at: datetime | None = None
    maintenances: tuple[PlannedMaintenance, ...] = ()


def component_reading(page: StatusPage, component: str) -> FeedReading:
    """Return what a page says about a component, "" for the page as a whole."""
    rows = tuple(row for row in page.components if not component or row.matches(component))
    if component and not rows and page.lists_all_components:
        return unreadable_feed(f'the page has no component "{component}"')
    names = (component, *(row.name for row in rows))
    keys = {component, *(row.id for row in rows), *map(str.casefold, names)} - {""}
    incidents = tuple(
        i for i in page.incidents or () if not component or _is_affected(i.affected, keys)
    )
    works = tuple(m for m in page.maintenances if not component or _is_affected(m.affected, keys))
    claims = _claimed_statuses(page, rows, incidents, works, is_whole=not component)
    decided = next((status for status in _SEVERITY if status in claims), Status.OPERATIONAL)
    reading = _reading_with_headline(decided, rows, incidents, works)
    return replace(
        reading,
        at=reading.at or page.at,
        maintenances=tuple(sorted(_planned_maintenances(works), key=lambda plan: plan.start)),
    )


def unreadable_feed(why: str) -> FeedReading:
    """Return the reading of a page that does not say, with the reason."""
    return FeedReading(Status.UNKNOWN, note=headline(why))


def headline(text: str) -> str:
    """Return a text as one scrubbed line of at most 200 characters."""
    # A page may hold half a surrogate pair, which no file or database takes.
    line = " ".join(redact_line(text.encode("utf-8", "replace").decode("utf-8")).split())
    return line if len(line) <= _MAX_NOTE else line[: _MAX_NOTE - 1] + "…"


def with_planned_maintenance(reading: FeedReading, now: datetime) -> FeedReading:
    """Let announced work count once its time has come, though the page does not say so yet."""
    plan = next((p for p in reading.maintenances if p.start <= now < p.end), None)
    match reading.claimed_status:
        case Status.OPERATIONAL if plan is not None:
            return replace(
                reading,
                claimed_status=Status.MAINTENANCE,
                note=plan.title,
                until=plan.end,
                at=plan.start,
            )
        case Status.MAINTENANCE if plan is not None and reading.until is None:
            return replace(reading, until=plan.end)
        case _:
            return reading


def feed_evidence(
    service: ServiceId, before: FeedReading | Evidence | None, after: FeedReading, at: datetime
) -> Evidence | None:
    """Return the evidence of a page's change; None where it says the same as before.

    A page counts once, at its change: repeating itself every two minutes proves nothing new.
    Another headline over the same claim is no change, another end of a maintenance is one.

    Args:
        service: Whom the page speaks of.
        before: The former reading, or the newest FEED evidence in the history after a restart;
            None if there is neither.
        after: The reading now.
        at: When it was read. Pages date their changes minutes back; evidence that came from the
            past would be passed over when the board is rebuilt.
    """
    if before is not None and (before.claimed_status, before.until) == (
        after.claimed_status,
        after.until,
    ):
        return None
    return Evidence(
        service=service,
        at=at,
        source=Source.FEED,
        claimed_status=after.claimed_status,
        until=after.until,
        note=after.note,
    )


_SEVERITY = (Status.SUSPENDED, Status.MAINTENANCE, Status.DEGRADED, Status.UNKNOWN)
_WHOLE_ONLY = frozenset({Status.SUSPENDED, Status.MAINTENANCE})


def _is_affected(affects: frozenset[str], keys: set[str]) -> bool:
    return not affects or not affects.isdisjoint(keys)


def _claimed_statuses(
    page: StatusPage,
    rows: Sequence[StatusPageComponent],
    incidents: Sequence[StatusPageIncident],
    works: Sequence[StatusPageMaintenance],
    *,
    is_whole: bool,
) -> set[Status]:
    claims = {Status.UNKNOWN if row.status is None else row.status for row in rows}
    if is_whole and len(claims) > 1:
        claims = {Status.DEGRADED if claim is Status.SUSPENDED else claim for claim in claims}
        claims.discard(Status.MAINTENANCE)
    for incident in incidents:
        if incident.is_open is None:
            claims.add(Status.UNKNOWN)
        elif incident.is_open:
            claims.add(
                Status.SUSPENDED if incident.is_full_outage and not is_whole else Status.DEGRADED
            )
    if any(work.is_active and not (is_whole and work.affected) for work in works):
        claims.add(Status.MAINTENANCE)
    if page.incidents is None or not (rows or incidents or not page.lists_all_components):
        claims.add(Status.UNKNOWN)  # green rows alone do not prove that nothing is wrong
    return claims


def _reading_with_headline(
    says: Status,
    rows: Sequence[StatusPageComponent],
    incidents: Sequence[StatusPageIncident],
    works: Sequence[StatusPageMaintenance],
) -> FeedReading:
    """Return the claim with the headline and the time of whatever stands behind it."""
    behind = tuple(row for row in rows if (row.status or Status.UNKNOWN) is says)
    match says:
        case Status.MAINTENANCE:
            active = tuple(work for work in works if work.is_active)
            title = next((work.title for work in active), "")
            ends = [work.end for work in active if work.end is not None]
            at = _newest([*active, *behind])
            return FeedReading(
                says,
                headline(title or _component_list(behind)),
                until=max(ends, default=None),
                at=at,
            )
        case Status.OPERATIONAL:
            return FeedReading(says, at=_newest(behind))
        case Status.UNKNOWN if not behind:
            return FeedReading(says, "the page does not say how its incidents stand")
        case _:
            open_ones = tuple(incident for incident in incidents if incident.is_open)
            title = next((incident.title for incident in open_ones if incident.title), "")
            at = _newest([*open_ones, *behind])
            return FeedReading(says, headline(title or _component_list(behind)), at=at)


def _component_list(rows: Iterable[StatusPageComponent]) -> str:
    return ", ".join(f"{row.name or row.id}: {row.status_word}" for row in rows)


def _newest(
    parts: Iterable[StatusPageComponent | StatusPageIncident | StatusPageMaintenance],
) -> datetime | None:
    return max((part.at for part in parts if part.at is not None), default=None)


def _planned_maintenances(works: Iterable[StatusPageMaintenance]) -> Iterable[PlannedMaintenance]:
    for work in works:
        if work.start is not None and work.end is not None and work.start < work.end:
            yield PlannedMaintenance(work.start, work.end, headline(work.title))
