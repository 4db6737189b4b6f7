"""The record that the board stores when a verdict changes or an incident ends."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.verdict import Incident, Transition


@dataclass(frozen=True, slots=True)
class RetractedTransitions:
    """Transitions that turned out to be our own network's fault.

    Args:
        count: How many, the newest of the service.
        incident: The incident that they opened, and that is removed.
    """

    at: datetime
    count: int
    incident: IncidentId | None


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """A transition with the state and the incident after it, or an incident that ended without one.

    Args:
        transition: The transition; None if the status is the same.
        state: The snapshot of the service. It contains all evidence about the service that was
            added before it is written, and no later transition than those recorded with it.
        retracted: The former transitions that are taken back.
    """

    service: ServiceId
    transition: Transition | None
    state: str
    incident: Incident | None
    retracted: RetractedTransitions | None = None
