"""Instatus: what is active now, and the components. Neither names the other.

Source: instatus.com/help/api/public-data. Its example dates are those of JavaScript's `Date`, and
the length of a maintenance is a text of minutes.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import JsonValue

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot

_MAINTENANCE_STATUSES: Mapping[str, str] = {
    "scheduled": "NOTSTARTEDYET",
    "in_progress": "INPROGRESS",
}


def _summary(page: PageSnapshot) -> JsonValue:
    incidents: list[JsonValue] = [
        {
            "name": incident.name,
            "started": _date(page, incident.started_at),
            "status": incident.status.upper(),
            "impact": _upper(incident.component_status),
            "url": f"{page.url}/incident/{page.stable_id('incident', incident.id, 25)}",
        }
        for incident in page.report.open_incidents
    ]
    maintenances: list[JsonValue] = [
        {
            "name": maintenance.plan.name,
            "start": _date(page, maintenance.plan.start),
            "status": _MAINTENANCE_STATUSES[maintenance.status],
            "duration": str(round((maintenance.plan.end - maintenance.plan.start) / 60)),
            "url": f"{page.url}/maintenance/{page.stable_id('maintenance', maintenance.id, 25)}",
        }
        for maintenance in page.report.maintenances
        if maintenance.status in _MAINTENANCE_STATUSES
    ]
    return {
        "page": {"name": page.title, "url": page.url, "status": _page_status(page)},
        # A list without entries is absent.
        **({"activeIncidents": incidents} if incidents else {}),
        **({"activeMaintenances": maintenances} if maintenances else {}),
    }


def _page_status(page: PageSnapshot) -> str:
    worst = page.report.worst_status
    if page.report.open_incidents or worst not in {
        ReportedStatus.OPERATIONAL,
        ReportedStatus.UNDER_MAINTENANCE,
    }:
        return "HASISSUES"
    return "UP" if worst is ReportedStatus.OPERATIONAL else "UNDERMAINTENANCE"


def _components(page: PageSnapshot) -> JsonValue:
    return {
        "components": [
            {
                "id": page.stable_id("component", name, 25),
                "name": name,
                "description": "",
                "status": _upper(status),
            }
            for name, status in page.report.components.items()
        ]
    }


def _upper(status: ReportedStatus) -> str:
    return status.value.replace("_", "").upper()


def _date(page: PageSnapshot, second: float) -> str:
    moment = datetime.fromisoformat(page.rfc3339(second))
    return f"{moment:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"


#: The body of each path.
RESPONSE_BODIES: Mapping[str, Callable[[PageSnapshot], JsonValue]] = {
    "/summary.json": _summary,
    "/v2/components.json": _components,
}
