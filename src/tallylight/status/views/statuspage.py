"""Our state in the words of Atlassian Statuspage, for the clients that are written for it.

Statuspage knows neither risk control nor retirement nor ignorance. How we put them:

=============  ====================  ==================  ==================
our status     component             incident's impact   page's indicator
=============  ====================  ==================  ==================
operational    operational           none                none
degraded       degraded_performance  minor               minor
unknown        degraded_performance  minor               minor
risk_control   partial_outage        major               major
suspended      major_outage          major               major; critical where nothing is left
maintenance    under_maintenance     maintenance         maintenance
retired        major_outage          none                does not count
=============  ====================  ==================  ==================

What is unknown must read neither as up nor as an outage; the component's description says what it
is. A retired service cannot be used, and no outage of it will ever end, so it moves no indicator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tallylight.i18n import Translator
from tallylight.i18n.labels import status_description, status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate, ReasonCode
from tallylight.status.views.incidents import incident_title
from tallylight.status.views.overview import worst_status
from tallylight.status.views.statuspage_shapes import (
    AffectedComponent,
    ComponentStatus,
    IncidentStatus,
    Indicator,
    MaintenanceStatus,
    StatuspageComponent,
    StatuspageIncident,
    StatuspageMaintenance,
    StatuspageStatus,
    StatuspageUpdate,
)
from tallylight.status.views.timestamps import rfc3339

_S = TypeVar("_S", IncidentStatus, MaintenanceStatus)

_IDENTIFIED = frozenset(
    {
        ReasonCode.RISK_CONTROL_REPORTED,
        ReasonCode.RISK_CONTROL_SUSPECTED,
        ReasonCode.SUSPENSION_REPORTED,
        ReasonCode.MAINTENANCE_REPORTED,
        ReasonCode.MAINTENANCE_SCHEDULED,
        ReasonCode.FEED_NOT_OPERATIONAL,
        ReasonCode.SHUTDOWN_PASSED,
        ReasonCode.RETIREMENT_REPORTED,
    }
)


def component_status(status: Status) -> ComponentStatus:
    """Return the component status of one of ours."""
    match status:
        case Status.OPERATIONAL:
            return "operational"
        case Status.DEGRADED | Status.UNKNOWN:
            return "degraded_performance"
        case Status.RISK_CONTROL:
            return "partial_outage"
        case Status.SUSPENDED | Status.RETIRED:
            return "major_outage"
        case Status.MAINTENANCE:
            return "under_maintenance"


def statuspage_impact(worst: Status) -> Indicator:
    """Return the impact of an incident by its worst status."""
    match worst:
        case Status.OPERATIONAL | Status.RETIRED:
            return "none"
        case Status.DEGRADED | Status.UNKNOWN:
            return "minor"
        case Status.RISK_CONTROL | Status.SUSPENDED:
            return "major"
        case Status.MAINTENANCE:
            return "maintenance"


def statuspage_status(statuses: Sequence[Status]) -> StatuspageStatus:
    """Return the page's state; retired services do not count."""
    live = [status for status in statuses if status is not Status.RETIRED]
    if live and all(status is Status.SUSPENDED for status in live):
        return StatuspageStatus(indicator="critical", description="Major System Outage")
    worst = worst_status(live) if live else Status.OPERATIONAL
    if worst is Status.MAINTENANCE and Status.UNKNOWN in live:
        worst = Status.UNKNOWN
    return StatuspageStatus(indicator=statuspage_impact(worst), description=_DESCRIPTIONS[worst])


_DESCRIPTIONS = {
    Status.OPERATIONAL: "All Systems Operational",
    Status.DEGRADED: "Partially Degraded Service",
    Status.UNKNOWN: "Partially Unknown",
    Status.RISK_CONTROL: "Partial System Outage",
    Status.SUSPENDED: "Partial System Outage",
    Status.MAINTENANCE: "Service Under Maintenance",
    Status.RETIRED: "All Systems Operational",
}


@dataclass(frozen=True, slots=True)
class ComponentInput:
    """A service, as far as Statuspage asks.

    Args:
        id: Its id.
        name: Its name.
        status: What it is.
        since: Since when.
        known_from: The first moment that anything is known of it.
        position: Its place on the page, from 1.
    """

    id: ServiceId
    name: str
    status: Status
    since: datetime
    known_from: datetime
    position: int


def statuspage_component(part: ComponentInput, page_id: str, to: Translator) -> StatuspageComponent:
    """Return a service as a component of a page."""
    told = {"what": status_label(part.status, to), "told": status_description(part.status, to)}
    return StatuspageComponent(
        id=part.id,
        name=part.name,
        status=component_status(part.status),
        created_at=rfc3339(part.known_from),
        updated_at=rfc3339(part.since),
        position=part.position,
        description=to.gettext("%(what)s: %(told)s") % told,
        showcase=True,
        start_date=part.known_from.date().isoformat(),
        group_id=None,
        page_id=page_id,
        group=False,
        only_show_if_degraded=False,
    )


