"""A board that stands where a test pins it, beside a real history in SQLite."""

import asyncio
import copy
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette

from tallylight.board import BoardEvent
from tallylight.catalogue.services import (
    FactSheet,
    Feed,
    Medium,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.clock import VirtualClock
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import IncidentId, ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget, Price, PriceUnit
from tallylight.model.order import Order
from tallylight.model.status import Access, Status
from tallylight.model.verdict import (
    Incident,
    IncidentUpdate,
    Reason,
    ReasonCode,
    Transition,
    Verdict,
)
from tallylight.status.application import make_status_app
from tallylight.status.ports import StatusSources
from tallylight.status.recommendation import (
    ExcludedService,
    RankedService,
    Recommendation,
    RecommendationQuery,
)
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transition_record import TransitionRecord

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
KEY = "sk-planted-4f1d9a"
"""A marked key: no face may ever show it."""


def a_sheet(
    model: str, access: Access, *, shutdown_at: date | None = None, replacement: str = ""
) -> FactSheet:
    """Return a fact sheet."""
    return FactSheet(
        provider=ProviderId("openai" if access is Access.OFFICIAL else "relay"),
        model=model,
        title=model,
        medium=Medium.VIDEO,
        access=access,
        protocol="openai_videos",
        lengths=(4, 8, 12),
        sizes=("720x1280", "1280x720"),
        price=Price(PriceUnit.PER_SECOND, {"720p": Decimal("0.10")}),
        announced_at=None,
        shutdown_at=shutdown_at,
        shutdown_precision=ShutdownPrecision.EXACT,
        replacement=replacement,
        notes="",
        sources=("https://platform.openai.com/docs/pricing",),
        as_of=date(2026, 1, 20),
    )


def a_service(
    id_: str, name: str, access: Access = Access.OFFICIAL, *, sheet: FactSheet | None = None
) -> Service:
    """Return a service."""
    official = access is Access.OFFICIAL
    return Service(
        id=ServiceId(id_),
        name=name,
        upstream=Upstream(
            id=UpstreamId(id_),
            provider=ProviderId("openai" if official else "relay"),
            base_url="https://api.example.com/v1",
            protocol="openai_videos",
            dialect="openai",
            key=Secret(KEY),
            feed=Feed("incident_io", "https://status.example.com") if official else None,
        ),
        model="sora-2",
        access=access,
        sheet=sheet or a_sheet("sora-2", access),
        probe_intervals=ProbeIntervals(),
        budget=Budget(per_day=Decimal("2.00")),
        probe_order=Order("a lamp", 4, "1280x720"),
    )


def a_reason(code: ReasonCode, at: datetime = NOW, **facts: str | float) -> Reason:
    """Return a reason."""
    return Reason(code, at, facts)


def a_verdict(id_: str, status: Status, *reasons: Reason, since: datetime | None = None) -> Verdict:
    """Return a verdict."""
    told = reasons or (a_reason(ReasonCode.NO_EVIDENCE),)
    return Verdict(ServiceId(id_), status, since or NOW - timedelta(hours=5), 0.97, told)


class Ladder:
    """Recommends the first service, and leaves the others out for two reasons."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services

    def policies(self) -> Sequence[str]:
        return ["production", "cheapest"]

    def models(self) -> Sequence[str]:
        return ["sora-2"]

    def recommend(self, wanted: RecommendationQuery) -> Recommendation:
        if wanted.policy not in {"", *self.policies()}:
            raise LookupError(f"'{wanted.policy}' is no policy")
        if wanted.model not in {"", *self.models()}:
            raise LookupError(f"there is no model '{wanted.model}'")
        first, second, third, *_ = self._services
        best = RankedService(
            first,
            a_verdict(first.id, Status.OPERATIONAL),
            wanted.seconds or 4,
            wanted.size or "720x1280",
            Decimal("0.40"),
            Decimal("0.421053"),
            timedelta(seconds=76),
            timedelta(seconds=80),
            0.95,
            ("preferred",),
        )
        out = (
            ExcludedService(second, a_verdict(second.id, Status.RETIRED), "retired"),
            ExcludedService(
                third, a_verdict(third.id, Status.OPERATIONAL), "capability", "seconds", "8", "10"
            ),
        )
        asked = replace(wanted, policy=wanted.policy or "production")
        return Recommendation(asked, (best,), out, 0.95)


class PinnedBoard:
    """Stands where it is pinned, and tells its listeners when it is pinned elsewhere."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = {service.id: service for service in services}
        self._verdicts = {id_: a_verdict(id_, Status.UNKNOWN) for id_ in self._services}
        self._newest: dict[tuple[ServiceId, Source], Evidence] = {}
        self._listeners: set[asyncio.Queue[BoardEvent]] = set()
        self.network_is_down = False

    def pin(self, verdict: Verdict) -> Transition:
        """Let a verdict stand from now on."""
        before = self._verdicts[verdict.service]
        self._verdicts[verdict.service] = verdict
        transition = Transition(verdict.service, verdict.since, NOW, before, verdict)
        for queue in self._listeners:
            queue.put_nowait(transition)
        return transition

    def see(self, evidence: Evidence) -> None:
        """Take evidence for the newest of its source."""
        self._newest[evidence.service, evidence.source] = evidence
        for queue in self._listeners:
            queue.put_nowait(evidence)

    def drop(self, id_: ServiceId) -> None:
        """Take a service out of the catalogue."""
        del self._services[id_]

    def services(self) -> tuple[Service, ...]:
        return tuple(self._services.values())

    def service(self, id_: ServiceId) -> Service:
        return self._services[id_]

    def verdict(self, id_: ServiceId) -> Verdict:
        return self._verdicts[id_]

    def latest_evidence(self, id_: ServiceId, source: Source) -> Evidence | None:
        return self._newest.get((id_, source))

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[asyncio.Queue[BoardEvent]]:
        queue: asyncio.Queue[BoardEvent] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


@dataclass(frozen=True, slots=True)
class Due:
    """A probe to come."""

    depth: Depth
    at: datetime


@dataclass(slots=True)
class Plan:
    """A prober's plan, written down."""

    due: tuple[Due, ...] = (Due(Depth.REACH, NOW + timedelta(seconds=40)),)
    held_back: dict[ServiceId, str] = field(default_factory=dict)

    def planned_probes(self, _: ServiceId) -> tuple[Due, ...]:
        return self.due

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        return self.held_back


@dataclass(frozen=True, slots=True)
class House:
    """What stands behind the faces."""

    board: PinnedBoard
    history: Storage
    clock: VirtualClock
    plan: Plan

    @property
    def state(self) -> StatusSources:
        """Return it as the faces take it."""
        return StatusSources(
            self.board,
            self.history,
            self.clock,
            plan=self.plan,
            total_budget=lambda: Budget(per_day=Decimal("5.00")),
            recommender=Ladder(self.board.services()),
        )

    async def happened(
        self,
        verdict: Verdict,
        *,
        recorded_at: datetime | None = None,
        incident: Incident | None = None,
    ) -> None:
        """Pin a verdict and record how it came to stand."""
        transition = replace(self.board.pin(verdict), recorded_at=recorded_at or verdict.since)
        await self.history.record_transitions(
            lambda: [TransitionRecord(transition.service, transition, "{}", incident)]
        )


def january() -> PinnedBoard:
    """Return 28 January 2026: officials deliver, the reverse ones are in trouble."""
    official = a_service("sora-2-official", "Sora 2 官轉")
    return PinnedBoard(
        [
            official,
            a_service("sora-2-pro-official", "Sora 2 Pro 官轉"),
            a_service("sora-2-reverse", "Sora 2 官逆", Access.REVERSE),
            a_service("sora-2-pro-reverse", "Sora 2 Pro 官逆", Access.REVERSE),
            a_service(
                "veo-3.1",
                "Veo 3.1",
                sheet=a_sheet(
                    "veo-3.1", Access.OFFICIAL, shutdown_at=date(2026, 3, 1), replacement="omni"
                ),
            ),
            a_service("image", "Sora Image"),
        ]
    )


def an_incident(
    id_: str, service: str, worst: Status, *reasons: Reason, ended_at: datetime | None = None
) -> Incident:
    """Return an incident that began five hours ago."""
    start = NOW - timedelta(hours=5)
    updates = [IncidentUpdate(start, worst, reasons or (a_reason(ReasonCode.JOBS_FAILING, start),))]
    if ended_at is not None:
        good = a_reason(ReasonCode.JOBS_DELIVERED, ended_at)
        updates.append(IncidentUpdate(ended_at, Status.OPERATIONAL, (good,)))
    return Incident(IncidentId(id_), ServiceId(service), start, ended_at, worst, tuple(updates))


async def furnish(house: House) -> None:
    """Let the day of January happen."""
    board, long_ago = house.board, NOW - timedelta(days=60)
    for id_ in ("sora-2-official", "sora-2-pro-official", "image"):
        delivered = a_reason(
            ReasonCode.JOBS_DELIVERED,
            NOW - timedelta(minutes=4),
            seconds=74.0,
            delivered=5,
            of=5,
            minutes=30,
        )
        await house.happened(a_verdict(id_, Status.OPERATIONAL, delivered, since=long_ago))
        board.see(
            Evidence(
                ServiceId(id_),
                NOW - timedelta(seconds=20),
                Source.REACH,
                latency=timedelta(milliseconds=62),
            )
        )
        board.see(
            Evidence(
                ServiceId(id_),
                NOW - timedelta(minutes=4),
                Source.GENERATION,
                latency=timedelta(seconds=74),
            )
        )
        board.see(
            Evidence(
                ServiceId(id_),
                NOW - timedelta(days=3),
                Source.FEED,
                claimed_status=Status.OPERATIONAL,
            )
        )
    named = a_reason(
        ReasonCode.RISK_CONTROL_REPORTED,
        NOW - timedelta(minutes=9),
        kind="risk_control",
        answer="当前账号触发风控，请稍后再试",
        http_status=403,
    )
    failing = a_reason(
        ReasonCode.JOBS_FAILING,
        NOW - timedelta(minutes=9),
        failed=4,
        of=4,
        since=(NOW - timedelta(hours=5)).isoformat(),
        http_status=403,
    )
    limited = ServiceId("sora-2-reverse")
    await house.happened(a_verdict(limited, Status.OPERATIONAL, since=long_ago))
    await house.happened(
        a_verdict(limited, Status.RISK_CONTROL, named, failing),
        incident=an_incident("sora-2-reverse-1", limited, Status.RISK_CONTROL, named, failing),
    )
    paused = a_reason(
        ReasonCode.SUSPENSION_REPORTED,
        NOW - timedelta(minutes=2),
        kind="suspended",
        answer="Sora 2 Pro is temporarily paused by the operator <b>until further notice</b>",
        http_status=503,
    )
    halted = ServiceId("sora-2-pro-reverse")
    start = NOW - timedelta(days=9)
    await house.happened(a_verdict(halted, Status.OPERATIONAL, since=NOW - timedelta(days=40)))
    await house.happened(a_verdict(halted, Status.DEGRADED, since=NOW - timedelta(days=20)))
    await house.happened(a_verdict(halted, Status.OPERATIONAL, since=NOW - timedelta(days=19)))
    await house.happened(
        a_verdict(halted, Status.SUSPENDED, paused, since=start),
        incident=an_incident("sora-2-pro-reverse-1", halted, Status.SUSPENDED, paused),
    )
    old = an_incident("image-1", "image", Status.DEGRADED, ended_at=NOW - timedelta(hours=3))
    back = a_verdict("image", Status.DEGRADED, since=NOW - timedelta(hours=5))
    await house.happened(back, incident=old)
    await house.happened(
        a_verdict(
            "image",
            Status.OPERATIONAL,
            a_reason(ReasonCode.JOBS_DELIVERED, NOW - timedelta(minutes=4), seconds=21.0),
            since=NOW - timedelta(hours=3),
        )
    )
    refusal = Failure(
        FailureKind.SUSPENDED,
        Fault.UPSTREAM,
        "words:paused",
        "temporarily paused",
        names_state=True,
        http_status=503,
    )
    for minutes in (5, 4, 3, 2, 1):
        house.history.add_evidence(
            Evidence(
                halted,
                NOW - timedelta(minutes=minutes),
                Source.CREDENTIALS,
                failure=refusal,
                latency=timedelta(milliseconds=131),
            )
        )
    board.see(
        Evidence(
            halted,
            NOW - timedelta(minutes=1),
            Source.CREDENTIALS,
            failure=refusal,
            latency=timedelta(milliseconds=131),
        )
    )
    await house.history.flush()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PinnedBoard]:
    """Return the database and the board of January, made once and copied for each test."""
    path, board = tmp_path_factory.mktemp("january") / "history.db", january()

    async def make() -> None:
        clock = VirtualClock(NOW)
        async with open_storage(f"sqlite:///{path}", clock) as history:
            await furnish(House(board, history, clock, Plan()))

    asyncio.run(make())
    return path, board


