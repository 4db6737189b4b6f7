"""incident.io: its Statuspage-compatible API with the known gaps, and its two widget APIs.

Sources: recorded responses of status.openai.com in 2026 (`incidents/unresolved.json` answers 404,
update bodies are empty, `updated_at` lags for days, the summary leaves incidents out), and
e2b-dev/dashboard#313 for the documented widget API.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols import statuspage
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident, ReportedMaintenance

_PAGE_UPDATED_AT = -6 * 86_400.0  # the shim's page.updated_at lags for days


def incident_io_status(status: ReportedStatus) -> str:
    """Return the widgets' status, in which a major outage has another name."""
    return "full_outage" if status is ReportedStatus.MAJOR_OUTAGE else status.value


def ulid_like_id(page: PageSnapshot, kind: str, name: str) -> str:
    """Return an id in the form of a ULID."""
    return "01K" + page.stable_id(kind, name, 23).upper()


def _shim(page: PageSnapshot, **members: JsonValue) -> JsonValue:
    return {"page": statuspage.page_object(page, _PAGE_UPDATED_AT), **members}


def _shim_incidents(page: PageSnapshot) -> JsonValue:
    incidents: list[JsonValue] = []
    for incident in page.report.incidents[:25]:
        # The real pages leave the texts of updates empty.
        updates = tuple(replace(update, body="") for update in incident.updates)
        incidents.append(statuspage.incident_object(page, replace(incident, updates=updates)))
    return _shim(page, incidents=incidents)


def _widget_proxy(page: PageSnapshot) -> JsonValue:
    names = list(page.report.components)
    summary: dict[str, JsonValue] = {
        "id": ulid_like_id(page, "page", ""),
        "name": page.title,
        "public_url": page.url,
        "components": [{"id": ulid_like_id(page, "component", n), "name": n} for n in names],
        "structure": {"items": [_group(page, names)]},
        "affected_components": [
            _component_status(page, name, status)
            for name, status in page.report.components.items()
            if status is not ReportedStatus.OPERATIONAL
        ],
        **_current_events(page, _proxy_incident),
    }
    return {"summary": summary}


def _group(page: PageSnapshot, names: list[str]) -> JsonValue:
    return {
        "group": {
            "id": ulid_like_id(page, "group", "APIs"),
            "name": "APIs",
            "components": [
                {"component_id": ulid_like_id(page, "component", name)} for name in names
            ],
        }
    }


def _component_status(
    page: PageSnapshot, name: str, status: ReportedStatus
) -> dict[str, JsonValue]:
    return {
        "component_id": ulid_like_id(page, "component", name),
        "status": incident_io_status(status),
    }


def _component_impact(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    resolved = [page.rfc3339(one.at) for one in incident.updates if one.status == "resolved"]
    return {
        **_component_status(page, incident.component, incident.component_status),
        "start_at": page.rfc3339(incident.started_at),
        "end_at": resolved[0] if resolved else None,
    }


def _proxy_incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    status = _component_status(page, incident.component, incident.component_status)
    return {
        "id": ulid_like_id(page, "incident", incident.id),
        "name": incident.name,
        "status": incident.status,
        "published_at": page.rfc3339(incident.started_at),
        "affected_components": [status],
        "component_impacts": [_component_impact(page, incident)],
        "status_summaries": [],
        "updates": [
            {
                "published_at": page.rfc3339(update.at),
                "to_status": update.status,
                "message": {"type": "doc", "content": []},
                "message_string": update.body,
                "component_statuses": [status],
            }
            for update in incident.updates
        ],
    }


def _current_events(
    page: PageSnapshot, incident_json: Callable[[PageSnapshot, ReportedIncident], JsonValue]
) -> dict[str, JsonValue]:
    return {
        "ongoing_incidents": [incident_json(page, one) for one in page.report.open_incidents],
        "in_progress_maintenances": _maintenances_with_status(page, "in_progress"),
        "scheduled_maintenances": _maintenances_with_status(page, "scheduled"),
    }


def _widget_incident(page: PageSnapshot, incident: ReportedIncident) -> JsonValue:
    own_id = ulid_like_id(page, "incident", incident.id)
    return {
        "id": own_id,
        "name": incident.name,
        "status": incident.status,
        "url": f"{page.url}/incidents/{own_id}",
        "last_update_at": page.rfc3339(incident.updates[-1].at),
        "last_update_message": incident.updates[-1].body,
        "current_worst_impact": incident_io_status(incident.component_status),
        "affected_components": [
            _affected_component(page, incident.component, incident.component_status)
        ],
    }


def _affected_component(page: PageSnapshot, name: str, status: ReportedStatus) -> JsonValue:
    return {
        "id": ulid_like_id(page, "component", name),
        "name": name,
        "group_name": "APIs",
        "current_status": incident_io_status(status),
    }


def _maintenances_with_status(page: PageSnapshot, status: str) -> list[JsonValue]:
    return [_maintenance(page, one) for one in page.report.maintenances if one.status == status]


def _maintenance(page: PageSnapshot, maintenance: ReportedMaintenance) -> JsonValue:
    own_id = ulid_like_id(page, "maintenance", maintenance.id)
    begin, end = page.rfc3339(maintenance.plan.start), page.rfc3339(maintenance.plan.end)
    dates: dict[str, JsonValue] = (
        {"starts_at": begin, "ends_at": end}
        if maintenance.status == "scheduled"
        else {"started_at": begin, "scheduled_end_at": end}
    )
    return {
        "id": own_id,
        "name": maintenance.plan.name,
        "status": f"maintenance_{maintenance.status}",
        "url": f"{page.url}/maintenances/{own_id}",
        "last_update_at": page.rfc3339(maintenance.plan.announced),
        "last_update_message": "Planned.",
        "affected_components": [
            _affected_component(page, name, ReportedStatus.UNDER_MAINTENANCE)
            for name in maintenance.plan.components
        ],
        **dates,
    }


#: The body of each path; the real pages lack the same paths.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {
    "/api/v2/status.json": lambda page: _shim(page, status=statuspage.status_object(page)),
    "/api/v2/summary.json": lambda page: _shim(
        page, status=statuspage.status_object(page), components=statuspage.component_objects(page)
    ),
    "/api/v2/components.json": lambda page: _shim(
        page, components=statuspage.component_objects(page)
    ),
    "/api/v2/incidents.json": _shim_incidents,
    "/proxy/{host}": _widget_proxy,
    "/proxy/{host}/incidents": lambda page: {
        "incidents": [_proxy_incident(page, one) for one in page.report.incidents]
    },
    "/proxy/{host}/component_impacts": lambda page: {
        "component_impacts": [_component_impact(page, one) for one in page.report.incidents]
    },
    "/api/v1/summary": lambda page: _current_events(page, _widget_incident),
}
