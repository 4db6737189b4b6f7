"""Rootly: the overall status and the active incidents, without components.

Source: docs.rootly.com, "Status Page Public API", of March 2026. The members of an incident are
Statuspage's, which is not verified.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident

_INDICATORS: Mapping[ReportedStatus, tuple[str, str]] = {
    ReportedStatus.OPERATIONAL: ("none", "All Systems Operational"),
    ReportedStatus.UNDER_MAINTENANCE: ("maintenance", "Scheduled Maintenance"),
    ReportedStatus.DEGRADED_PERFORMANCE: ("minor", "Minor Service Outage"),
    ReportedStatus.PARTIAL_OUTAGE: ("minor", "Minor Service Outage"),
    ReportedStatus.MAJOR_OUTAGE: ("major", "Major Service Outage"),
}


def _status(page: PageSnapshot) -> JsonValue:
    indicator, description = _INDICATORS[page.report.worst_status]
    return _list(page) | {"status": {"indicator": indicator, "description": description}}


def _list(page: PageSnapshot) -> dict[str, JsonValue]:
    return {
        "page": {
            "name": page.title,
            "url": page.url,
            "time_zone": "Etc/UTC",
            "updated_at": page.rfc3339(page.report.changed_at),
        },
        "incidents": [_incident(page, one) for one in page.report.open_incidents],
    }


def _incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    return {
        "id": page.stable_id("incident", incident.id),
        "name": incident.name,
        "status": incident.status,
        "impact": incident.impact,
        "started_at": page.rfc3339(incident.started_at),
        "updated_at": page.rfc3339(incident.updates[-1].at),
        "resolved_at": None,
    }


#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {
    "/api/v1/status.json": _status,
    "/api/v1/incidents.json": _list,
}
