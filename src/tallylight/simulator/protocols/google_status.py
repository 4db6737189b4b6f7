"""Google's status dashboards: a bare array of all incidents, and the list of products.

A product has no status of its own, and maintenances are not published. Source: `incidents.json`,
its `incidents.schema.json` and `products.json` at status.cloud.google.com, of August 2026.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident, ReportedUpdate

_IMPACTS: Mapping[ReportedStatus, tuple[str, str]] = {
    ReportedStatus.OPERATIONAL: ("AVAILABLE", "low"),
    ReportedStatus.UNDER_MAINTENANCE: ("SERVICE_INFORMATION", "low"),
    # A disruption may have a low severity.
    ReportedStatus.DEGRADED_PERFORMANCE: ("SERVICE_DISRUPTION", "low"),
    ReportedStatus.PARTIAL_OUTAGE: ("SERVICE_DISRUPTION", "medium"),
    ReportedStatus.MAJOR_OUTAGE: ("SERVICE_OUTAGE", "high"),
}
_EVERYWHERE: JsonValue = [{"title": "Global", "id": "global"}]


def _product(page: PageSnapshot, name: str) -> JsonValue:
    return {"title": name, "id": page.stable_id("product", name, 20)}


def _incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    impact, severity = _IMPACTS[incident.component_status]
    newest = incident.updates[-1]
    own_id = page.stable_id("incident", incident.id, 20)
    updates = [_update(page, incident, update) for update in reversed(incident.updates)]
    return {
        "id": own_id,
        "number": str(int(own_id, 16))[:20],
        "begin": _date(page, incident.started_at),
        "created": _date(page, incident.started_at),
        # The member is absent while the incident is open.
        **({} if incident.is_open else {"end": _date(page, newest.at)}),
        "modified": _date(page, newest.at),
        "external_desc": incident.name,
        "updates": updates,
        "most_recent_update": updates[0],
        "status_impact": impact,
        "severity": severity,
        "service_key": "zall",
        "service_name": "Multiple Products",
        "affected_products": [_product(page, incident.component)],
        "uri": f"incidents/{own_id}",
        "currently_affected_locations": _EVERYWHERE if incident.is_open else [],
        "previously_affected_locations": [] if incident.is_open else _EVERYWHERE,
    }


def _update(page: PageSnapshot, incident: ReportedIncident, update: ReportedUpdate) -> JsonValue:
    date = _date(page, update.at)
    is_over = update.status == "resolved"
    status = ReportedStatus.OPERATIONAL if is_over else incident.component_status
    return {
        **dict.fromkeys(("created", "modified", "when"), date),
        "text": update.body,
        "status": _IMPACTS[status][0],
        "affected_locations": [] if is_over else _EVERYWHERE,
    }


def _date(page: PageSnapshot, second: float) -> str:
    return page.rfc3339(second).removesuffix(".000Z") + "+00:00"


#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {
    "/incidents.json": lambda page: [_incident(page, one) for one in page.report.incidents],
    "/products.json": lambda page: {
        "products": [_product(page, name) for name in page.report.components]
    },
}
