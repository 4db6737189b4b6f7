"""Better Stack pages: `/index.json`, one JSON:API document.

Source: Better Stack's documentation of status pages and of its status report API, where a report
names what it affects as `{"status_page_resource_id": …, "status": …}`.
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

_STATUSES: Mapping[str, Status] = {
    "operational": Status.OPERATIONAL,
    "degraded": Status.DEGRADED,
    "downtime": Status.SUSPENDED,
    "maintenance": Status.MAINTENANCE,
    "not_monitored": Status.UNKNOWN,
}
_ENDED = frozenset({"operational", "resolved"})


def page_of(documents: Sequence[object]) -> Page | None:
    """Return the page that the document describes."""
    found = mapping(documents[0])
    state = text(mapping(found, "data", "attributes"), "aggregate_state")
    if not state or not has_list(found, "included"):
        return None
    rows = tuple(
        _component(text(row, "id"), mapping(row, "attributes"))
        for row in items(found, "included")
        if text(row, "type") == "status_page_resource"
    )
    names = {row.id: row.name for row in rows}
    reports = [
        mapping(row, "attributes")
        for row in items(found, "included")
        if text(row, "type") == "status_report"
    ]
    return Page(
        components=rows,
        incidents=tuple(_incidents(reports, names)),
        maintenances=tuple(_maintenances(reports, names)),
    )


def _component(id_: str, attributes: Mapping[str, object]) -> Component:
    word = text(attributes, "status")
    return Component(id_, text(attributes, "public_name"), _STATUSES.get(word), word)


def _incidents(
    reports: Sequence[Mapping[str, object]], names: Mapping[str, str]
) -> Iterator[PageIncident]:
    for report in reports:
        is_over = report.get("ends_at") or text(report, "aggregate_state") in _ENDED
        if text(report, "report_type") != "maintenance" and not is_over:
            yield PageIncident(
                title=text(report, "title"),
                is_open=True,
                affects=_affected(report, names),
                at=moment(report, "starts_at"),
            )


def _maintenances(
    reports: Sequence[Mapping[str, object]], names: Mapping[str, str]
) -> Iterator[PageMaintenance]:
    for report in reports:
        if text(report, "report_type") == "maintenance":
            start = moment(report, "starts_at")
            yield PageMaintenance(
                title=text(report, "title"),
                # The rows under work say "maintenance"; a report has dates and no state.
                is_active=False,
                start=start,
                end=moment(report, "ends_at"),
                affects=_affected(report, names),
                at=start,
            )


def _affected(report: Mapping[str, object], names: Mapping[str, str]) -> frozenset[str]:
    ids = [text(item, "status_page_resource_id") for item in items(report, "affected_resources")]
    return names_of((id_, names.get(id_, "")) for id_ in ids)


READER = FeedReader((Surface(under_root("/index.json"), page_of),))
