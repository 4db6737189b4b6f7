"""Derives a component's status from a status page, and evidence from a change of it.

The rules:

- The component's own status gives the severity. The page's overall indicator is ignored: it can be
  "none" while an incident is open.
- An unresolved incident that names the component, or no component, raises OPERATIONAL to DEGRADED:
  components stay green during incidents. It proves a problem, not its severity. An incident that
  names only other components does not count.
- A component under maintenance, or a maintenance in progress that names the component or none, is
  MAINTENANCE.
- SUSPENDED takes precedence over MAINTENANCE, and that over DEGRADED. An unknown status word is
  UNKNOWN, and so is a component that the page does not have.
- Without a configured component the whole page counts: SUSPENDED or MAINTENANCE only if every
  component is, since those of one component say little about ours; any other problem is DEGRADED.
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
    """A maintenance that a page announces with its start and its end."""

    start: datetime
    end: datetime
    title: str


@dataclass(frozen=True, slots=True)
class FeedReading:
    """The status of a component according to a page.

    Args:
        claimed_status: The status; UNKNOWN if the page cannot be read or does not say. That is
            never an outage: pages move, and answer HTML with 200 in place of JSON.
        note: The headline, or what could not be read, as one redacted line.
        until: The planned end of the current maintenance.
        at: When the status changed, according to the page.
        maintenances: Maintenances of the component in progress or ahead, earliest first.
        believed_until: From then on all is well as far as the page says, since it has told nothing
            new of its incidents; None if it says itself when they are over.
    """

    claimed_status: Status
    note: str = ""
    until: datetime | None = None
    at: datetime | None = None
    maintenances: tuple[PlannedMaintenance, ...] = ()
    believed_until: datetime | None = None


def component_reading(page: StatusPage, component: str) -> FeedReading:
    """Return the reading of a component, or of the whole page if `component` is ""."""
    rows = tuple(row for row in page.components if not component or row.matches(component))
    if component and not rows and page.lists_all_components:
        return unreadable_feed(f'the page has no component "{component}"')
    names = (component, *(row.name for row in rows))
    keys = {component, *(row.id for row in rows), *map(str.casefold, names)} - {""}
    incidents = tuple(
        i
        for i in page.incidents or ()
        if not component or (_is_affected(i.affected, keys) and i.concerns(component))
    )
    maintenances = tuple(
        m for m in page.maintenances if not component or _is_affected(m.affected, keys)
    )
    claims = _claimed_statuses(page, rows, incidents, maintenances, is_whole=not component)
    claimed = next((status for status in _SEVERITY if status in claims), Status.OPERATIONAL)
    reading = _reading_with_headline(claimed, rows, incidents, maintenances)
    return replace(
        reading,
        at=reading.at or page.at,
        believed_until=_believed_until(incidents),
        maintenances=tuple(
            sorted(_planned_maintenances(maintenances), key=lambda plan: plan.start)
        ),
    )


def unreadable_feed(why: str) -> FeedReading:
    """Return the reading of a page that cannot be read."""
    return FeedReading(Status.UNKNOWN, note=headline(why))


def headline(text: str) -> str:
    """Return a text as one redacted line of at most 200 characters."""
    return redact_line(text, max_length=_MAX_NOTE)


def reading_at(reading: FeedReading, now: datetime) -> FeedReading:
    """Return what a reading says at a time.

    A planned maintenance counts as soon as its start has come, and incidents that the page has
    given up count no more.
    """
    if reading.believed_until is not None and reading.believed_until <= now:
        reading = FeedReading(Status.OPERATIONAL, maintenances=reading.maintenances)
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
    """Return the evidence of a change on a page; None if nothing changed.

    A page counts once per change: its repetition every two minutes proves nothing new. Another
    headline for the same status is no change; another end of a maintenance is one.

    Args:
        service: The service that the page is about.
        before: The previous reading, or after a restart the newest stored FEED evidence; None if
            there is neither.
        after: The current reading.
        at: When the page was read. Pages date their changes minutes back, and evidence that is
            dated back would be skipped when the board is rebuilt.
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


def _is_affected(affects: frozenset[str], keys: set[str]) -> bool:
    return not affects or not affects.isdisjoint(keys)


def _claimed_statuses(
    page: StatusPage,
    rows: Sequence[StatusPageComponent],
    incidents: Sequence[StatusPageIncident],
    maintenances: Sequence[StatusPageMaintenance],
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
    if any(m.is_active and not (is_whole and m.affected) for m in maintenances):
        claims.add(Status.MAINTENANCE)
    if page.incidents is None or not (rows or incidents or not page.lists_all_components):
        claims.add(Status.UNKNOWN)  # green components alone do not prove that all is well
    return claims


def _reading_with_headline(
    claimed: Status,
    rows: Sequence[StatusPageComponent],
    incidents: Sequence[StatusPageIncident],
    maintenances: Sequence[StatusPageMaintenance],
) -> FeedReading:
    """Return the reading with the headline and the time of what it is based on."""
    matching = tuple(row for row in rows if (row.status or Status.UNKNOWN) is claimed)
    match claimed:
        case Status.MAINTENANCE:
            active = tuple(m for m in maintenances if m.is_active)
            title = next((m.title for m in active), "")
            ends = [m.end for m in active if m.end is not None]
            at = _newest([*active, *matching])
            return FeedReading(
                claimed,
                headline(title or _component_list(matching)),
                until=max(ends, default=None),
                at=at,
            )
        case Status.OPERATIONAL:
            return FeedReading(claimed, at=_newest(matching))
        case Status.UNKNOWN if not matching:
            return FeedReading(claimed, "the page does not show the state of its incidents")
        case _:
            open_ones = tuple(incident for incident in incidents if incident.is_open)
            title = next((incident.title for incident in open_ones if incident.title), "")
            at = _newest([*open_ones, *matching])
            return FeedReading(claimed, headline(title or _component_list(matching)), at=at)


def _believed_until(incidents: Sequence[StatusPageIncident]) -> datetime | None:
    times = [i.believed_until for i in incidents if i.believed_until is not None]
    return max(times) if times and len(times) == len(incidents) else None


def _component_list(rows: Iterable[StatusPageComponent]) -> str:
    return ", ".join(f"{row.name or row.id}: {row.status_word}" for row in rows)


def _newest(
    parts: Iterable[StatusPageComponent | StatusPageIncident | StatusPageMaintenance],
) -> datetime | None:
    return max((part.at for part in parts if part.at is not None), default=None)


def _planned_maintenances(
    maintenances: Iterable[StatusPageMaintenance],
) -> Iterable[PlannedMaintenance]:
    for m in maintenances:
        if m.start is not None and m.end is not None and m.start < m.end:
            yield PlannedMaintenance(m.start, m.end, headline(m.title))
