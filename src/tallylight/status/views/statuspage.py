"""Maps our statuses and incidents to Atlassian Statuspage, for clients that are written for it.

Statuspage has no word for risk control, retirement or unknown, so `_MAPPING` chooses:

* UNKNOWN must read neither as up nor as an outage. It maps to degraded, and the component's
  description says what it is.
* A RETIRED service cannot be used, but no outage of it will ever end. It does not count in the
  page's indicator.
* The indicator is the impact of all services together (`impact`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from tallylight.i18n import Translator
from tallylight.i18n.labels import status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Evidence
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate, ReasonCode
from tallylight.status.views.impact import Impact, WeighedStatus, overall_impact
from tallylight.status.views.incidents import incident_title
from tallylight.status.views.services import ServiceRow
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
from tallylight.upstreams.feeds.claims import ClaimedEvent, PageClaims

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


class _Mapping(NamedTuple):
    component: ComponentStatus
    impact: Indicator


_MAPPING: Mapping[Status, _Mapping] = {
    Status.OPERATIONAL: _Mapping("operational", "none"),
    Status.DEGRADED: _Mapping("degraded_performance", "minor"),
    Status.UNKNOWN: _Mapping("degraded_performance", "minor"),
    Status.RISK_CONTROL: _Mapping("partial_outage", "major"),
    Status.SUSPENDED: _Mapping("major_outage", "major"),
    Status.MAINTENANCE: _Mapping("under_maintenance", "maintenance"),
    Status.RETIRED: _Mapping("major_outage", "none"),
}
"""A component's status, and an incident's impact by its worst status."""

_DESCRIPTIONS: Mapping[Impact, str] = {
    Impact.NONE: "All Systems Operational",
    Impact.MINOR: "Partially Degraded Service",
    Impact.MAJOR: "Partial System Outage",
    Impact.CRITICAL: "Major System Outage",
    Impact.MAINTENANCE: "Service Under Maintenance",
}
_WITHOUT_TROUBLE = frozenset({Status.UNKNOWN, Status.RETIRED})


def component_status(status: Status) -> ComponentStatus:
    """Return the component status for one of ours."""
    return _MAPPING[status].component


def statuspage_impact(worst: Status) -> Indicator:
    """Return an incident's impact for its worst status."""
    return _MAPPING[worst].impact


def statuspage_status(services: Sequence[WeighedStatus]) -> StatuspageStatus:
    """Return the page's status."""
    impact = overall_impact(services)
    is_unknown = any(each.status is Status.UNKNOWN for each in services)
    is_known = any(each.status not in _WITHOUT_TROUBLE for each in services)
    says_unknown = is_unknown and (impact is Impact.NONE or not is_known)
    description = "Partially Unknown" if says_unknown else _DESCRIPTIONS[impact]
    return StatuspageStatus(indicator=impact.value, description=description)


def statuspage_component(row: ServiceRow, position: int, page_id: str) -> StatuspageComponent:
    """Return a service as a component of a page, whose positions start at 1."""
    first_known = next(
        (each.start for each in row.intervals if each.status is not Status.UNKNOWN),
        row.verdict.since,
    )
    created_at = min(first_known, row.verdict.since)
    description = {"label": row.status_label, "text": row.status_description}
    return StatuspageComponent(
        id=row.service.id,
        name=row.service.name,
        status=component_status(row.status),
        created_at=rfc3339(created_at),
        updated_at=rfc3339(row.verdict.since),
        position=position,
        description=row.to.gettext("%(label)s: %(text)s") % description,
        showcase=True,
        start_date=created_at.date().isoformat(),
        group_id=None,
        page_id=page_id,
        group=False,
        only_show_if_degraded=False,
    )


def is_maintenance(incident: Incident) -> bool:
    """Tell whether maintenance is the worst status of an incident."""
    return incident.worst is Status.MAINTENANCE


@dataclass(frozen=True, slots=True)
class RecordedIncident:
    """An incident with the status that its service had before, and the component it concerns."""

    incident: Incident
    before: Status
    component: StatuspageComponent


def statuspage_incident(found: RecordedIncident, base: str, to: Translator) -> StatuspageIncident:
    """Return an incident in Statuspage's shape; `base` is the page's address."""
    incident, component = found.incident, found.component
    updates = [
        _update(found, number, _incident_status(incident, number), to)
        for number in range(len(incident.updates))
    ]
    return StatuspageIncident(
        **_common_fields(incident, component, base, to),
        status=updates[-1].status if updates else "investigating",
        incident_updates=updates[::-1],
    )


