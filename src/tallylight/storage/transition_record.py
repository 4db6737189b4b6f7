"""What is stored when a verdict changes, or an incident ends."""

from dataclasses import dataclass

from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident, Transition


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """A transition with what it leaves behind, or an incident that ended without one.

    Args:
        service: Whose.
        transition: The change; None where the status is the same.
        standing: The snapshot of its service; contains all evidence about it that was noted by the
            time of writing, and no transition later than those that are recorded with it.
        incident: The incident as the transition left it, None where there is none.
    """

    service: ServiceId
    transition: Transition | None
    state: str
    incident: Incident | None
