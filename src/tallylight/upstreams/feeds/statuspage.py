"""Atlassian Statuspage, API v2: `/api/v2/*.json`, public and without a key.

Source: the pages' own `/api` documentation; octoscope issue 119 for what real pages do during an
incident (an overall indicator of "none", green rows, entries that name no component).
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.loose import has_list, items, mapping, moment, text
from tallylight.upstreams.feeds.page import (
    Component,
    Page,
    PageIncident,
    PageMaintenance,
    names_of,
)
from tallylight.upstreams.feeds.reader import FeedReader, Surface, under_root

COMPONENT_STATUSES: Mapping[str, Status] = {
    "operational": Status.OPERATIONAL,
    "degraded_performance": Status.DEGRADED,
    "partial_outage": Status.DEGRADED,
    "major_outage": Status.SUSPENDED,
    "full_outage": Status.SUSPENDED,  # incident.io's word for the same
    "under_maintenance": Status.MAINTENANCE,
}

_IS_OPEN: Mapping[str, bool] = {
    "investigating": True,
    "identified": True,
    "fixing": True,  # incident.io's second word for it
    "monitoring": True,
    "resolved": False,
    "postmortem": False,
}

_IS_ACTIVE: Mapping[str, bool] = {"scheduled": False, "in_progress": True, "verifying": True}


def page_of(documents: Sequence[object]) -> Page | None:
    """Return the page that a summary and a list of incidents describe.

    The incidents of both are taken together: either list is left out, or empty, on some pages.
    """
    summary, *more = documents
    if not has_list(summary, "components"):
        return None
    sources = [source for source in (summary, *more) if has_list(source, "incidents")]
    incidents = tuple(incident for source in sources for incident in _incidents(source))
    return Page(
        components=tuple(_component(row) for row in items(summary, "components")),
        incidents=tuple(dict.fromkeys(incidents)) if sources else None,
        maintenances=tuple(_maintenances(summary)),
        at=moment(mapping(summary, "page"), "updated_at"),
    )


def is_open(word: str) -> bool | None:
    """Tell whether an incident in this state is unresolved; None for an unknown word."""
    return _IS_OPEN.get(word)


def _component(row: Mapping[str, object]) -> Component:
    word = text(row, "status")
    return Component(
        id=text(row, "id"),
        name=text(row, "name"),
        status=COMPONENT_STATUSES.get(word),
        word=word,
        at=moment(row, "updated_at"),
    )


def _incidents(source: object) -> Iterator[PageIncident]:
    for row in items(source, "incidents"):
        state = False if moment(row, "resolved_at") else is_open(text(row, "status"))
        if state is not False:
            yield PageIncident(
                title=text(row, "name"),
                is_open=state,
                affects=_affected(row),
                at=moment(row, "updated_at", "started_at", "created_at"),
            )


def _maintenances(summary: object) -> Iterator[PageMaintenance]:
    for row in items(summary, "scheduled_maintenances"):
        is_active = _IS_ACTIVE.get(text(row, "status"))
        if is_active is not None:
            yield PageMaintenance(
                title=text(row, "name"),
                is_active=is_active,
                start=moment(row, "scheduled_for"),
                end=moment(row, "scheduled_until"),
                affects=_affected(row),
                at=moment(row, "updated_at"),
            )


def _affected(row: Mapping[str, object]) -> frozenset[str]:
    named = [(text(item, "id"), text(item, "name")) for item in items(row, "components")]
    named += [
        (text(item, "code"), text(item, "name"))
        for update in items(row, "incident_updates")
        for item in items(update, "affected_components")
    ]
    return names_of(named)


READER = FeedReader(
    (Surface(under_root("/api/v2/summary.json", "/api/v2/incidents/unresolved.json"), page_of),)
)
