"""Datadog's status pages: one document of components in groups, incidents and maintenances.

Source: `config.json` of status.openrouter.ai of September 2026. The members of a maintenance are
those of Datadog's API in this spelling, which is not verified.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident, ReportedMaintenance

_STATUSES: Mapping[ReportedStatus, str] = {
    ReportedStatus.OPERATIONAL: "operational",
    ReportedStatus.UNDER_MAINTENANCE: "maintenance",
    ReportedStatus.DEGRADED_PERFORMANCE: "degraded",
    ReportedStatus.PARTIAL_OUTAGE: "partial_outage",
    ReportedStatus.MAJOR_OUTAGE: "major_outage",
}


def _config(page: PageSnapshot) -> JsonValue:
    maintenances: list[JsonValue] = [_maintenance(page, one) for one in page.report.maintenances]
    group: dict[str, JsonValue] = {
        "id": _id(page, "group", "API"),
        "name": "API",
        "position": 0,
        "type": "ComponentGroup",
        "components": [_component(page, *row) for row in page.report.components.items()],
    }
    return {
        "id": _id(page, "page", ""),
        "name": page.title,
        "pageUrl": page.url,
        "customDomain": "",
        "components": [group],
        "incidents": [_incident(page, one) for one in page.report.incidents],
        # A list without entries is null.
        "maintenances": maintenances or None,
    }


def _component(page: PageSnapshot, name: str, status: ReportedStatus) -> JsonValue:
    return {
        "id": _id(page, "component", name),
        "name": name,
        "status": _STATUSES[status],
        "type": "Component",
    }


def _incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    ended = next((one.at for one in incident.updates if one.status == "resolved"), None)
    timeline: list[JsonValue] = [
        {
            "id": _id(page, "update", f"{incident.id} {update.at}"),
            "status": update.status,
            "description": update.body,
            "startedAt": page.rfc3339(update.at),
            "createdAt": page.rfc3339(update.at),
            "componentsAffected": [
                _component(
                    page,
                    incident.component,
                    ReportedStatus.OPERATIONAL
                    if update.status == "resolved"
                    else incident.component_status,
                )
            ],
        }
        for update in reversed(incident.updates)
    ]
    return {
        "id": _id(page, "incident", incident.id),
        "title": incident.name,
        "currentStatus": incident.status,
        "resolved": ended is not None,
        "description": incident.updates[-1].body,
        "publishedDate": page.rfc3339(incident.started_at),
        "lastModifiedAt": page.rfc3339(incident.updates[-1].at),
        **({} if ended is None else {"resolvedDate": page.rfc3339(ended)}),
        "timeline": timeline,
    }


def _maintenance(page: PageSnapshot, maintenance: ReportedMaintenance) -> JsonValue:
    plan = maintenance.plan
    return {
        "id": _id(page, "maintenance", maintenance.id),
        "title": plan.name,
        "currentStatus": maintenance.status,
        "publishedDate": page.rfc3339(plan.announced),
        "startDate": page.rfc3339(plan.start),
        "completedDate": page.rfc3339(plan.end),
        "componentsAffected": [
            _component(page, name, ReportedStatus.UNDER_MAINTENANCE) for name in plan.components
        ],
    }


def _id(page: PageSnapshot, kind: str, name: str) -> str:
    digits = page.stable_id(kind, name, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {"/config.json": _config}
