"""A board whose verdicts a test sets, beside a real history in SQLite."""

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
from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import FactSheet, Feed, ProbeIntervals, Service
from tallylight.clock import VirtualClock
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import IncidentId, ProviderId, ServiceId
from tallylight.model.money import Budget
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
from tallylight.verdicts.judge import initial_state
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState
from tests.builders import SHEET, order_of, price_per_second, service_named

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=60)
KEY = "sk-planted-4f1d9a"
"""A recognizable key that no response may contain."""


def make_sheet(
    model: str, access: Access, *, shutdown_at: date | None = None, replacement: str = ""
) -> FactSheet:
    """Return a fact sheet."""
    return replace(
        SHEET,
        provider=ProviderId("openai" if access is Access.OFFICIAL else "relay"),
        model=model,
        title=model,
        access=access,
        modes=short_modes((4, 8, 12), ("720x1280", "1280x720")),
        price=price_per_second("0.10", "720p"),
        shutdown_at=shutdown_at,
        replacement=replacement,
        sources=("https://platform.openai.com/docs/pricing",),
        as_of=date(2026, 1, 20),
    )


def new_service(
    id_: str, name: str, access: Access = Access.OFFICIAL, *, sheet: FactSheet | None = None
) -> Service:
    """Return a service."""
    official = access is Access.OFFICIAL
    service = service_named(id_, provider="openai" if official else "relay", access=access)
    return replace(
        service,
        name=name,
        upstream=replace(
            service.upstream,
            base_url="https://api.example.com/v1",
            key=Secret(KEY),
            feed=Feed("incident_io", "https://status.example.com") if official else None,
        ),
        sheet=sheet or make_sheet("sora-2", access),
        probe_intervals=ProbeIntervals(),
        budget=Budget(per_day=Decimal("2.00")),
        probe_order=order_of("a lighthouse", 4, "1280x720"),
    )


def new_reason(code: ReasonCode, at: datetime = NOW, **facts: str | float) -> Reason:
    """Return a reason."""
    return Reason(code, at, facts)


def new_verdict(
    id_: str, status: Status, *reasons: Reason, since: datetime | None = None
) -> Verdict:
    """Return a verdict."""
    reasons = reasons or (new_reason(ReasonCode.NO_EVIDENCE),)
    return Verdict(ServiceId(id_), status, since or NOW - timedelta(hours=5), 0.97, reasons)


class StubRecommender:
    """Ranks the first service, and excludes two others for different reasons."""

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
            new_verdict(first.id, Status.OPERATIONAL),
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
            ExcludedService(second, new_verdict(second.id, Status.RETIRED), "retired"),
            ExcludedService(
                third, new_verdict(third.id, Status.OPERATIONAL), "capability", "seconds", "8", "10"
            ),
        )
        asked = replace(wanted, policy=wanted.policy or "production")
        return Recommendation(asked, (best,), out, 0.95)


