"""Fixtures: a fresh database of either kind for each test; services and candidates."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.catalogue.services import (
    BillingBasis,
    FactSheet,
    Medium,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.clock import VirtualClock
from tallylight.gateway.routing.capability import Capability, Features
from tallylight.gateway.routing.ranking import Candidate
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import ANY_RESOLUTION, Budget, Price, PriceUnit
from tallylight.model.order import Operation
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict
from tallylight.storage.database import Storage, open_storage

NewDatabase = Callable[[str | None], str]
MakeService = Callable[..., Service]
MakeProspect = Callable[..., Candidate]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALL_SKILLS = Features(
    frozenset(Operation), takes_reference=True, takes_url=True, takes_characters=True
)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    make: NewDatabase = request.getfixturevalue("new_postgres")
    return make(None)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(address, clock) as history:
        yield history


@pytest.fixture(scope="session")
def make_service() -> MakeService:
    """Return a factory of services that are priced by the second."""

    def make(  # noqa: PLR0913  # the facts that tests vary
        name: str = "a",
        *,
        access: Access = Access.OFFICIAL,
        price: str | None = "0.10",
        lengths: tuple[int, ...] = (4, 8, 12),
        sizes: tuple[str, ...] = ("1280x720", "720x1280"),
        bills: BillingBasis = BillingBasis.ACCEPTANCES,
        medium: Medium = Medium.VIDEO,
        generation: timedelta | None = timedelta(hours=3),
        rates: Mapping[str, str] | None = None,
    ) -> Service:
        written = rates or {ANY_RESOLUTION: price or ""}
        is_priced = rates is not None or price is not None
        sheet = FactSheet(
            provider=ProviderId("openai"),
            model="sora-2",
            title=name,
            medium=medium,
            access=access,
            protocol="openai_videos",
            lengths=lengths,
            sizes=sizes,
            price=Price(PriceUnit.PER_SECOND, {key: Decimal(rate) for key, rate in written.items()})
            if is_priced
            else None,
            announced_at=None,
            shutdown_at=None,
            shutdown_precision=ShutdownPrecision.EXACT,
            replacement="",
            notes="",
            sources=("a test",),
            as_of=date(2026, 1, 1),
        )
        upstream = Upstream(
            id=UpstreamId(name),
            provider=ProviderId("openai"),
            base_url="http://127.0.0.1:1/v1",
            protocol="openai_videos",
            dialect="openai",
            key=None,
            bills=bills,
        )
        return Service(
            id=ServiceId(name),
            name=name,
            upstream=upstream,
            model="sora-2",
            access=access,
            sheet=sheet,
            probe_intervals=ProbeIntervals(generation=generation),
            budget=Budget(),
            probe_order=None,
        )

    return make


@pytest.fixture(scope="session")
def make_prospect() -> MakeProspect:
    """Return a factory of routing candidates."""

    def make(  # noqa: PLR0913  # the facts that tests vary
        service: Service,
        *,
        status: Status = Status.OPERATIONAL,
        blocked: FailureKind | None = None,
        skills: Features = ALL_SKILLS,
        delivery: float = 0.95,
        seconds: float = 90.0,
        **more: object,
    ) -> Candidate:
        reason = Reason(ReasonCode.JOBS_DELIVERED, NOON)
        verdict = Verdict(service.id, status, NOON, 0.99, (reason,), blocked)
        can = Capability(service, skills)
        return Candidate(service, verdict, can, delivery, seconds, **more)  # type: ignore[arg-type]

    return make
