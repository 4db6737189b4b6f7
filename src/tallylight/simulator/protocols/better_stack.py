"""Better Stack: one JSON:API document of a page, its resources and its reports.

Source: betterstack.com/docs/uptime, "JSON API status" and "Status page reports API". A report of a
maintenance names its end in advance, and has no state that says whether it has begun.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident, ReportedMaintenance

_STATES: Mapping[ReportedStatus, str] = {
    ReportedStatus.OPERATIONAL: "operational",
    ReportedStatus.UNDER_MAINTENANCE: "maintenance",
    ReportedStatus.DEGRADED_PERFORMANCE: "degraded",
    ReportedStatus.PARTIAL_OUTAGE: "degraded",
    ReportedStatus.MAJOR_OUTAGE: "downtime",
}


def _index(page: PageSnapshot) -> JsonValue:
    return {
        "data": {
            "id": _id(page, "page", ""),
            "type": "status_page",
            "attributes": {
                "company_name": page.title,
                "aggregate_state": _STATES[page.report.worst_status],
                "updated_at": page.rfc3339(page.report.changed_at),
            },
        },
        "included": [
            *(_resource(page, *row) for row in page.report.components.items()),
            *(_incident(page, one) for one in page.report.incidents),
            *(_maintenance(page, one) for one in page.report.maintenances),
        ],
    }


def _resource(page: PageSnapshot, name: str, status: ReportedStatus) -> JsonValue:
    return {
        "id": _id(page, "resource", name),
        "type": "status_page_resource",
        "attributes": {"public_name": name, "status": _STATES[status]},
    }


def _incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    ended = next((one.at for one in incident.updates if one.status == "resolved"), None)
    state = _STATES[incident.component_status]
    return {
        "id": _id(page, "report", incident.id),
        "type": "status_report",
        "attributes": {
            "title": incident.name,
            "report_type": "manual",
            "starts_at": page.rfc3339(incident.started_at),
            "ends_at": None if ended is None else page.rfc3339(ended),
            "aggregate_state": state if ended is None else _STATES[ReportedStatus.OPERATIONAL],
            "affected_resources": [
                _affected(page, incident.component, state if ended is None else "resolved")
            ],
        },
    }


def _maintenance(page: PageSnapshot, maintenance: ReportedMaintenance) -> JsonValue:
    state = _STATES[ReportedStatus.UNDER_MAINTENANCE]
    return {
        "id": _id(page, "report", maintenance.id),
        "type": "status_report",
        "attributes": {
            "title": maintenance.plan.name,
            "report_type": "maintenance",
            "starts_at": page.rfc3339(maintenance.plan.start),
            "ends_at": page.rfc3339(maintenance.plan.end),
            "aggregate_state": state,
            "affected_resources": [
                _affected(page, name, state) for name in maintenance.plan.components
            ],
        },
    }


def _affected(page: PageSnapshot, name: str, status: str) -> JsonValue:
    return {"status_page_resource_id": _id(page, "resource", name), "status": status}


def _id(page: PageSnapshot, kind: str, name: str) -> str:
    return str(int(page.stable_id(kind, name), 16) % 10_000_000)


#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {"/index.json": _index}
