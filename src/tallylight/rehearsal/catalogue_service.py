"""The catalogue service for a rehearsed one, as the real probe plan needs it."""

from datetime import date, timedelta
from decimal import Decimal

from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import (
    BillingBasis,
    FactSheet,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.model.frames import frame_of
from tallylight.model.ids import ProviderId, UpstreamId
from tallylight.model.money import ANY_RESOLUTION, Budget, Price, PriceUnit
from tallylight.model.order import Medium, Order
from tallylight.rehearsal.world import STALLED_AFTER, RehearsedService

TYPICAL_PACE = ProbeIntervals(generation=timedelta(hours=5, minutes=30))
"""The default intervals of the free depths, and a routine paid probe."""

_SECONDS, _SIZE = 4, "1280x720"


def catalogue_service(
    rehearsed: RehearsedService, intervals: ProbeIntervals, budget: Budget
) -> Service:
    """Return the catalogue service for a rehearsed one."""
    provider = rehearsed.provider
    return Service(
        id=rehearsed.id,
        name=rehearsed.id,
        upstream=Upstream(
            id=UpstreamId(rehearsed.id),
            provider=provider,
            base_url="",
            protocol="",
            dialect="",
            key=None,
            job_timeout=STALLED_AFTER,
            bills=BillingBasis.ACCEPTANCES,
        ),
        model=rehearsed.id,
        access=rehearsed.access,
        sheet=_sheet(rehearsed, provider),
        probe_intervals=intervals,
        budget=budget,
        probe_order=Order(rehearsed.id, "a rehearsal", seconds=_SECONDS, frame=frame_of(_SIZE)),
    )


def _sheet(rehearsed: RehearsedService, provider: ProviderId) -> FactSheet:
    return FactSheet(
        provider=provider,
        model=rehearsed.id,
        title=rehearsed.id,
        medium=Medium.VIDEO,
        access=rehearsed.access,
        protocol="",
        modes=short_modes((_SECONDS,), (_SIZE,)),
        price=Price(PriceUnit.PER_CALL, {ANY_RESOLUTION: Decimal(rehearsed.price)}),
        announced_at=None,
        shutdown_at=None,
        shutdown_precision=ShutdownPrecision.EXACT,
        replacement="",
        notes="",
        sources=(),
        as_of=date(2026, 1, 1),
    )