class StubBoard:
    """Holds the verdicts that a test sets, and notifies its subscribers of changes."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = {service.id: service for service in services}
        self._verdicts = {id_: new_verdict(id_, Status.UNKNOWN) for id_ in self._services}
        self._newest: dict[tuple[ServiceId, Source], Evidence] = {}
        self._listeners: set[asyncio.Queue[BoardEvent]] = set()
        self.network_is_down = False
        self.states: dict[ServiceId, ServiceState] = {}

    def set_verdict(self, verdict: Verdict) -> Transition:
        """Set a verdict and notify subscribers of the transition."""
        before = self._verdicts[verdict.service]
        self._verdicts[verdict.service] = verdict
        transition = Transition(verdict.service, verdict.since, NOW, before, verdict)
        for queue in self._listeners:
            queue.put_nowait(transition)
        return transition

    def add_evidence(self, evidence: Evidence) -> None:
        """Set the latest evidence of its source."""
        self._newest[evidence.service, evidence.source] = evidence
        for queue in self._listeners:
            queue.put_nowait(evidence)

    def services(self) -> tuple[Service, ...]:
        return tuple(self._services.values())

    def service(self, id_: ServiceId) -> Service:
        return self._services[id_]

    def verdict(self, id_: ServiceId) -> Verdict:
        return self._verdicts[id_]

    def state(self, id_: ServiceId) -> tuple[ServiceState, Policy]:
        return self.states.get(id_, initial_state(id_, NOW)), Policy()

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
class PlannedProbe:
    """A planned probe."""

    depth: Depth
    at: datetime
    reason: str = "routine"


@dataclass(slots=True)
class Plan:
    """A plan that a test sets."""

    due: tuple[PlannedProbe, ...] = (PlannedProbe(Depth.REACH, NOW + timedelta(seconds=40)),)
    withheld: dict[ServiceId, str] = field(default_factory=dict)
    pace: PaceInForce | None = None

    def planned_probes(self, _: ServiceId) -> tuple[PlannedProbe, ...]:
        return self.due

    def paid_pace(self, _: ServiceId) -> PaceInForce | None:
        return self.pace

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        return self.withheld


@dataclass(frozen=True, slots=True)
class Backend:
    """The sources of the status app."""

    board: StubBoard
    history: Storage
    clock: VirtualClock
    plan: Plan

    @property
    def sources(self) -> StatusSources:
        """Return them as the status app takes them."""
        return StatusSources(
            self.board,
            self.history,
            self.clock,
            plan=self.plan,
            total_budget=lambda: Budget(per_day=Decimal("5.00")),
            recommender=StubRecommender(self.board.services()),
        )

    async def record(
        self,
        verdict: Verdict,
        *,
        recorded_at: datetime | None = None,
        incident: Incident | None = None,
    ) -> None:
        """Set a verdict and record its transition."""
        transition = replace(
            self.board.set_verdict(verdict), recorded_at=recorded_at or verdict.since
        )
        await self.history.record_transitions(
            lambda: [TransitionRecord(transition.service, transition, "{}", incident)]
        )


def january_board() -> StubBoard:
    """Return 28 January 2026: official services are operational, reverse ones fail."""
    official = new_service("sora-2-official", "Sora 2 官轉")
    return StubBoard(
        [
            official,
            new_service("sora-2-pro-official", "Sora 2 Pro 官轉"),
            new_service("sora-2-reverse", "Sora 2 官逆", Access.REVERSE),
            new_service("sora-2-pro-reverse", "Sora 2 Pro 官逆", Access.REVERSE),
            new_service(
                "veo-3.1",
                "Veo 3.1",
                sheet=make_sheet(
                    "veo-3.1", Access.OFFICIAL, shutdown_at=date(2026, 3, 1), replacement="omni"
                ),
            ),
            new_service("image", "Sora Image"),
        ]
    )


def new_incident(
    id_: str, service: str, worst: Status, *reasons: Reason, ended_at: datetime | None = None
) -> Incident:
    """Return an incident that began five hours ago."""
    start = NOW - timedelta(hours=5)
    updates = [
        IncidentUpdate(start, worst, reasons or (new_reason(ReasonCode.JOBS_FAILING, start),))
    ]
    if ended_at is not None:
        good = new_reason(ReasonCode.JOBS_DELIVERED, ended_at)
        updates.append(IncidentUpdate(ended_at, Status.OPERATIONAL, (good,)))
    return Incident(IncidentId(id_), ServiceId(service), start, ended_at, worst, tuple(updates))


async def populate(backend: Backend) -> None:
    """Record the history of 28 January 2026."""
    await _populate_operational(backend)
    await _populate_risk_control(backend)
    await _populate_suspended(backend)
    await backend.history.flush()


async def _populate_operational(backend: Backend) -> None:
    ago = timedelta(minutes=4)
    for name in ("sora-2-official", "sora-2-pro-official", "image"):
        id_, at = ServiceId(name), NOW - ago
        delivered = new_reason(
            ReasonCode.JOBS_DELIVERED, at, seconds=74.0, delivered=5, of=5, minutes=30
        )
        await backend.record(new_verdict(id_, Status.OPERATIONAL, delivered, since=LONG_AGO))
        for evidence in (
            Evidence(
                id_, NOW - timedelta(seconds=20), Source.REACH, latency=timedelta(seconds=0.062)
            ),
            Evidence(id_, at, Source.GENERATION, latency=timedelta(seconds=74)),
            Evidence(id_, NOW - timedelta(days=3), Source.FEED, claimed_status=Status.OPERATIONAL),
        ):
            backend.board.add_evidence(evidence)
    start, end = NOW - timedelta(hours=5), NOW - timedelta(hours=3)
    await backend.record(
        new_verdict("image", Status.DEGRADED, since=start),
        incident=new_incident("image-1", "image", Status.DEGRADED, ended_at=end),
    )
    delivered = new_reason(ReasonCode.JOBS_DELIVERED, NOW - ago, seconds=21.0)
    await backend.record(new_verdict("image", Status.OPERATIONAL, delivered, since=end))


async def _populate_risk_control(backend: Backend) -> None:
    id_, at = "sora-2-reverse", NOW - timedelta(minutes=9)
    reported = new_reason(
        ReasonCode.RISK_CONTROL_REPORTED,
        at,
        kind="risk_control",
        answer="当前账号触发风控，请稍后再试",
        http_status=403,
    )
    since = (NOW - timedelta(hours=5)).isoformat()
    failing = new_reason(ReasonCode.JOBS_FAILING, at, failed=4, of=4, since=since, http_status=403)
    await backend.record(new_verdict(id_, Status.OPERATIONAL, since=LONG_AGO))
    await backend.record(
        new_verdict(id_, Status.RISK_CONTROL, reported, failing),
        incident=new_incident("sora-2-reverse-1", id_, Status.RISK_CONTROL, reported, failing),
    )


async def _populate_suspended(backend: Backend) -> None:
    id_ = ServiceId("sora-2-pro-reverse")
    paused = new_reason(
        ReasonCode.SUSPENSION_REPORTED,
        NOW - timedelta(minutes=2),
        kind="suspended",
        answer="Sora 2 Pro is temporarily paused by the operator <b>until further notice</b>",
        http_status=503,
    )
    for days, status in ((40, Status.OPERATIONAL), (20, Status.DEGRADED), (19, Status.OPERATIONAL)):
        await backend.record(new_verdict(id_, status, since=NOW - timedelta(days=days)))
    await backend.record(
        new_verdict(id_, Status.SUSPENDED, paused, since=NOW - timedelta(days=9)),
        incident=new_incident("sora-2-pro-reverse-1", id_, Status.SUSPENDED, paused),
    )
    refusal = Failure(
        FailureKind.SUSPENDED,
        Fault.UPSTREAM,
        "words:paused",
        "temporarily paused",
        names_state=True,
        http_status=503,
    )
    latency = timedelta(milliseconds=131)
    for minutes in (5, 4, 3, 2, 1):
        at = NOW - timedelta(minutes=minutes)
        evidence = Evidence(id_, at, Source.CREDENTIALS, failure=refusal, latency=latency)
        backend.history.add_evidence(evidence)
    backend.board.add_evidence(evidence)


@pytest.fixture(scope="session")
def january_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StubBoard]:
    """Return the populated database and board, made once and copied for each test."""
    path, board = tmp_path_factory.mktemp("january") / "history.db", january_board()

    async def make() -> None:
        clock = VirtualClock(NOW)
        async with open_storage(f"sqlite:///{path}", clock) as history:
            await populate(Backend(board, history, clock, Plan()))

    asyncio.run(make())
    return path, board


@pytest.fixture
async def backend(
    tmp_path: Path, january_template: tuple[Path, StubBoard]
) -> AsyncIterator[Backend]:
    """Return the backend of January, with its history in SQLite."""
    template, board = january_template
    clock, path = VirtualClock(NOW), tmp_path / "history.db"
    shutil.copy(template, path)
    async with open_storage(f"sqlite:///{path}", clock) as history:
        yield Backend(copy.deepcopy(board), history, clock, Plan())


Get = Callable[..., Awaitable[aiohttp.ClientResponse]]
"""Requests a path; keywords are headers (`accept_language=`). The body has been read."""

Served = Callable[[Starlette], AbstractAsyncContextManager[str]]


@pytest.fixture
def history(backend: Backend) -> Storage:
    """Return the January backend's history."""
    return backend.history


@pytest.fixture
def set_verdict(backend: Backend) -> Callable[[Verdict], Transition]:
    """Return a function that sets a verdict."""
    return backend.board.set_verdict


@pytest.fixture
def add_evidence(backend: Backend) -> Callable[[Evidence], None]:
    """Return a function that sets evidence."""
    return backend.board.add_evidence


@pytest.fixture
def record_verdict(backend: Backend) -> Callable[..., Awaitable[None]]:
    """Return a function that sets a verdict and records its transition."""
    return backend.record


@pytest.fixture
def plan(backend: Backend) -> Plan:
    """Return the prober's plan."""
    return backend.plan


@pytest.fixture
def app(backend: Backend) -> Starlette:
    """Return the status app."""
    return make_status_app(backend.sources)


@pytest.fixture
async def base(app: Starlette, served: Served) -> AsyncIterator[str]:
    """Serve the app on loopback; return its address."""
    async with served(app) as address:
        yield address


@pytest.fixture
async def ask(base: str) -> AsyncIterator[Get]:
    """Return a function that sends a request of any method."""
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
    """Return a function that sends a GET."""

    async def get(path: str, **headers: str) -> aiohttp.ClientResponse:
        return await ask("GET", path, **headers)

    return get
