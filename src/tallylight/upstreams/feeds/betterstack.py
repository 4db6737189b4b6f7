"""Better Stack pages: `/index.json`, one JSON:API document.

Source: Better Stack's documentation of status pages and of its status report API, where a report
names what it affects as `{"status_page_resource_id": …, "status": …}`.
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

BETTER_STACK_STATUSES: Mapping[str, Status] = {
    "operational": Status.OPERATIONAL,
    "degraded": Status.DEGRADED,
    "downtime": Status.SUSPENDED,
    "maintenance": Status.MAINTENANCE,
    "not_monitored": Status.UNKNOWN,
}
_ENDED = frozenset({"operational", "resolved"})


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    document = object_at(documents[0])
    state = text_at(object_at(document, "data", "attributes"), "aggregate_state")
    if not state or not has_array(document, "included"):
        return None
    rows = tuple(
        _component(text_at(row, "id"), object_at(row, "attributes"))
        for row in objects_at(document, "included")
        if text_at(row, "type") == "status_page_resource"
    )
    names = {row.id: row.name for row in rows}
    reports = [
        object_at(row, "attributes")
        for row in objects_at(document, "included")
        if text_at(row, "type") == "status_report"
    ]
    return StatusPage(
        components=rows,
        incidents=tuple(_incidents(reports, names)),
        maintenances=tuple(_maintenances(reports, names)),
    )


def _component(id_: str, attributes: Mapping[str, object]) -> StatusPageComponent:
    word = text_at(attributes, "status")
    return StatusPageComponent(
        id_, text_at(attributes, "public_name"), BETTER_STACK_STATUSES.get(word), word
    )


def _incidents(
    reports: Sequence[Mapping[str, object]], names: Mapping[str, str]
) -> Iterator[StatusPageIncident]:
    for report in reports:
        is_over = report.get("ends_at") or text_at(report, "aggregate_state") in _ENDED
        if text_at(report, "report_type") != "maintenance" and not is_over:
            yield StatusPageIncident(
                title=text_at(report, "title"),
                is_open=True,
                affected=_affected(report, names),
                at=first_timestamp(report, "starts_at"),
            )


def _maintenances(
    reports: Sequence[Mapping[str, object]], names: Mapping[str, str]
) -> Iterator[StatusPageMaintenance]:
    for report in reports:
        if text_at(report, "report_type") == "maintenance":
            start = first_timestamp(report, "starts_at")
            yield StatusPageMaintenance(
                title=text_at(report, "title"),
                # A report has dates and no state; the components under maintenance say so.
                is_active=False,
                start=start,
                end=first_timestamp(report, "ends_at"),
                affected=_affected(report, names),
                at=start,
            )


def _affected(report: Mapping[str, object], names: Mapping[str, str]) -> frozenset[str]:
    ids = [
        text_at(item, "status_page_resource_id")
        for item in objects_at(report, "affected_resources")
    ]
    return component_keys((id_, names.get(id_, "")) for id_ in ids)


READER = FeedReader((FeedApi(root_paths("/index.json"), _parse_page),))