@pytest.fixture
async def house(tmp_path: Path, furnished: tuple[Path, PinnedBoard]) -> AsyncIterator[House]:
    """Return the house of January, with its history in SQLite."""
    template, board = furnished
    clock, path = VirtualClock(NOW), tmp_path / "history.db"
    shutil.copy(template, path)
    async with open_storage(f"sqlite:///{path}", clock) as history:
        yield House(copy.deepcopy(board), history, clock, Plan())


Get = Callable[..., Awaitable[aiohttp.ClientResponse]]
Served = Callable[[Starlette], AbstractAsyncContextManager[str]]
"""Asks for a path; keywords are headers (`accept_language=`); the body has been read."""


@pytest.fixture
def make_service() -> Callable[..., Service]:
    """Return the maker of services."""
    return a_service


@pytest.fixture
def make_incident() -> Callable[..., Incident]:
    """Return the maker of incidents."""
    return an_incident


@pytest.fixture
def history(house: House) -> Storage:
    """Return the January house's history."""
    return house.history


@pytest.fixture
def pin(house: House) -> Callable[[Verdict], Transition]:
    """Return what lets a verdict stand from now on."""
    return house.board.pin


@pytest.fixture
def see(house: House) -> Callable[[Evidence], None]:
    """Return what shows the board a piece of evidence."""
    return house.board.see


@pytest.fixture
def happen(house: House) -> Callable[..., Awaitable[None]]:
    """Return what lets a verdict stand and records how it came to."""
    return house.happened


@pytest.fixture
def plan(house: House) -> Plan:
    """Return the prober's plan."""
    return house.plan


@pytest.fixture
def app(house: House) -> Starlette:
    """Return the faces of the January house."""
    return make_status_app(house.state)


@pytest.fixture
async def base(app: Starlette, served: Served) -> AsyncIterator[str]:
    """Serve the faces on loopback; return their address."""
    async with served(app) as address:
        yield address


@pytest.fixture
async def ask(base: str) -> AsyncIterator[Get]:
    """Return what sends a request of any method."""
    async with aiohttp.ClientSession() as client:

        async def ask(method: str, path: str, **headers: str) -> aiohttp.ClientResponse:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            async with client.request(
                method, base + path, headers=sent, allow_redirects=False
            ) as reply:
                await reply.read()
                return reply

        yield ask


@pytest.fixture
def get(ask: Get) -> Get:
    """Return what sends a GET."""

    async def get(path: str, **headers: str) -> aiohttp.ClientResponse:
        return await ask("GET", path, **headers)

    return get
