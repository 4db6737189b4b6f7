"""Takes back what missing answers changed, once our own network is found to be the cause.

The evidence of a retraction carries the state to be restored. So a follower and a restart come to
the same state as the leader that decided it.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from tallylight.model.evidence import Evidence, Source
from tallylight.verdicts.state import ServiceState


@dataclass(frozen=True, slots=True)
class Retraction:
    """What is taken back.

    Args:
        count: How many of the newest transitions of the service.
        state: The state without the missing answers.
    """

    count: int
    state: ServiceState


_RETRACTION = TypeAdapter(Retraction)


def retraction_evidence(retraction: Retraction, at: datetime) -> Evidence:
    """Return the evidence of a retraction."""
    note = _RETRACTION.dump_json(retraction, exclude_defaults=True).decode()
    return Evidence(retraction.state.service, at, Source.RETRACTION, note=note)


def retraction_of(evidence: Evidence) -> Retraction | None:
    """Return the retraction in evidence; None if it is other evidence, or of another version."""
    if evidence.source is not Source.RETRACTION:
        return None
    try:
        return _RETRACTION.validate_json(evidence.note)
    except ValueError:
        return None
