"""incident.io pages (status.openai.com and many others), by the first of three surfaces.

1. The Statuspage-compatible `/api/v2`. `incidents/unresolved.json` answers 404 there and the
   summary may leave incidents out, hence the list of all incidents.
2. The page's own widget proxy, `/proxy/HOST`, whose answers reach megabytes.
3. The documented widget API, `/api/v1/summary`, where the owner has enabled it; it names only
   components in trouble.

A component that is entirely out is `full_outage` here, where Statuspage says `major_outage`.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from tallylight.upstreams.feeds.loose import has_list, items, mapping, moment, text
from tallylight.upstreams.feeds.page import (
    Component,
    Page,
    PageIncident,
    PageMaintenance,
    names_of,
)
from tallylight.upstreams.feeds.reader import FeedReader, Surface, under_root
from tallylight.upstreams.feeds.statuspage import COMPONENT_STATUSES, is_open, page_of

_WELL = "operational"
_COMPLETE = frozenset({"maintenance_complete", "completed", "complete"})


def _proxy(root: str) -> tuple[str, ...]:
    return (f"{root}/proxy/{urlsplit(root).netloc}",)


def _proxy_page(documents: Sequence[object]) -> Page | None:
    summary = mapping(documents[0], "summary")
    if not has_list(summary, "components"):
        return None
    troubled = {
        text(row, "component_id"): text(row, "status")
        for row in items(summary, "affected_components")
    }
    rows = tuple(
        _component(text(row, "id"), text(row, "name"), troubled.get(text(row, "id"), _WELL))
        for row in items(summary, "components")
    )
    names = {row.id: row.name for row in rows}
    return Page(
        components=rows,
        incidents=tuple(_incidents(summary, names))
        if has_list(summary, "ongoing_incidents")
        else None,
        maintenances=tuple(_maintenances(summary, names)),
    )


def _widget_page(documents: Sequence[object]) -> Page | None:
    summary = mapping(documents[0])
    if not has_list(summary, "ongoing_incidents"):
        return None
    entries = [
        *items(summary, "ongoing_incidents"),
        *items(summary, "in_progress_maintenances"),
    ]
    rows = tuple(
        _component(text(row, "id"), text(row, "name"), text(row, "current_status"))
        for entry in entries
        for row in items(entry, "affected_components")
    )
    return Page(
        components=rows,
        incidents=tuple(_incidents(summary, {})),
        maintenances=tuple(_maintenances(summary, {})),
        lists_components=False,
    )


def _component(id_: str, name: str, word: str) -> Component:
    return Component(id_, name, COMPONENT_STATUSES.get(word), word)


def _incidents(summary: Mapping[str, object], names: Mapping[str, str]) -> Iterator[PageIncident]:
    for row in items(summary, "ongoing_incidents"):
        state = is_open(text(row, "status"))
        if state is not False:
            yield PageIncident(
                title=text(row, "name"),
                is_open=state,
                affects=_affected(row, names),
                at=moment(row, "last_update_at", "published_at"),
            )


def _maintenances(
    summary: Mapping[str, object], names: Mapping[str, str]
) -> Iterator[PageMaintenance]:
    for key, is_active in (("in_progress_maintenances", True), ("scheduled_maintenances", False)):
        for row in items(summary, key):
            if text(row, "status") not in _COMPLETE:
                yield PageMaintenance(
                    title=text(row, "name"),
                    is_active=is_active,
                    start=moment(row, "starts_at", "started_at"),
                    end=moment(row, "ends_at", "scheduled_end_at"),
                    affects=_affected(row, names),
                    at=moment(row, "last_update_at", "published_at"),
                )


def _affected(row: Mapping[str, object], names: Mapping[str, str]) -> frozenset[str]:
    named = []
    for key in ("affected_components", "component_impacts"):
        for item in items(row, key):
            id_ = text(item, "id") if key == "affected_components" else ""
            id_ = text(item, "component_id") or id_
            named.append((id_, text(item, "name") or names.get(id_, "")))
    return names_of(named)


READER = FeedReader(
    (
        Surface(under_root("/api/v2/summary.json", "/api/v2/incidents.json"), page_of),
        Surface(_proxy, _proxy_page),
        Surface(under_root("/api/v1/summary"), _widget_page),
    )
)
