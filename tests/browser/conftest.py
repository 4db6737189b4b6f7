"""The page over a real board and a real history, in a real Chromium."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright
from starlette.applications import Starlette

from tallylight.app.recommend import RouteRecommender
from tallylight.board import Board
from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import Feed, Service
from tallylight.clock import VirtualClock
from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.circuit_breaker import CircuitBreaker
from tallylight.gateway.routing.routes import default_routes
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget, Price, PriceUnit
from tallylight.model.status import Access, Status
from tallylight.status.advice import Advice, AdviceRow, AdviceState
from tallylight.status.application import make_status_app
from tallylight.status.ports import StatusSources
from tallylight.storage.database import Storage, open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import order_of, service_named

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
PAUSED = Failure(
    FailureKind.SUSPENDED,
    Fault.UPSTREAM,
    "words:paused",
    "temporarily paused by the operator",
    names_state=True,
    http_status=503,
)

COMPUTING = Advice(AdviceState.COMPUTING, Decimal(8), priced=4, unpriced=0)

OpenPage = Callable[..., Awaitable[Page]]
Served = Callable[[Starlette], AbstractAsyncContextManager[str]]
Fail = Callable[[str], Awaitable[None]]

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _service(id_: str, name: str, access: Access, provider: str) -> Service:
    service = service_named(id_, provider=provider, access=access)
    return replace(
        service,
        name=name,
        upstream=replace(service.upstream, feed=Feed("incident_io", "https://status.example.com")),
        sheet=replace(
            service.sheet,
            modes=short_modes((4, 8), ("1280x720",)),
            price=Price(PriceUnit.PER_SECOND, {"720p": Decimal("0.10"), "1080p": Decimal("0.30")}),
            shutdown_at=date(2026, 3, 1) if id_ == "veo" else None,
            replacement="gemini-omni-1.1-preview-with-a-long-name" if id_ == "veo" else "",
            sources=("https://platform.openai.com/docs/pricing",),
        ),
        budget=Budget(per_day=Decimal(2)),
        probe_order=order_of("a lighthouse", 4, "1280x720"),
    )


def _services() -> Sequence[Service]:
    return (
        _service("sora", "Sora 2 官轉", Access.OFFICIAL, "openai"),
        _service("sora-reverse", "Sora 2 官逆", Access.REVERSE, "relay"),
        _service("veo", "Veo 3.1", Access.OFFICIAL, "google"),
        _service("runway", "Runway Gen-4", Access.OFFICIAL, "runway"),
    )


@pytest.fixture
def clock() -> VirtualClock:
    """Return a clock ten days before NOW."""
    return VirtualClock(NOW - timedelta(days=10))


@pytest.fixture
async def history(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Storage]:
    """Return a history in SQLite."""
    async with open_storage(f"sqlite:///{tmp_path}/history.db", clock) as history:
        yield history


@pytest.fixture
async def board(history: Storage, clock: VirtualClock) -> Board:
    """Return a board with two operational services, a paused and an unknown one."""
    board = Board(history, clock)
    await board.apply_config(_services(), PolicyOptions())
    while clock.now() < NOW:
        await _deliver(board, clock, "sora")
        await _deliver(board, clock, "runway")
        await clock.advance(timedelta(hours=6))
    await board.advance_time()
    for id_ in ("sora", "runway"):
        await _deliver(board, clock, id_)
    for minutes in (12, 8, 4, 0):
        await board.report(_failure("sora-reverse", NOW - timedelta(minutes=minutes)))
    await board.report(
        Evidence(
            ServiceId("sora"), NOW, Source.FEED, claimed_status=Status.DEGRADED, note="Slow <jobs>"
        )
    )
    return board


async def _deliver(board: Board, clock: VirtualClock, id_: str) -> None:
    service, now = ServiceId(id_), clock.now()
    await board.report(Evidence(service, now, Source.REACH, latency=timedelta(milliseconds=62)))
    await board.report(Evidence(service, now, Source.GENERATION, latency=timedelta(seconds=74)))


def _failure(id_: str, at: datetime) -> Evidence:
    return Evidence(ServiceId(id_), at, Source.GENERATION, PAUSED)


@pytest.fixture
def fail(board: Board, clock: VirtualClock) -> Fail:
    """Return a function that fails a service's jobs until it is suspended."""

    async def fail(id_: str) -> None:
        for _ in range(6):
            await clock.advance(timedelta(minutes=4))
            verdict = await board.report(_failure(id_, clock.now()))
        assert verdict.status is Status.SUSPENDED

    return fail


READY = replace(
    COMPUTING,
    state=AdviceState.READY,
    rows=(
        AdviceRow(Decimal(0), 0.0, 0.0, None, 0.0729),
        AdviceRow(Decimal(2), 1.34, 0.33, 22.7, 0.0737),
        AdviceRow(Decimal(5), 3.56, 0.40, 35.4, 0.0603),
        AdviceRow(Decimal(8), 6.02, 0.53, 34.1, 0.0411),
        AdviceRow(Decimal(10), 7.64, 0.57, 33.9, 0.0317),
        AdviceRow(Decimal(20), 8.94, 0.63, 42.3, 0.0248),
    ),
    plain_script=AdviceRow(None, 491.49, 1.0, 3.6, 0.05),
    rehearsed_services=4,
    days=30.0,
    outages=41,
)


@dataclass(slots=True)
class StubAdviceSource:
    """Returns the advice that a test sets."""

    current: Advice

    def advice(self) -> Advice:
        """Return the current advice."""
        return self.current

    def set_computing(self) -> None:
        """Report from now on that the advice is being computed."""
        self.current = COMPUTING

    def set_ready(self) -> None:
        """Return the advice from now on."""
        self.current = READY


@pytest.fixture
def advice_source() -> StubAdviceSource:
    """Return a source whose advice is ready."""
    return StubAdviceSource(READY)


@pytest.fixture
async def address(
    board: Board,
    history: Storage,
    clock: VirtualClock,
    advice_source: StubAdviceSource,
    served: Served,
) -> AsyncIterator[str]:
    """Serve the page on loopback; return its address."""
    candidates = Candidates(board, CircuitBreaker(), clock)
    recommender = RouteRecommender(board, candidates, lambda: default_routes(board.services()))
    app = make_status_app(
        StatusSources(board, history, clock, advice=advice_source.advice, recommender=recommender)
    )
    async with served(app) as address:
        yield address


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Return Debian's Chromium."""
    path = shutil.which("chromium")
    assert path is not None, "run `python tools/ensure_chromium.py`"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(browser: Browser, address: str) -> AsyncIterator[OpenPage]:
    """Return a function that opens a page; an error in its console fails the test.

    Chromium also writes there that a page itself has an error status; tests look at that page.
    """
    console_errors: list[str] = []

    async def open_page(
        path: str = "/", *, dark: bool = False, width: int = 1200, script: bool = True
    ) -> Page:
        context = await browser.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 900},
            java_script_enabled=script,
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                console_errors.append(message.text)
                if message.type == "error" and message.location["url"] != page.url
                else None
            ),
        )
        await page.goto(address + path)
        return page

    yield open_page

    assert console_errors == []