def statuspage_maintenance(
    found: RecordedIncident, now: datetime, base: str, to: Translator
) -> StatuspageMaintenance:
    """Return a maintenance in Statuspage's shape."""
    incident, component = found.incident, found.component
    updates = [
        _update(found, number, _maintenance_status(update), to)
        for number, update in enumerate(incident.updates)
    ]
    return StatuspageMaintenance(
        **_common_fields(incident, component, base, to),
        status="in_progress" if incident.ended_at is None else "completed",
        incident_updates=updates[::-1],
        scheduled_for=rfc3339(incident.started_at),
        scheduled_until=rfc3339(incident.ended_at or _planned_end(incident) or now),
    )


def _common_fields(
    incident: Incident, component: StatuspageComponent, base: str, to: Translator
) -> dict[str, Any]:
    ended_at = incident.ended_at
    return {
        "id": incident.id,
        "name": incident_title(incident, component.name, to),
        "impact": statuspage_impact(incident.worst),
        "created_at": rfc3339(incident.started_at),
        "updated_at": rfc3339(updated_at(incident)),
        "started_at": rfc3339(incident.started_at),
        "monitoring_at": None,
        "resolved_at": None if ended_at is None else rfc3339(ended_at),
        "shortlink": f"{base}/incidents/{incident.id}",
        "page_id": component.page_id,
        "reminder_intervals": None,
        "components": [component],
    }


def upcoming_maintenances(
    claims: PageClaims | None, feed: Evidence | None, now: datetime
) -> tuple[ClaimedEvent, ...]:
    """Return the maintenances of a service that its official status page announces.

    Of several that begin at the same time the first counts.

    Args:
        claims: What the page claims of the service, read once an hour.
        feed: The latest reading of its status, which may announce one more.
        now: What has begun before it is left out.
    """
    events = {} if claims is None else {each.start: each for each in claims.planned(now)[::-1]}
    if feed is not None and feed.claimed_status is Status.MAINTENANCE and feed.at not in events:
        events[feed.at] = ClaimedEvent("", feed.note, Status.MAINTENANCE, feed.at, feed.until)
    return tuple(events[start] for start in sorted(events) if start > now)


def statuspage_planned_maintenance(
    plan: ClaimedEvent, component: StatuspageComponent, base: str, to: Translator
) -> StatuspageMaintenance:
    """Return an upcoming maintenance that the official status page announces."""
    id_ = IncidentId(f"{component.id}-{plan.start:%Y%m%dT%H%M%S}")
    service = ServiceId(component.id)
    planned = Incident(id_, service, plan.start, None, Status.MAINTENANCE, ())
    note = plan.title or status_label(Status.MAINTENANCE, to)
    own = {
        "name": to.gettext("%(label)s: %(text)s") % {"label": component.name, "text": note},
        "shortlink": f"{base}/services/{component.id}",
    }
    return StatuspageMaintenance(
        **_common_fields(planned, component, base, to) | own,
        status="scheduled",
        incident_updates=[],
        scheduled_for=rfc3339(plan.start),
        scheduled_until=rfc3339(plan.end or plan.start),
    )


def updated_at(incident: Incident) -> datetime:
    """Return when an incident was last updated."""
    last = incident.updates[-1].at if incident.updates else incident.started_at
    return max(last, incident.ended_at or last)


def _update(
    found: RecordedIncident, number: int, status: _S, to: Translator
) -> StatuspageUpdate[_S]:
    incident, component = found.incident, found.component
    update = incident.updates[number]
    before = incident.updates[number - 1].status if number else found.before
    body = {
        "label": status_label(update.status, to),
        "text": " ".join(reason_sentence(reason, to) for reason in update.reasons),
    }
    at = rfc3339(update.at)
    return StatuspageUpdate(
        id=f"{incident.id}-{number + 1}",
        status=status,
        body=to.gettext("%(label)s: %(text)s") % body,
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
    is_identified = any(reason.code in _IDENTIFIED for reason in incident.updates[number].reasons)
    return "identified" if is_identified else "investigating"


def _maintenance_status(update: IncidentUpdate) -> MaintenanceStatus:
    return "in_progress" if update.status is Status.MAINTENANCE else "completed"


def _planned_end(incident: Incident) -> datetime | None:
    for update in reversed(incident.updates):
        for reason in update.reasons:
            until = reason.facts.get("until")
            if isinstance(until, str) and until:
                return datetime.fromisoformat(until)
    return None