def is_maintenance(incident: Incident) -> bool:
    """Tell whether an incident was a maintenance and nothing worse."""
    return incident.worst is Status.MAINTENANCE


def statuspage_incident(
    incident: Incident, component: StatuspageComponent, base: str, to: Translator
) -> StatuspageIncident:
    """Return an incident in Statuspage's shape.

    Args:
        incident: Which.
        part: Its service.
        base: The page's address.
        to: The language of its texts.
    """
    updates = [
        _update(incident, number, _incident_status(incident, number), component, to)
        for number in range(len(incident.updates))
    ]
    ended_at = incident.ended_at
    return StatuspageIncident(
        id=incident.id,
        name=incident_title(incident, component.name, to),
        status=updates[-1].status if updates else "investigating",
        impact=statuspage_impact(incident.worst),
        created_at=rfc3339(incident.started_at),
        updated_at=rfc3339(updated_at(incident)),
        started_at=rfc3339(incident.started_at),
        monitoring_at=None,
        resolved_at=None if ended_at is None else rfc3339(ended_at),
        shortlink=f"{base}/incidents/{incident.id}",
        page_id=component.page_id,
        reminder_intervals=None,
        incident_updates=updates[::-1],
        components=[component],
    )


def statuspage_maintenance(
    incident: Incident, component: StatuspageComponent, now: datetime, base: str, to: Translator
) -> StatuspageMaintenance:
    """Return a maintenance in Statuspage's shape."""
    ended_at = incident.ended_at
    return StatuspageMaintenance(
        id=incident.id,
        name=incident_title(incident, component.name, to),
        status="in_progress" if ended_at is None else "completed",
        impact="maintenance",
        created_at=rfc3339(incident.started_at),
        updated_at=rfc3339(updated_at(incident)),
        started_at=rfc3339(incident.started_at),
        monitoring_at=None,
        resolved_at=None if ended_at is None else rfc3339(ended_at),
        shortlink=f"{base}/incidents/{incident.id}",
        page_id=component.page_id,
        reminder_intervals=None,
        incident_updates=[
            _update(incident, number, _maintenance_status(update), component, to)
            for number, update in enumerate(incident.updates)
        ][::-1],
        components=[component],
        scheduled_for=rfc3339(incident.started_at),
        scheduled_until=rfc3339(ended_at or _planned_end(incident) or now),
    )


def statuspage_planned_maintenance(
    plan: Evidence, component: StatuspageComponent, base: str, to: Translator
) -> StatuspageMaintenance:
    """Return a maintenance to come, as the official status page announces it."""
    start = rfc3339(plan.at)
    word = status_label(Status.MAINTENANCE, to)
    return StatuspageMaintenance(
        id=f"{component.id}-{plan.at:%Y%m%dT%H%M%S}",
        name=to.gettext("%(what)s: %(told)s") % {"what": component.name, "told": plan.note or word},
        status="scheduled",
        impact="maintenance",
        created_at=start,
        updated_at=start,
        started_at=start,
        monitoring_at=None,
        resolved_at=None,
        shortlink=f"{base}/services/{component.id}",
        page_id=component.page_id,
        reminder_intervals=None,
        incident_updates=[],
        components=[component],
        scheduled_for=start,
        scheduled_until=rfc3339(plan.until or plan.at),
    )


def updated_at(incident: Incident) -> datetime:
    """Return when an incident's story last went on."""
    last = incident.updates[-1].at if incident.updates else incident.started_at
    return max(last, incident.ended_at or last)


def _update(
    incident: Incident, number: int, status: _S, component: StatuspageComponent, to: Translator
) -> StatuspageUpdate[_S]:
    update = incident.updates[number]
    before = incident.updates[number - 1].status if number else Status.OPERATIONAL
    told = {
        "what": status_label(update.status, to),
        "told": " ".join(reason_sentence(reason, to) for reason in update.reasons),
    }
    at = rfc3339(update.at)
    return StatuspageUpdate(
        id=f"{incident.id}-{number + 1}",
        status=status,
        body=to.gettext("%(what)s: %(told)s") % told,
        incident_id=incident.id,
        created_at=at,
        updated_at=at,
        display_at=at,
        affected_components=[
            AffectedComponent(
                code=component.id,
                name=component.name,
                old_status=component_status(before),
                new_status=component_status(update.status),
            )
        ],
        deliver_notifications=True,
        custom_tweet=None,
        tweet_id=None,
    )


def _incident_status(incident: Incident, number: int) -> IncidentStatus:
    is_last = number == len(incident.updates) - 1
    if is_last and incident.ended_at is not None:
        return "resolved"
    named = any(reason.code in _IDENTIFIED for reason in incident.updates[number].reasons)
    return "identified" if named else "investigating"


def _maintenance_status(update: IncidentUpdate) -> MaintenanceStatus:
    return "in_progress" if update.status is Status.MAINTENANCE else "completed"


def _planned_end(incident: Incident) -> datetime | None:
    for update in reversed(incident.updates):
        for reason in update.reasons:
            until = reason.facts.get("until")
            if isinstance(until, str) and until:
                return datetime.fromisoformat(until)
    return None
