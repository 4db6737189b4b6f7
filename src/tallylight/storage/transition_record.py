"""What is stored when a verdict changes."""

from dataclasses import dataclass

from tallylight.model.verdict import Incident, Transition


@dataclass(frozen=True, slots=True)
class Record:
    """A transition with what it leaves behind.

    Args:
        transition: The change.
        standing: The snapshot of its service; contains all evidence about it that was noted by the
            time of writing, and no transition later than those that are recorded with it.
        incident: The incident as the transition left it, None where there is none.
    """

    transition: Transition
    standing: str
    incident: Incident | None
