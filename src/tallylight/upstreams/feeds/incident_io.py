"""incident.io pages (status.openai.com and many others), by the first of three APIs that works.

1. The Statuspage-compatible `/api/v2`. `incidents/unresolved.json` answers 404 there and the
   summary may leave incidents out, hence the list of all incidents.
2. The page's own widget proxy, `/proxy/HOST`, whose answers reach megabytes.
3. The documented widget API, `/api/v1/summary`, if the owner has enabled it; it names only the
   affected components.

The status of a component in a full outage is `full_outage`, Statuspage's `major_outage`.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageComponent,
    StatusPageIncident,
    StatusPageMaintenance,
    component_keys,
)
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader, root_paths
from tallylight.upstreams.feeds.statuspage import (
    COMPONENT_STATUSES,
    is_open_incident,
    parse_statuspage,
)
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)

_OPERATIONAL = "operational"
_COMPLETE = frozenset({"maintenance_complete", "completed", "complete"})


def _proxy_urls(root: str) -> tuple[str, ...]:
    return (f"{root.rstrip('/')}/proxy/{urlsplit(root).netloc}",)


def _proxy_page(documents: Sequence[object]) -> StatusPage | None:
    summary = object_at(documents[0], "summary")
    if not has_array(summary, "components"):
        return None
    troubled = {
        text_at(row, "component_id"): text_at(row, "status")
        for row in objects_at(summary, "affected_components")
    }
    rows = tuple(
        _component(
            text_at(row, "id"), text_at(row, "name"), troubled.get(text_at(row, "id"), _OPERATIONAL)
        )
        for row in objects_at(summary, "components")
    )
    names = {row.id: row.name for row in rows}
    return StatusPage(
        components=rows,
        incidents=tuple(_incidents(summary, names))
        if has_array(summary, "ongoing_incidents")
        else None,
        maintenances=tuple(_maintenances(summary, names)),
    )


def _widget_page(documents: Sequence[object]) -> StatusPage | None:
    summary = object_at(documents[0])
    if not has_array(summary, "ongoing_incidents"):
        return None
    entries = [
        *objects_at(summary, "ongoing_incidents"),
        *objects_at(summary, "in_progress_maintenances"),
    ]
    rows = tuple(
        _component(text_at(row, "id"), text_at(row, "name"), text_at(row, "current_status"))
        for entry in entries
        for row in objects_at(entry, "affected_components")
    )
    return StatusPage(
        components=rows,
        incidents=tuple(_incidents(summary, {})),
        maintenances=tuple(_maintenances(summary, {})),
        lists_all_components=False,
    )


def _component(id_: str, name: str, word: str) -> StatusPageComponent:
    return StatusPageComponent(id_, name, COMPONENT_STATUSES.get(word), word)


def _incidents(
    summary: Mapping[str, object], names: Mapping[str, str]
) -> Iterator[StatusPageIncident]:
    for row in objects_at(summary, "ongoing_incidents"):
        state = is_open_incident(text_at(row, "status"))
        if state is not False:
            yield StatusPageIncident(
                title=text_at(row, "name"),
                is_open=state,
                affected=_affected(row, names),
                at=first_timestamp(row, "last_update_at", "published_at"),
            )


def _maintenances(
    summary: Mapping[str, object], names: Mapping[str, str]
) -> Iterator[StatusPageMaintenance]:
    for key, is_active in (("in_progress_maintenances", True), ("scheduled_maintenances", False)):
        for row in objects_at(summary, key):
            if text_at(row, "status") not in _COMPLETE:
                yield StatusPageMaintenance(
                    title=text_at(row, "name"),
                    is_active=is_active,
                    start=first_timestamp(row, "starts_at", "started_at"),
                    end=first_timestamp(row, "ends_at", "scheduled_end_at"),
                    affected=_affected(row, names),
                    at=first_timestamp(row, "last_update_at", "published_at"),
                )


def _affected(row: Mapping[str, object], names: Mapping[str, str]) -> frozenset[str]:
    named = []
    for key in ("affected_components", "component_impacts"):
        for item in objects_at(row, key):
            id_ = text_at(item, "id") if key == "affected_components" else ""
            id_ = text_at(item, "component_id") or id_
            named.append((id_, text_at(item, "name") or names.get(id_, "")))
    return component_keys(named)


READER = FeedReader(
    (
        FeedApi(root_paths("/api/v2/summary.json", "/api/v2/incidents.json"), parse_statuspage),
        FeedApi(_proxy_urls, _proxy_page),
        FeedApi(root_paths("/api/v1/summary"), _widget_page),
    )
)
