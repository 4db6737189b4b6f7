"""The lifecycle dates of fact sheets as evidence; pure."""

from datetime import UTC, datetime, time

from tallylight.catalogue.services import Service, ShutdownPrecision
from tallylight.terms import Evidence, Source, Status


def shutdown_of(service: Service, now: datetime) -> Evidence | None:
    """Return what the calendar says of a service: the date it stops, or None without one.

    A date that is only the earliest possible one ("not before") warns and retires nothing; where
    sources disagree, the fact sheet carries the latest of their dates.
    """
    day = service.sheet.shutdown_at
    if day is None:
        return None
    certain = service.sheet.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
    return Evidence(
        service=service.id,
        at=now,
        source=Source.CALENDAR,
        says=Status.RETIRED if certain else Status.OPERATIONAL,
        until=datetime.combine(day, time(), UTC),
        note=service.sheet.replacement,
    )
