"""Derives incidents from transitions: the periods in which a service is not operational.

An incident opens when a service becomes degraded, under risk control or suspended. Planned
maintenance, retirement and UNKNOWN open none. An incident ends when the service is operational
again, or, if only free checks have seen the trouble, when they succeed again (`recovery`). UNKNOWN
within an incident does not end it, maintenance within it belongs to it, and retirement ends it.
"""

from dataclasses import replace
from datetime import datetime

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import TROUBLE_STATUSES, Status
from tallylight.model.verdict import Incident, IncidentUpdate, Transition, Verdict

ENDING = frozenset({Status.OPERATIONAL, Status.RETIRED})


def apply_transition(
    open_incident: Incident | None, transition: Transition, recovered_at: datetime | None = None
) -> Incident | None:
    """Return the incident after a transition: opened, continued or ended; None if there is none.

    `recovered_at` is when the trouble ended, if it ended with a status of UNKNOWN.
    """
    status = transition.after.status
    update = IncidentUpdate(transition.at, status, transition.after.reasons)
    if open_incident is None or open_incident.ended_at is not None:
        return _opened(transition, update) if status in TROUBLE_STATUSES else None
    at = max(transition.at, open_incident.started_at)
    is_over = status in ENDING or recovered_at is not None
    return replace(
        open_incident,
        ended_at=at if is_over else None,
        worst=_worse(open_incident.worst, status),
        updates=(*open_incident.updates, update),
    )


def ended(open_incident: Incident, verdict: Verdict, recovered_at: datetime) -> Incident:
    """Return an incident that ends within UNKNOWN: checks fell silent first, then succeeded."""
    at = max(recovered_at, open_incident.started_at)
    update = IncidentUpdate(at, verdict.status, verdict.reasons)
    return replace(open_incident, ended_at=at, updates=(*open_incident.updates, update))


def without_last(open_incident: Incident, count: int) -> Incident | None:
    """Return an incident without its last updates, which are taken back; None if none is left."""
    updates = open_incident.updates[:-count]
    bad = [update.status for update in updates if update.status in TROUBLE_STATUSES]
    if not bad:
        return None
    worst = max(bad, key=lambda each: each.rank)
    return replace(open_incident, worst=worst, updates=updates)


def incident_id(service: ServiceId, started_at: datetime) -> IncidentId:
    """Return the id of an incident: the same on every replica and after every replay."""
    return IncidentId(f"{service}-{started_at:%Y%m%dT%H%M%S}Z")


def _opened(transition: Transition, update: IncidentUpdate) -> Incident:
    return Incident(
        id=incident_id(transition.service, transition.at),
        service=transition.service,
        started_at=transition.at,
        ended_at=None,
        worst=transition.after.status,
        updates=(update,),
    )


def _worse(worst: Status, status: Status) -> Status:
    return max(worst, status, key=lambda each: each.rank) if status in TROUBLE_STATUSES else worst
