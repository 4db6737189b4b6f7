"""Templates of our values, for tests: take one and `dataclasses.replace` what matters.

A test that says `replace(SHEET, modes=short_modes((4, 8), ()))` shows what it is about, and mypy
checks the names.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import (
    BillingBasis,
    FactSheet,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.frames import frame_of
from tallylight.model.ids import AttemptId, KeyId, ProviderId, ServiceId, UpstreamId, VideoId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.money import ANY_RESOLUTION, Budget, Price, PriceUnit
from tallylight.model.order import Medium, Order
from tallylight.model.status import Access
from tallylight.model.video import Video
from tallylight.model.wish import Wish, WishedMeasures

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

SHEET = FactSheet(
    provider=ProviderId("openai"),
    model="sora-2",
    title="Sora 2",
    medium=Medium.VIDEO,
    access=Access.OFFICIAL,
    protocol="openai_videos",
    modes=short_modes((4,), ("1280x720",)),
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

VIDEO = Video(
    id=VideoId("video_1"),
    key=KeyId("key_1"),
    model="sora-2",
    prompt="a boat",
    seconds=8,
    size="1280x720",
    created_at=NOON,
    deadline=NOON + timedelta(minutes=30),
)
"""A video that a caller has just requested."""

BROKEN = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:503", "no capacity", http_status=503)
"""An upstream's answer of 503 Service Unavailable."""


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
            modes=short_modes((4, 8, 12), ("1280x720", "720x1280")),
            price=None if price is None else price_per_second(price),
        ),
    )


def price_per_second(usd: str, resolution: str = ANY_RESOLUTION) -> Price:
    """Return a price by the second for one resolution, or for all."""
    return Price(PriceUnit.PER_SECOND, {resolution: Decimal(usd)})


def order_of(
    prompt: str = "a boat", seconds: int | None = 4, size: str = "1280x720", **more: object
) -> Order:
    """Return an order of the model "m", of a length and a size in pixels."""
    frame = frame_of(size) if size else None
    values = {"model": "m", "prompt": prompt, "seconds": seconds, "frame": frame, **more}
    return Order(**values)  # type: ignore[arg-type]  # fields of an order


def wish_of(
    prompt: str = "a kite", seconds: int | None = 4, size: str = "1280x720", **more: object
) -> Wish:
    """Return a wish for a length and a size; None and "" leave them open."""
    return Wish(prompt, measures=WishedMeasures(seconds, size), **more)  # type: ignore[arg-type]  # fields of a wish


def new_video() -> Video:
    """Return a video with an id of its own."""
    return replace(VIDEO, id=VideoId(f"video_{uuid4().hex}"))


def attempt_of(video: Video, number: int = 1) -> tuple[Attempt, LedgerEntry]:
    """Return an attempt at a video and the entry that reserves its cost, 0.40 USD."""
    entry = LedgerEntry(
        id=EntryId(f"{video.id}.{number}"),
        service=SERVICE.id,
        purpose=Purpose.TRAFFIC,
        note=video.id,
        state=EntryState.RESERVED,
        estimate=Decimal("0.4"),
        amount=Decimal("0.4"),
        at=NOON,
        payer=video.key,
    )
    attempt = Attempt(
        id=AttemptId(entry.id),
        service=SERVICE.id,
        purpose=Purpose.TRAFFIC,
        order=order_of("", video.seconds, video.size, model=SERVICE.model),
        entry=entry.id,
        intended_at=NOON,
        video=video.id,
        number=number,
    )
    return attempt, entry
