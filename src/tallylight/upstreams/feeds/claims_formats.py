"""Where each format of status pages publishes its past and its plans.

An incident claims an outage where the page says so of the component (a major or full outage), or,
if it names no component's status, by its impact (major, critical). All other incidents claim a
degraded service, which counts as up here as it does in our own availability. Texts are redacted
lines of bounded length.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.betterstack import BETTER_STACK_STATUSES
from tallylight.upstreams.feeds.claims import ClaimedComponent, ClaimedEvent, ClaimsApi
from tallylight.upstreams.feeds.datadog import (
    DATADOG_STATUSES,
    datadog_affected,
    datadog_components,
)
from tallylight.upstreams.feeds.entries import BELIEVED_FOR, syndicated_incidents
from tallylight.upstreams.feeds.google import DISRUPTION, OUTAGE
from tallylight.upstreams.feeds.instatus import (
    INSTATUS_STATUSES,
    instatus_date,
    planned_end,
)
from tallylight.upstreams.feeds.notation import ATOM, RSS
from tallylight.upstreams.feeds.page import component_keys
from tallylight.upstreams.feeds.rootly import rootly_title
from tallylight.upstreams.feeds.statuspage import (
    COMPONENT_STATUSES,
    affected_components,
    is_open_incident,
)
from tallylight.upstreams.feeds.syndication import SyndicatedFeed
from tallylight.upstreams.json_access import (
    first_timestamp,
    has_array,
    object_at,
    objects_at,
    text_at,
)
from tallylight.upstreams.redact import redact_line

_MAX_AFFECTED = 50
_MAX_TEXT = 200

_IMPACTS: Mapping[str, Status] = {
    "none": Status.OPERATIONAL,
    "minor": Status.DEGRADED,
    "major": Status.SUSPENDED,
    "critical": Status.SUSPENDED,
}
_SEVERITY = (Status.SUSPENDED, Status.DEGRADED, Status.OPERATIONAL)


def _statuspage(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    summary, *rest = documents
    if not has_array(summary, "components"):
        return None
    rows = [
        ClaimedComponent(
            _line(text_at(row, "id")),
            _line(text_at(row, "name")),
            COMPONENT_STATUSES.get(text_at(row, "status"), Status.UNKNOWN),
            _line(text_at(row, "group_id")),
        )
        for row in objects_at(summary, "components")
    ]
    events = {
        event.id: event
        for source in (summary, *rest)
        for event in (*_incidents(source), *_maintenances(source))
    }
    return rows, list(events.values())


def _incidents(source: object) -> Iterator[ClaimedEvent]:
    for row in objects_at(source, "incidents"):
        start = first_timestamp(row, "started_at", "created_at")
        is_over = is_open_incident(text_at(row, "status")) is False
        end = first_timestamp(row, "resolved_at")
        if end is None and is_over:
            end = first_timestamp(row, "updated_at")
        if start is not None:
            yield ClaimedEvent(
                _line(text_at(row, "id")),
                _line(text_at(row, "name")),
                _incident_status(row),
                start,
                end,
                _keys(affected_components(row)),
            )


def _incident_status(row: Mapping[str, object]) -> Status:
    named = {
        Status.SUSPENDED
        if COMPONENT_STATUSES.get(text_at(item, "new_status")) is Status.SUSPENDED
        else Status.DEGRADED
        for update in objects_at(row, "incident_updates")
        for item in objects_at(update, "affected_components")
        if text_at(item, "new_status") != "operational"
    }
    if named:
        return next(status for status in _SEVERITY if status in named)
    return _IMPACTS.get(text_at(row, "impact"), Status.DEGRADED)


def _maintenances(source: object) -> Iterator[ClaimedEvent]:
    for row in objects_at(source, "scheduled_maintenances"):
        start = first_timestamp(row, "scheduled_for")
        if start is not None:
            yield ClaimedEvent(
                _line(text_at(row, "id")),
                _line(text_at(row, "name")),
                Status.MAINTENANCE,
                start,
                first_timestamp(row, "resolved_at", "scheduled_until"),
                _keys(affected_components(row)),
            )


def _google(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    listed, *products = documents
    if not isinstance(listed, list):
        return None
    impacts = {OUTAGE: Status.SUSPENDED, DISRUPTION: Status.DEGRADED}
    events = []
    for row in objects_at({"incidents": listed}, "incidents"):
        start, status = first_timestamp(row, "begin"), impacts.get(text_at(row, "status_impact"))
        if start is not None and status is not None:
            affected = _keys(
                component_keys(
                    (text_at(item, "id"), text_at(item, "title"))
                    for item in objects_at(row, "affected_products")
                )
            )
            title = _line(text_at(row, "external_desc"))
            end = first_timestamp(row, "end")
            events.append(
                ClaimedEvent(_line(text_at(row, "id")), title, status, start, end, affected)
            )
    rows = [
        ClaimedComponent(
            _line(text_at(row, "id")), _line(text_at(row, "title")), Status.OPERATIONAL
        )
        for row in objects_at(products[0] if products else None, "products")
    ]
    return rows, events


def _betterstack(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    document = documents[0]
    if not has_array(document, "included"):
        return None
    rows, events = [], []
    for row in objects_at(document, "included"):
        attributes, id_ = object_at(row, "attributes"), _line(text_at(row, "id"))
        if text_at(row, "type") == "status_page_resource":
            status = BETTER_STACK_STATUSES.get(text_at(attributes, "status"), Status.DEGRADED)
            rows.append(ClaimedComponent(id_, _line(text_at(attributes, "public_name")), status))
        start = first_timestamp(attributes, "starts_at")
        if text_at(row, "type") == "status_report" and start is not None:
            is_planned = text_at(attributes, "report_type") == "maintenance"
            claimed = BETTER_STACK_STATUSES.get(
                text_at(attributes, "aggregate_state"), Status.DEGRADED
            )
            events.append(
                ClaimedEvent(
                    id_,
                    _line(text_at(attributes, "title")),
                    Status.MAINTENANCE if is_planned else claimed,
                    start,
                    first_timestamp(attributes, "ends_at"),
                    _keys(
                        component_keys(
                            (text_at(item, "status_page_resource_id"), "")
                            for item in objects_at(attributes, "affected_resources")
                        )
                    ),
                )
            )
    return rows, events


def _instatus(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    listed, summary = documents
    if not has_array(listed, "components"):
        return None
    rows = [
        ClaimedComponent(
            _line(text_at(row, "id")),
            _line(text_at(row, "name")),
            INSTATUS_STATUSES.get(text_at(row, "status"), Status.DEGRADED),
        )
        for row in objects_at(listed, "components")
    ]
    events = []
    for key, begin in (("activeIncidents", "started"), ("activeMaintenances", "start")):
        for row in objects_at(summary, key):
            start, title = instatus_date(row, begin), _line(text_at(row, "name"))
            claimed = INSTATUS_STATUSES.get(text_at(row, "impact"), Status.DEGRADED)
            status = Status.MAINTENANCE if key == "activeMaintenances" else claimed
            if start is not None:
                id_ = _line(text_at(row, "url")) or f"{title} {start:%Y%m%dT%H%M}"
                events.append(ClaimedEvent(id_, title, status, start, planned_end(row)))
    return rows, events


def _rootly(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    if not has_array(documents[0], "incidents"):
        return None
    named = [
        (row, first_timestamp(row, "started_at", "created_at"))
        for row in objects_at(documents[0], "incidents")
    ]
    return (), [
        ClaimedEvent(
            _line(text_at(row, "id")) or f"{rootly_title(row)} {start:%Y%m%dT%H%M}",
            _line(rootly_title(row)),
            Status.SUSPENDED if text_at(row, "impact") == "critical" else Status.DEGRADED,
            start,
            first_timestamp(row, "resolved_at"),
            _keys(affected_components(row)),
        )
        for row, start in named
        if start is not None
    ]


def _datadog(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    document = object_at(documents[0])
    if not has_array(document, "components"):
        return None
    rows = [
        ClaimedComponent(
            _line(text_at(row, "id")),
            _line(text_at(row, "name")),
            DATADOG_STATUSES.get(text_at(row, "status"), Status.UNKNOWN),
            _line(group),
        )
        for row, group in datadog_components(document)
    ]
    events = []
    for key, begin, end in (
        ("incidents", "publishedDate", "resolvedDate"),
        ("maintenances", "startDate", "completedDate"),
    ):
        for row in objects_at(document, key):
            start = first_timestamp(row, begin)
            status = _datadog_status(row) if key == "incidents" else Status.MAINTENANCE
            if start is not None:
                events.append(
                    ClaimedEvent(
                        _line(text_at(row, "id")),
                        _line(text_at(row, "title")),
                        status,
                        start,
                        first_timestamp(row, end),
                        _keys(datadog_affected(row)),
                    )
                )
    return rows, events


def _datadog_status(row: Mapping[str, object]) -> Status:
    named = {
        DATADOG_STATUSES.get(text_at(item, "status"))
        for update in objects_at(row, "timeline")
        for item in objects_at(update, "componentsAffected")
    }
    return Status.SUSPENDED if Status.SUSPENDED in named else Status.DEGRADED


def _syndicated(
    documents: Sequence[object],
) -> tuple[Sequence[ClaimedComponent], Sequence[ClaimedEvent]] | None:
    feed = documents[0]
    if not isinstance(feed, SyndicatedFeed):
        return None
    return (), [
        ClaimedEvent(
            _line(incident.id),
            _line(incident.title),
            Status.SUSPENDED if incident.is_full_outage else Status.DEGRADED,
            incident.start,
            incident.at + BELIEVED_FOR if incident.is_open else incident.at,
        )
        for incident in syndicated_incidents(feed)
    ]


def _line(text: str) -> str:
    return redact_line(text, max_length=_MAX_TEXT)


def _keys(affected: Iterable[str]) -> tuple[str, ...]:
    return tuple(_line(key) for key in sorted(affected)[:_MAX_AFFECTED])


_STATUSPAGE_PATHS = (
    "/api/v2/summary.json",
    "/api/v2/incidents.json",
    # incident.io's pages may lack it; their summary has what is ahead.
    "/api/v2/scheduled-maintenances.json",
)

CLAIMS_APIS: Mapping[str, ClaimsApi] = {
    "statuspage": ClaimsApi(_STATUSPAGE_PATHS, _statuspage, limit=50),
    # Its compatible API cuts the past off at a length that is not documented.
    "incident_io": ClaimsApi(_STATUSPAGE_PATHS, _statuspage),
    "google": ClaimsApi(("/incidents.json", "/products.json"), _google, limit=10_000),
    "betterstack": ClaimsApi(("/index.json",), _betterstack),
    "instatus": ClaimsApi(("/v2/components.json", "/summary.json"), _instatus),
    "rootly": ClaimsApi(("/api/v1/incidents.json?per_page=100",), _rootly),
    "datadog": ClaimsApi(("/config.json",), _datadog),
    "rss": ClaimsApi(("",), _syndicated, notation=RSS),
    "atom": ClaimsApi(("",), _syndicated, notation=ATOM),
}
"""By the names of the registry of feed readers."""
