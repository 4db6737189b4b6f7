"""What the official status page claims, beside what we measured."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration, format_moment_near, format_percent
from tallylight.i18n.labels import names_or_count, status_label
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval
from tallylight.status.views.timestamps import Timestamp, timestamp
from tallylight.upstreams.feeds.claims import ClaimedEvent, PageClaims
from tallylight.verdicts.availability import availability

_WINDOW = timedelta(days=30)
_MAX_EVENTS = 20
_MAX_COMPONENTS = 40
_MAX_ANNOUNCED = 10


@dataclass(frozen=True, slots=True)
class ClaimedComponentView:
    """A component of the page."""

    name: str
    status: Status
    status_label: str


@dataclass(frozen=True, slots=True)
class ClaimedEventView:
    """An incident of the page.

    Args:
        duration: How long it lasted, or "" while it is open.
    """

    title: str
    status: Status
    status_label: str
    at: Timestamp
    duration: str


@dataclass(frozen=True, slots=True)
class ClaimsView:
    """The claims of a page about one service.

    Args:
        claimed: The claimed availability since `since`; None if it is not known.
        measured: The one that we measured over the same time; None if nothing was monitored.
        text: Both: "Status page 99.84%, measured 98.2%", or "".
        planned: The maintenances in progress or ahead, as sentences.
        events: The latest of what has begun.
        planned_events: All that is in progress or ahead.
        past_events: All that has begun.
    """

    claimed: float | None
    measured: float | None
    since: datetime
    text: str
    components: tuple[ClaimedComponentView, ...]
    planned: tuple[str, ...]
    events: tuple[ClaimedEventView, ...]
    planned_events: tuple[ClaimedEvent, ...]
    past_events: tuple[ClaimedEvent, ...]


@dataclass(frozen=True, slots=True)
class AnnouncedMaintenance:
    """A maintenance in progress or ahead that an official status page announces.

    Args:
        services: The services that it concerns, in the catalogue's order.
    """

    event: ClaimedEvent
    services: tuple[Service, ...]


def announced_maintenances(
    claims: Iterable[tuple[Service, PageClaims]], now: datetime
) -> tuple[AnnouncedMaintenance, ...]:
    """Return what pages announce, the earliest first; of several services once.

    Args:
        claims: Services with what their page claims of them.
        now: What ended before it is left out.
    """
    events: dict[tuple[datetime, datetime | None, str], ClaimedEvent] = {}
    concerned: dict[tuple[datetime, datetime | None, str], list[Service]] = {}
    for service, page in claims:
        for event in page.planned(now):
            key = (event.start, event.end, event.title)
            events.setdefault(key, event)
            concerned.setdefault(key, []).append(service)
    planned = (AnnouncedMaintenance(event, tuple(concerned[key])) for key, event in events.items())
    return tuple(sorted(planned, key=lambda each: each.event.start))


def announcement_lines(
    announced: Sequence[AnnouncedMaintenance], now: datetime, to: Translator
) -> tuple[str, ...]:
    """Return a line for each maintenance, with its times and its services; many are counted."""
    lines = [
        " · ".join(
            (
                planned_text(each.event, now, to),
                names_or_count([service.name for service in each.services], to),
            )
        )
        for each in announced[:_MAX_ANNOUNCED]
    ]
    more = len(announced) - len(lines)
    if more:
        lines.append(to.ngettext("%d more maintenance", "%d more maintenances", more) % more)
    return tuple(lines)


def claims_view(
    mine: PageClaims,
    intervals: Sequence[StatusInterval],
    now: datetime,
    to: Translator,
) -> ClaimsView:
    """Return what a page claims of a service, beside our own intervals of it."""
    since = max(now - _WINDOW, mine.since, intervals[0].start if intervals else now)
    claimed = mine.availability(since, now)
    measured = availability(intervals, since, now).uptime if since < now else math.nan
    known = None if math.isnan(measured) else measured
    return ClaimsView(
        claimed=claimed,
        measured=known,
        since=since,
        text=comparison_text(claimed, known, to),
        components=tuple(
            ClaimedComponentView(row.name, row.status, status_label(row.status, to))
            for row in mine.components[:_MAX_COMPONENTS]
        ),
        planned=tuple(planned_text(event, now, to) for event in mine.planned(now)),
        events=tuple(_event_view(event, now, to) for event in mine.past(now)[:_MAX_EVENTS]),
        planned_events=mine.planned(now),
        past_events=mine.past(now),
    )


def comparison_text(claimed: float | None, measured: float | None, to: Translator) -> str:
    """Return both availabilities: "Status page 99.84%, measured 98.2%"; "" if one is unknown."""
    if claimed is None or measured is None:
        return ""
    return to.gettext("Status page %(claimed)s, measured %(measured)s") % {
        "claimed": format_percent(claimed, to, digits=2),
        "measured": format_percent(measured, to, digits=2),
    }


def planned_text(event: ClaimedEvent, now: datetime, to: Translator) -> str:
    """Return a planned maintenance with its times."""
    start = format_moment_near(event.start, now, to)
    if event.end is None:
        return to.gettext("%(title)s: from %(start)s") % {"title": event.title, "start": start}
    return to.gettext("%(title)s: %(start)s to %(end)s") % {
        "title": event.title,
        "start": start,
        "end": format_moment_near(event.end, now, to),
    }


def _event_view(event: ClaimedEvent, now: datetime, to: Translator) -> ClaimedEventView:
    return ClaimedEventView(
        title=event.title,
        status=event.status,
        status_label=status_label(event.status, to),
        at=timestamp(event.start, now, to),
        duration="" if event.end is None else format_duration(event.end - event.start, to),
    )
