"""Turns the shutdown dates of fact sheets into evidence; pure."""

from datetime import UTC, datetime, time

from tallylight.catalogue.services import Service, ShutdownPrecision
from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import Status
from tallylight.verdicts.state import CalendarState


def calendar_evidence(service: Service, known: CalendarState, now: datetime) -> Evidence | None:
    """Return evidence if a service's shutdown date differs from what the judge knows.

    A date that is only the earliest possible one ("not before") gives a warning and retires
    nothing. Where sources disagree, the fact sheet has the latest date. A date that was removed
    from the sheet is withdrawn. A replacement that was shut down itself is followed to a live one.
    """
    day = service.sheet.shutdown_at
    until = None if day is None else datetime.combine(day, time(), UTC)
    is_certain = service.sheet.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
    successor = service.sheet.replacement_on(now.date())
    is_live = successor is not None and not successor.is_retired(now.date())
    note = successor.model if successor is not None and is_live and until is not None else ""
    if until == known.shutdown_at and (
        until is None or (is_certain, note) == (known.shutdown_is_certain, known.replacement)
    ):
        return None
    return Evidence(
        service=service.id,
        at=now,
        source=Source.CALENDAR,
        claimed_status=Status.RETIRED if until is not None and is_certain else Status.OPERATIONAL,
        until=until,
        note=note,
    )
