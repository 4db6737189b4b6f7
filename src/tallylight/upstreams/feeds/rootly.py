"""Rootly pages: `/api/v1/status.json`, near to Statuspage, but without components.

The overall indicator is all that is told about components: "major" means that something on the page
is out, hence not more than DEGRADED for one of them. The list holds active incidents only.

Source: docs.rootly.com, "Status Page Public API", of March 2026. The members of an incident are not
shown there: Statuspage's names are read, and `title`.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageIncident,
    StatusPageMaintenance,
)
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader, root_paths
from tallylight.upstreams.feeds.statuspage import affected_components, is_open_incident
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)

_IS_TROUBLE: Mapping[str, bool] = {
    "none": False,
    "maintenance": False,
    "minor": True,
    "major": True,
    "critical": True,
}
_PLANNED = frozenset({"scheduled", "in_progress", "verifying", "completed"})


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    document = object_at(documents[0])
    indicator = text_at(object_at(document, "status"), "indicator")
    if not indicator or not has_array(document, "incidents"):
        return None
    said = text_at(object_at(document, "status"), "description")
    at = first_timestamp(object_at(document, "page"), "updated_at")
    incidents = tuple(_incidents(document))
    is_trouble = _IS_TROUBLE.get(indicator)
    if is_trouble is None or (is_trouble and not incidents):
        incidents += (StatusPageIncident(said, is_open=is_trouble, at=at),)
    maintenance = StatusPageMaintenance(said, is_active=True, start=None, end=None, at=at)
    return StatusPage(
        components=(),
        incidents=incidents,
        maintenances=(maintenance,) if indicator == "maintenance" else (),
        lists_all_components=False,
        at=at,
    )


def _incidents(document: Mapping[str, object]) -> Iterator[StatusPageIncident]:
    for row in objects_at(document, "incidents"):
        word = text_at(row, "status")
        # The list is of active incidents: without a word an incident is one.
        state = is_open_incident(word) if word else True
        if first_timestamp(row, "resolved_at") is None and state is not False:
            if word in _PLANNED:
                continue
            yield StatusPageIncident(
                title=rootly_title(row),
                is_open=state,
                affected=affected_components(row),
                at=first_timestamp(row, "updated_at", "started_at", "created_at"),
            )


def rootly_title(row: Mapping[str, object]) -> str:
    """Return the title of an incident."""
    return text_at(row, "name") or text_at(row, "title")


READER = FeedReader((FeedApi(root_paths("/api/v1/status.json"), _parse_page),))
