"""From transitions to incidents: the stretches away from operational, told as stories.

An incident opens when a service goes degraded, under risk control or suspended. It does not open
for what nobody suffered from unawares (a planned maintenance, a retirement) nor for what nobody saw
(unknown). Once open it lasts until the service is operational again, or until free checks succeed
again where they alone have seen the trouble (`recovery`). Silence within it is no recovery, a
maintenance within it is a part of its story, and a retirement ends it.
"""

from dataclasses import replace
from datetime import datetime

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, IncidentUpdate, Transition, Verdict
from tallylight.verdicts.status import STATUS_RANK

OPENING = frozenset({Status.DEGRADED, Status.RISK_CONTROL, Status.SUSPENDED})
ENDING = frozenset({Status.OPERATIONAL, Status.RETIRED})


def apply_transition(
    open_incident: Incident | None, transition: Transition, recovered_at: datetime | None = None
) -> Incident | None:
    """Return the incident after a transition: opened, continued or ended; None if there is none.

    An incident that is returned with `ended_at` is over: the next transition starts without it.

    Args:
        open_incident: The one that has not ended.
        transition: The change.
        recovered_at: When the trouble ended, if it did though the status after it is UNKNOWN.
    """
    status = transition.after.status
    update = IncidentUpdate(transition.at, status, transition.after.reasons)
    if open_incident is None or open_incident.ended_at is not None:
        return _opened(transition, update) if status in OPENING else None
    at = max(transition.at, open_incident.started_at)
    is_over = status in ENDING or recovered_at is not None
    return Incident(
        id=open_incident.id,
        service=open_incident.service,
        started_at=open_incident.started_at,
        ended_at=at if is_over else None,
        worst=_worse(open_incident.worst, status),
        updates=(*open_incident.updates, update),
    )


def ended(open_incident: Incident, verdict: Verdict, recovered_at: datetime) -> Incident:
    """Return an incident that ends without a transition: checks fell silent, then succeeded."""
    at = max(recovered_at, open_incident.started_at)
    update = IncidentUpdate(at, verdict.status, verdict.reasons)
    return replace(open_incident, ended_at=at, updates=(*open_incident.updates, update))


def incident_id(service: ServiceId, started_at: datetime) -> IncidentId:
    """Return an incident's name in addresses: the same on every replica and after every replay."""
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
    return max(worst, status, key=STATUS_RANK.__getitem__) if status in OPENING else worst
