"""Instatus pages: `/summary.json` and `/v2/components.json`.

The overall `page.status` says HASISSUES for anything from slow to down, so the rows are asked. The
list of active incidents is absent when there are none, and names no components. The unit of a
maintenance's `duration` is nowhere documented, hence no planned end.

Source: Instatus's help pages on the public status API.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.loose import has_list, items, mapping, moment, text
from tallylight.upstreams.feeds.page import Component, Page, PageIncident, PageMaintenance
from tallylight.upstreams.feeds.reader import FeedReader, Surface, under_root

_COMPONENT_STATUSES: Mapping[str, Status] = {
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


def page_of(documents: Sequence[object]) -> Page | None:
    """Return the page that a summary and the list of components describe."""
    summary, listed = documents
    if not has_list(listed, "components"):
        return None
    has_summary = bool(text(mapping(summary, "page"), "status"))
    return Page(
        components=tuple(_component(row) for row in items(listed, "components")),
        incidents=tuple(_incidents(summary)) if has_summary else None,
        maintenances=tuple(_maintenances(summary)),
    )


def _component(row: Mapping[str, object]) -> Component:
    word = text(row, "status")
    return Component(text(row, "id"), text(row, "name"), _COMPONENT_STATUSES.get(word), word)


def _incidents(summary: object) -> Iterator[PageIncident]:
    for row in items(summary, "activeIncidents"):
        is_open = _IS_OPEN.get(text(row, "status"))
        if is_open is not False:
            yield PageIncident(text(row, "name"), is_open, at=moment(row, "started"))


def _maintenances(summary: object) -> Iterator[PageMaintenance]:
    for row in items(summary, "activeMaintenances"):
        is_active = _IS_ACTIVE.get(text(row, "status"))
        if is_active is not None:
            start = moment(row, "start")
            yield PageMaintenance(text(row, "name"), is_active, start, None, at=start)


READER = FeedReader((Surface(under_root("/summary.json", "/v2/components.json"), page_of),))
