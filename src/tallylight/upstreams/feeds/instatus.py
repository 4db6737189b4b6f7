"""Instatus pages: `/summary.json` and `/v2/components.json`.

The overall `page.status` is HASISSUES for anything from slow to down, so the components are read.
The list of active incidents is absent when there are none, and names no components. The unit of a
maintenance's `duration` is undocumented, hence no planned end.

Source: Instatus's help pages on the public status API.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageComponent,
    StatusPageIncident,
    StatusPageMaintenance,
)
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader, root_paths
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)

INSTATUS_STATUSES: Mapping[str, Status] = {
    "OPERATIONAL": Status.OPERATIONAL,
    "DEGRADEDPERFORMANCE": Status.DEGRADED,
    "PARTIALOUTAGE": Status.DEGRADED,
    "MINOROUTAGE": Status.DEGRADED,
    "MAJOROUTAGE": Status.SUSPENDED,
    "UNDERMAINTENANCE": Status.MAINTENANCE,
}
_IS_OPEN: Mapping[str, bool] = {
    "INVESTIGATING": True,
    "IDENTIFIED": True,
    "MONITORING": True,
    "RESOLVED": False,
}
_IS_ACTIVE: Mapping[str, bool] = {"NOTSTARTEDYET": False, "INPROGRESS": True, "VERIFYING": True}


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    summary, listed = documents
    if not has_array(listed, "components"):
        return None
    has_summary = bool(text_at(object_at(summary, "page"), "status"))
    return StatusPage(
        components=tuple(_component(row) for row in objects_at(listed, "components")),
        incidents=tuple(_incidents(summary)) if has_summary else None,
        maintenances=tuple(_maintenances(summary)),
    )


def _component(row: Mapping[str, object]) -> StatusPageComponent:
    word = text_at(row, "status")
    return StatusPageComponent(
        text_at(row, "id"), text_at(row, "name"), INSTATUS_STATUSES.get(word), word
    )


def _incidents(summary: object) -> Iterator[StatusPageIncident]:
    for row in objects_at(summary, "activeIncidents"):
        is_open = _IS_OPEN.get(text_at(row, "status"))
        if is_open is not False:
            yield StatusPageIncident(
                text_at(row, "name"), is_open, at=first_timestamp(row, "started")
            )


def _maintenances(summary: object) -> Iterator[StatusPageMaintenance]:
    for row in objects_at(summary, "activeMaintenances"):
        is_active = _IS_ACTIVE.get(text_at(row, "status"))
        if is_active is not None:
            start = first_timestamp(row, "start")
            yield StatusPageMaintenance(text_at(row, "name"), is_active, start, None, at=start)


READER = FeedReader((FeedApi(root_paths("/summary.json", "/v2/components.json"), _parse_page),))
