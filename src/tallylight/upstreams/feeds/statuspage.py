"""Atlassian Statuspage, API v2: `/api/v2/*.json`, public and without a key.

Source: the pages' own `/api` documentation; octoscope issue 119 for what real pages do during an
incident (an overall indicator of "none", green rows, entries that name no component).
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageComponent,
    StatusPageIncident,
    StatusPageMaintenance,
    component_keys,
)
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader, root_paths
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)

COMPONENT_STATUSES: Mapping[str, Status] = {
    "operational": Status.OPERATIONAL,
    "degraded_performance": Status.DEGRADED,
    "partial_outage": Status.DEGRADED,
    "major_outage": Status.SUSPENDED,
    "full_outage": Status.SUSPENDED,  # incident.io's major_outage
    "under_maintenance": Status.MAINTENANCE,
}

_IS_OPEN: Mapping[str, bool] = {
    "investigating": True,
    "identified": True,
    "fixing": True,  # incident.io's word for "identified"
    "monitoring": True,
    "resolved": False,
    "postmortem": False,
}

_IS_ACTIVE: Mapping[str, bool] = {"scheduled": False, "in_progress": True, "verifying": True}


def parse_statuspage(documents: Sequence[object]) -> StatusPage | None:
    """Return the page in a summary and a list of incidents.

    The incidents of both are combined: on some pages, either list is absent or empty.
    """
    summary, *more = documents
    if not has_array(summary, "components"):
        return None
    sources = [source for source in (summary, *more) if has_array(source, "incidents")]
    incidents = tuple(incident for source in sources for incident in _incidents(source))
    return StatusPage(
        components=tuple(_component(row) for row in objects_at(summary, "components")),
        incidents=tuple(dict.fromkeys(incidents)) if sources else None,
        maintenances=tuple(_maintenances(summary)),
        at=first_timestamp(object_at(summary, "page"), "updated_at"),
    )


def is_open_incident(word: str) -> bool | None:
    """Tell whether a status word means an unresolved incident; None for an unknown word."""
    return _IS_OPEN.get(word)


def _component(row: Mapping[str, object]) -> StatusPageComponent:
    word = text_at(row, "status")
    return StatusPageComponent(
        id=text_at(row, "id"),
        name=text_at(row, "name"),
        status=COMPONENT_STATUSES.get(word),
        status_word=word,
        at=first_timestamp(row, "updated_at"),
    )


def _incidents(source: object) -> Iterator[StatusPageIncident]:
    for row in objects_at(source, "incidents"):
        state = (
            False
            if first_timestamp(row, "resolved_at")
            else is_open_incident(text_at(row, "status"))
        )
        if state is not False:
            yield StatusPageIncident(
                title=text_at(row, "name"),
                is_open=state,
                affected=affected_components(row),
                at=first_timestamp(row, "updated_at", "started_at", "created_at"),
            )


def _maintenances(summary: object) -> Iterator[StatusPageMaintenance]:
    for row in objects_at(summary, "scheduled_maintenances"):
        is_active = _IS_ACTIVE.get(text_at(row, "status"))
        if is_active is not None:
            yield StatusPageMaintenance(
                title=text_at(row, "name"),
                is_active=is_active,
                start=first_timestamp(row, "scheduled_for"),
                end=first_timestamp(row, "scheduled_until"),
                affected=affected_components(row),
                at=first_timestamp(row, "updated_at"),
            )


def affected_components(row: Mapping[str, object]) -> frozenset[str]:
    """Return the keys of the components that an incident or a maintenance names."""
    named = [(text_at(item, "id"), text_at(item, "name")) for item in objects_at(row, "components")]
    named += [
        (text_at(item, "code"), text_at(item, "name"))
        for update in objects_at(row, "incident_updates")
        for item in objects_at(update, "affected_components")
    ]
    return component_keys(named)


READER = FeedReader(
    (
        FeedApi(
            root_paths("/api/v2/summary.json", "/api/v2/incidents/unresolved.json"),
            parse_statuspage,
        ),
    )
)
