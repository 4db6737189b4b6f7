"""Datadog's status pages: `/config.json`, one document of everything on the page.

Components lie in groups. An incident names what it affects in `componentsAffected`, in its own
members or in the latest entry of its `timeline`, which comes first.

Source: the document of status.openrouter.ai of September 2026, which moved there from RSS. No page
with a maintenance was seen: its members are read under the names that Datadog's API gives them.
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
from tallylight.upstreams.feeds.statuspage import is_open_incident
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)

DATADOG_STATUSES: Mapping[str, Status] = {
    "operational": Status.OPERATIONAL,
    "degraded": Status.DEGRADED,
    "partial_outage": Status.DEGRADED,
    "major_outage": Status.SUSPENDED,
    "maintenance": Status.MAINTENANCE,
}
_IS_ACTIVE: Mapping[str, bool] = {"scheduled": False, "in_progress": True}
_MAX_DEPTH = 4


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    document = object_at(documents[0])
    if not has_array(document, "components") or not text_at(document, "pageUrl"):
        return None
    return StatusPage(
        components=tuple(
            StatusPageComponent(
                text_at(row, "id"),
                text_at(row, "name"),
                DATADOG_STATUSES.get(text_at(row, "status")),
                text_at(row, "status"),
            )
            for row, _ in datadog_components(document)
        ),
        # A list without entries may be null.
        incidents=tuple(_incidents(document)) if "incidents" in document else None,
        maintenances=tuple(_maintenances(document)),
    )


def datadog_components(
    holder: Mapping[str, object], group: str = "", depth: int = 0
) -> Iterator[tuple[Mapping[str, object], str]]:
    """Yield the components of a page, each with the id of its group, "" for none."""
    for row in objects_at(holder, "components"):
        if not has_array(row, "components"):
            yield row, group
        elif depth < _MAX_DEPTH:
            yield from datadog_components(row, text_at(row, "id"), depth + 1)


def _incidents(document: Mapping[str, object]) -> Iterator[StatusPageIncident]:
    for row in objects_at(document, "incidents"):
        state = is_open_datadog_incident(row)
        if state is not False:
            yield StatusPageIncident(
                title=text_at(row, "title"),
                is_open=state,
                affected=datadog_affected(row),
                at=first_timestamp(row, "lastModifiedAt", "publishedDate"),
            )


def is_open_datadog_incident(row: Mapping[str, object]) -> bool | None:
    """Tell whether an incident is unresolved; None if it does not say."""
    if isinstance(row.get("resolved"), bool):
        return not row["resolved"]
    return is_open_incident(text_at(row, "currentStatus"))


def datadog_affected(row: Mapping[str, object]) -> frozenset[str]:
    """Return the keys of the components that an incident or a maintenance names."""
    return component_keys(
        (text_at(item, "id"), text_at(item, "name"))
        for holder in (row, *objects_at(row, "timeline"))
        for item in objects_at(holder, "componentsAffected")
    )


def _maintenances(document: Mapping[str, object]) -> Iterator[StatusPageMaintenance]:
    for row in objects_at(document, "maintenances"):
        is_active = _IS_ACTIVE.get(text_at(row, "currentStatus") or text_at(row, "status"))
        if is_active is not None:
            yield StatusPageMaintenance(
                title=text_at(row, "title"),
                is_active=is_active,
                start=first_timestamp(row, "startDate"),
                end=first_timestamp(row, "completedDate"),
                affected=datadog_affected(row),
                at=first_timestamp(row, "lastModifiedAt", "publishedDate"),
            )


READER = FeedReader((FeedApi(root_paths("/config.json"), _parse_page),))
