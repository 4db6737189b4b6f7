"""Templates of the catalogue's values, for tests: take one and `dataclasses.replace` what matters.

A test that says `replace(SHEET, lengths=(4, 8))` shows what it is about, and mypy checks the names.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from tallylight.catalogue.services import (
    BillingBasis,
    FactSheet,
    Medium,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import ANY_RESOLUTION, Budget, Price, PriceUnit
from tallylight.model.status import Access

SHEET = FactSheet(
    provider=ProviderId("openai"),
    model="sora-2",
    title="Sora 2",
    medium=Medium.VIDEO,
    access=Access.OFFICIAL,
    protocol="openai_videos",
    lengths=(4,),
    sizes=("1280x720",),
    price=None,
    announced_at=None,
    shutdown_at=None,
    shutdown_precision=ShutdownPrecision.EXACT,
    replacement="",
    notes="",
    sources=("a test",),
    as_of=date(2026, 1, 1),
)
"""An official model that makes 4 s at 1280x720, without a price or an end."""

UPSTREAM = Upstream(
    id=UpstreamId("openai"),
    provider=ProviderId("openai"),
    base_url="http://127.0.0.1:1/v1",
    protocol="openai_videos",
    dialect="openai",
    key=None,
)
"""An upstream at which nothing listens, without a key."""

SERVICE = Service(
    id=ServiceId("sora-2"),
    name="Sora 2",
    upstream=UPSTREAM,
    model="sora-2",
    access=Access.OFFICIAL,
    sheet=SHEET,
    probe_intervals=ProbeIntervals(generation=timedelta(hours=3)),
    budget=Budget(),
    probe_order=None,
)
"""That model at that upstream, with a paid probe every three hours that has no order."""


def service_named(
    name: str, *, provider: str = "openai", access: Access = Access.OFFICIAL
) -> Service:
    """Return a service of its own: another id, upstream, title and access."""
    return replace(
        SERVICE,
        id=ServiceId(name),
        name=name,
        upstream=replace(UPSTREAM, id=UpstreamId(name), provider=ProviderId(provider)),
        access=access,
        sheet=replace(SHEET, provider=ProviderId(provider), title=name, access=access),
    )


def priced_service(
    name: str = "a",
    price: str | None = "0.10",
    access: Access = Access.OFFICIAL,
    bills: BillingBasis = BillingBasis.ACCEPTANCES,
) -> Service:
    """Return a service that makes 4, 8 or 12 s in two sizes, at a price by the second."""
    service = service_named(name, access=access)
    return replace(
        service,
        upstream=replace(service.upstream, bills=bills),
        sheet=replace(
            service.sheet,
            lengths=(4, 8, 12),
            sizes=("1280x720", "720x1280"),
            price=None if price is None else price_per_second(price),
        ),
    )


def price_per_second(usd: str, resolution: str = ANY_RESOLUTION) -> Price:
    """Return a price by the second for one resolution, or for all."""
    return Price(PriceUnit.PER_SECOND, {resolution: Decimal(usd)})
