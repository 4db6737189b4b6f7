"""The past of one service, also of one that was removed from the configuration."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tallylight.app.runtime import Runtime
from tallylight.documents.nearest import unknown_name_message
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Incident, StatusInterval
from tallylight.verdicts.availability import Availability, availability
from tallylight.verdicts.removal import incident_until, intervals_until

_MOST_INCIDENTS = 1000


@dataclass(frozen=True, slots=True)
class ServiceHistory:
    """What is known of a service between two times.

    Args:
        removed_at: When it was removed from the configuration; None if it is configured.
        intervals: Its statuses, oldest first, without gaps from its first look to its removal.
        incidents: Those that had not ended at the start, oldest first.
        availability: What the intervals come to.
    """

    service: ServiceId
    start: datetime
    end: datetime
    removed_at: datetime | None
    intervals: tuple[StatusInterval, ...]
    incidents: tuple[Incident, ...]
    availability: Availability


async def service_history(
    runtime: Runtime, service: str, start: datetime, end: datetime
) -> ServiceHistory:
    """Return the history of a service between two times.

    Raises:
        KeyError: if there never was such a service.
    """
    ids = runtime.board.verdicts().keys()
    removed = {} if service in ids else await runtime.history.removed_services(ids)
    id_ = known_service_id([*ids, *removed], service)
    removed_at = removed.get(id_)
    await runtime.history.flush()
    stored = await runtime.history.status_intervals([id_], start, end)
    incidents = await runtime.history.incidents(id_, start=start, limit=_MOST_INCIDENTS)
    ended = (incident_until(each, removed_at) for each in reversed(incidents))
    intervals = intervals_until(stored[id_], removed_at)
    return ServiceHistory(
        service=id_,
        start=start,
        end=end,
        removed_at=removed_at,
        intervals=intervals,
        incidents=tuple(each for each in ended if each.ended_at is None or each.ended_at > start),
        availability=availability(intervals, start, end),
    )


def known_service_id(known: Collection[str], service: str) -> ServiceId:
    """Return the id of a service; raise KeyError, which names the nearest, if it is not known."""
    if service not in known:
        raise KeyError(unknown_name_message("service", service, known))
    return ServiceId(service)
