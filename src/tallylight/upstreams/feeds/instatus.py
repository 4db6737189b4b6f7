"""Instatus pages: `/summary.json` and `/v2/components.json`.

The overall `page.status` is HASISSUES for anything from slow to down, so the components are read.
The list of active incidents is absent when there are none, and names no components. Dates are in
ISO 8601 or, as in the documentation's example, in the form of JavaScript's `Date`. A maintenance
has a `duration` in minutes in place of its end.

Source: instatus.com/help/api/public-data; monitors that read `duration` as minutes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

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
_MAX_DIGITS = 6  # about two years of minutes
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
                text_at(row, "name"), is_open, at=instatus_date(row, "started")
            )


def _maintenances(summary: object) -> Iterator[StatusPageMaintenance]:
    for row in objects_at(summary, "activeMaintenances"):
        is_active = _IS_ACTIVE.get(text_at(row, "status"))
        if is_active is not None:
            start = instatus_date(row, "start")
            end = planned_end(row)
            yield StatusPageMaintenance(text_at(row, "name"), is_active, start, end, at=start)


def instatus_date(row: Mapping[str, object], key: str) -> datetime | None:
    """Return the date at a key in UTC, None without one."""
    found = first_timestamp(row, key)
    if found is not None:
        return found
    date, _, _ = text_at(row, key).partition(" (")  # the name of the time zone follows
    try:
        return datetime.strptime(date, "%a %b %d %Y %H:%M:%S GMT%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def planned_end(row: Mapping[str, object]) -> datetime | None:
    """Return the planned end of a maintenance, None if its start or its length is not known."""
    start, minutes = instatus_date(row, "start"), text_at(row, "duration")
    if start is None or not minutes.isdecimal() or len(minutes) > _MAX_DIGITS:
        return None
    return start + timedelta(minutes=int(minutes))


READER = FeedReader((FeedApi(root_paths("/summary.json", "/v2/components.json"), _parse_page),))
