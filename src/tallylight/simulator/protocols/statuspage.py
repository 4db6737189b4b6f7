"""Atlassian Statuspage v2, the public API without keys.

Source: confluence.status.atlassian.com/api, of 2026-06-19, and statuspage.io npm 3.1.1.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.status_reports import (
    ReportedIncident,
    ReportedMaintenance,
    ReportedUpdate,
    StatusReport,
)

_INDICATORS: Mapping[ReportedStatus, tuple[str, str]] = {
    ReportedStatus.OPERATIONAL: ("none", "All Systems Operational"),
    ReportedStatus.UNDER_MAINTENANCE: ("maintenance", "Service Under Maintenance"),
    ReportedStatus.DEGRADED_PERFORMANCE: ("minor", "Partially Degraded Service"),
    ReportedStatus.PARTIAL_OUTAGE: ("major", "Partial System Outage"),
    ReportedStatus.MAJOR_OUTAGE: ("critical", "Major Service Outage"),
}


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """A status page at one moment; `rfc3339` formats a scenario second as a date."""

    id: str
    title: str
    url: str
    report: StatusReport
    rfc3339: Callable[[float], str]

    def stable_id(self, kind: str, name: str, length: int = 12) -> str:
        """Return an id that depends on page, kind and name only."""
        digest = hashlib.sha256(f"{self.id}/{kind}/{name}".encode()).hexdigest()
        return digest[:length]


def page_object(page: PageSnapshot, updated: float) -> dict[str, JsonValue]:
    """Return the `page` member of every body."""
    return {
        "id": page.stable_id("page", ""),
        "name": page.title,
        "url": page.url,
        "time_zone": "Etc/UTC",
        "updated_at": page.rfc3339(updated),
    }


def status_object(page: PageSnapshot) -> dict[str, JsonValue]:
    """Return the `status` member; it depends on components only, not on open incidents."""
    indicator, description = _INDICATORS[page.report.worst_status]
    return {"indicator": indicator, "description": description}


def component_objects(page: PageSnapshot) -> list[JsonValue]:
    """Return all components."""
    return _components_named(page, page.report.components)


def component_object(
    page: PageSnapshot, name: str, status: ReportedStatus, position: int
) -> dict[str, JsonValue]:
    """Return one component."""
    return {
        "id": page.stable_id("component", name),
        "name": name,
        "status": status.value,
        "created_at": page.rfc3339(0),
        "updated_at": page.rfc3339(page.report.changed_at),
        "position": position,
        "description": None,
        "showcase": True,
        "start_date": page.rfc3339(0)[:10],
        "group_id": None,
        "page_id": page.stable_id("page", ""),
        "group": False,
        "only_show_if_degraded": False,
    }


def _components_named(page: PageSnapshot, names: Iterable[str]) -> list[JsonValue]:
    return [
        component_object(page, name, status, position)
        for position, (name, status) in enumerate(page.report.components.items(), start=1)
        if name in names
    ]


def incident_object(page: PageSnapshot, incident: ReportedIncident) -> dict[str, JsonValue]:
    """Return one incident with its updates, newest first."""
    times = {update.status: page.rfc3339(update.at) for update in incident.updates}
    status = incident.component_status.value
    incident_id = page.stable_id("incident", incident.id)
    updates: list[JsonValue] = []
    for index, update in enumerate(incident.updates):
        change: JsonValue = {
            "code": page.stable_id("component", incident.component),
            "name": incident.component,
            "old_status": ReportedStatus.OPERATIONAL.value if index == 0 else status,
            "new_status": status,
        }
        update_id = page.stable_id("update", f"{incident.id}-{index}")
        updates.append(_update_object(page, update_id, incident_id, update, [change]))
    return {
        **_event_members(page, incident_id, incident.started_at),
        "name": incident.name,
        "status": incident.status,
        "impact": incident.impact,
        "updated_at": page.rfc3339(incident.updates[-1].at),
        "monitoring_at": times.get("monitoring"),
        "resolved_at": times.get("resolved"),
        "reminder_intervals": None,
        "incident_updates": updates[::-1],
        "components": _components_named(page, {incident.component}),
    }


def maintenance_object(
    page: PageSnapshot, maintenance: ReportedMaintenance
) -> dict[str, JsonValue]:
    """Return one maintenance."""
    plan = maintenance.plan
    maintenance_id = page.stable_id("maintenance", maintenance.id)
    update_id = page.stable_id("update", maintenance.id)
    update = ReportedUpdate(plan.announced, maintenance.status, f"{plan.name}.")
    return {
        **_event_members(page, maintenance_id, plan.announced),
        "name": plan.name,
        "status": maintenance.status,
        "impact": "maintenance",
        "updated_at": page.rfc3339(plan.announced),
        "monitoring_at": None,
        "resolved_at": page.rfc3339(plan.end) if maintenance.status == "completed" else None,
        "scheduled_for": page.rfc3339(plan.start),
        "scheduled_until": page.rfc3339(plan.end),
        "incident_updates": [_update_object(page, update_id, maintenance_id, update, None)],
        "components": _components_named(page, plan.components),
    }


def _event_members(page: PageSnapshot, event_id: str, started_at: float) -> dict[str, JsonValue]:
    return {
        "id": event_id,
        "created_at": page.rfc3339(started_at),
        "started_at": page.rfc3339(started_at),
        "shortlink": f"{page.url}/incidents/{event_id}",
        "page_id": page.stable_id("page", ""),
    }


def _update_object(
    page: PageSnapshot,
    update_id: str,
    event_id: str,
    update: ReportedUpdate,
    affected_components: list[JsonValue] | None,
) -> JsonValue:
    return {
        "id": update_id,
        "status": update.status,
        "body": update.body,
        "incident_id": event_id,
        **dict.fromkeys(("created_at", "updated_at", "display_at"), page.rfc3339(update.at)),
        "affected_components": affected_components,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _maintenances(page: PageSnapshot, *statuses: str) -> list[JsonValue]:
    return [
        maintenance_object(page, one)
        for one in page.report.maintenances
        if not statuses or one.status in statuses
    ]


def _unresolved(page: PageSnapshot) -> list[JsonValue]:
    return [incident_object(page, one) for one in page.report.open_incidents]


def _body(page: PageSnapshot, **members: JsonValue) -> JsonValue:
    return {"page": page_object(page, page.report.changed_at), **members}


def _summary(page: PageSnapshot) -> JsonValue:
    return _body(
        page,
        status=status_object(page),
        components=component_objects(page),
        incidents=_unresolved(page),
        scheduled_maintenances=_maintenances(page, "scheduled", "in_progress"),
    )


def _incidents(page: PageSnapshot) -> JsonValue:
    return _body(page, incidents=[incident_object(page, one) for one in page.report.incidents[:50]])


_MAINTENANCES_PATH = "/api/v2/scheduled-maintenances"

#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {
    "/api/v2/status.json": lambda page: _body(page, status=status_object(page)),
    "/api/v2/summary.json": _summary,
    "/api/v2/components.json": lambda page: _body(page, components=component_objects(page)),
    "/api/v2/incidents.json": _incidents,
    "/api/v2/incidents/unresolved.json": lambda page: _body(page, incidents=_unresolved(page)),
    f"{_MAINTENANCES_PATH}.json": lambda page: _body(
        page, scheduled_maintenances=_maintenances(page)
    ),
    f"{_MAINTENANCES_PATH}/upcoming.json": lambda page: _body(
        page, scheduled_maintenances=_maintenances(page, "scheduled")
    ),
    f"{_MAINTENANCES_PATH}/active.json": lambda page: _body(
        page, scheduled_maintenances=_maintenances(page, "in_progress")
    ),
}
