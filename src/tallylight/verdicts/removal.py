"""The history of a service that was removed from the configuration ends with its removal."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tallylight.model.verdict import Incident, StatusInterval


def intervals_until(
    intervals: Sequence[StatusInterval], removed_at: datetime | None
) -> tuple[StatusInterval, ...]:
    """Return what lies before a removal; all of it if the service was not removed."""
    if removed_at is None:
        return tuple(intervals)
    return tuple(
        replace(each, end=min(each.end, removed_at))
        for each in intervals
        if each.start < removed_at
    )


def incident_until(incident: Incident, removed_at: datetime | None) -> Incident:
    """Return an incident that, if it is open, ends with the removal of its service."""
    if removed_at is None or incident.ended_at is not None:
        return incident
    return replace(incident, ended_at=max(incident.started_at, removed_at))
