"""The desk: from a verdict on the board to a message at a receiver, and over a restart."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from structlog.testing import capture_logs

from tallylight.alerts.messages import load_notification
from tallylight.alerts.metrics import AlertMetrics
from tallylight.alerts.notification import NotificationKind
from tallylight.alerts.options import AlertOptions, ReportOptions
from tallylight.app.alert_dispatcher import AlertDispatcher, AlertSettings
from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.i18n import Language
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.tables import outbox_table
from tallylight.verdicts.options import PolicyOptions
from tests.builders import BROKEN, service_named
from tests.servers import serving

NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
SERVICE = ServiceId("sora-2-reverse")
RISK = Failure(
    kind=FailureKind.RISK_CONTROL,
    fault=Fault.UPSTREAM,
    rule="words:risk-control",
    text="账号触发风控",
    names_state=True,
    http_status=403,
)

LOST = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "exception:timeout")


@dataclass
class Inbox:
    """A receiver on loopback that keeps what it was told."""

    url: str
    told: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    inbox = Inbox("")

    async def take(request: web.Request) -> web.Response:
        inbox.told.put_nowait(json.loads(await request.text()))
        return web.Response()

    application = web.Application()
    application.router.add_post("/{any:.*}", take)
    async with serving(application) as host:
        inbox.url = f"json://{host}/hook"
        yield inbox


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    file = tmp_path / "tallylight.yaml"
    file.write_text(
        json.dumps(
            {
                "upstreams": {
                    "relay": {"provider": "relay", "base_url": "http://127.0.0.1:9/v1"},
                },
                "services": {
                    SERVICE: {
                        "name": "Sora 2 官逆",
                        "upstream": "relay",
                        "model": "sora2-landscape-10s",
                        "access": "reverse",
                    }
                },
            }
        )
    )
    return load_configuration(file, {})


@pytest.fixture
async def history(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(f"sqlite:///{tmp_path / 'alerts.db'}", clock) as found:
        yield found


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
async def board(history: Storage, clock: VirtualClock, configuration: Configuration) -> Board:
    found = Board(history, clock)
    await found.apply_config(configuration.catalogue.services.values(), configuration.verdicts)
    return found


def desk(
    board: Board, history: Storage, clock: VirtualClock, url: str, *reported: str
) -> AlertDispatcher:
    options = AlertOptions.model_validate({"receivers": {"hook": {"url": url}}})
    settings = AlertSettings(options, Language.EN, ReportOptions(receivers=reported))
    return AlertDispatcher(board, history, clock, settings, metrics())


def metrics() -> AlertMetrics:
    return AlertMetrics(CollectorRegistry())


def jobs(clock: VirtualClock, failure: Failure | None) -> Evidence:
    return Evidence(SERVICE, clock.now(), Source.GENERATION, failure)


async def until_told(inbox: Inbox, clock: VirtualClock) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while inbox.told.empty():
            await clock.advance(timedelta(seconds=1))
            # The receiver answers over a real socket, in real time.
            await asyncio.to_thread(lambda: None)
        return inbox.told.get_nowait()


@asynccontextmanager
async def running(found: AlertDispatcher) -> AsyncIterator[None]:
    task = asyncio.create_task(found.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_receiver_is_told_of_risk_control_and_of_the_recovery(
    board: Board, history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    await board.report(jobs(clock, None))

    async with running(desk(board, history, clock, inbox.url)):
        await clock.advance(timedelta(minutes=5))
        for _ in range(3):
            await board.report(jobs(clock, RISK))
            await clock.advance(timedelta(minutes=5))
        fired = await until_told(inbox, clock)
        for _ in range(6):
            await board.report(jobs(clock, None))
            await clock.advance(timedelta(minutes=5))
        resolved = await until_told(inbox, clock)

    assert fired["title"] == "🟡 Sora 2 官逆: Risk control"
    assert "账号触发风控" in fired["message"]
    assert resolved["title"] == "🟢 Sora 2 官逆: operational again"


async def test_each_outage_that_only_free_checks_see_is_told_and_its_end_too(
    board: Board, history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    told = []

    async with running(desk(board, history, clock, inbox.url)):
        for failure in (BROKEN, None) * 2:
            for _ in range(8):
                await clock.advance(timedelta(seconds=30))
                await board.report(Evidence(SERVICE, clock.now(), Source.REACH, failure))
            told.append(await until_told(inbox, clock))

    answers = "⚪ Sora 2 官逆: answers again; whether videos arrive is not checked"
    assert [each["title"] for each in told] == ["🔴 Sora 2 官逆: Suspended", answers] * 2
    assert "The API has answered again since 28 Jan" in told[1]["message"]


async def test_what_was_told_is_not_told_again_after_a_restart(
    board: Board, history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    await board.report(jobs(clock, None))
    async with running(desk(board, history, clock, inbox.url)):
        await clock.advance(timedelta(minutes=1))
        for _ in range(3):
            await board.report(jobs(clock, RISK))
            await clock.advance(timedelta(minutes=5))
        await until_told(inbox, clock)

    async with running(desk(board, history, clock, inbox.url)):
        await clock.advance(timedelta(minutes=10))

    assert inbox.told.empty()


async def test_without_receivers_the_desk_goes_home(
    board: Board, history: Storage, clock: VirtualClock
) -> None:
    idle = AlertDispatcher(
        board,
        history,
        clock,
        AlertSettings(AlertOptions(), Language.EN, ReportOptions()),
        metrics(),
    )

    async with asyncio.timeout(5):
        await idle.run()


async def stored_kinds(history: Storage) -> list[NotificationKind]:
    async with history.connections.read_transaction() as connection:
        query = select(outbox_table.c.body).order_by(outbox_table.c.created_at_us)
        bodies = await connection.scalars(query)
        found = [load_notification(body) for body in bodies]
    return [each.kind for each in found if each is not None]


async def until_stored(history: Storage, clock: VirtualClock, kind: NotificationKind) -> None:
    async with asyncio.timeout(60):
        while True:
            await clock.advance(timedelta(seconds=1))
            for _ in range(50):  # little time passes while the database works
                if kind in await stored_kinds(history):
                    return


async def until_saved(history: Storage, clock: VirtualClock) -> None:
    async with asyncio.timeout(60):
        while await history.component_state("alerts") is None:
            await clock.advance(timedelta(seconds=1))


async def test_what_was_told_and_was_our_own_network_is_followed_by_that(
    history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    board = Board(history, clock)
    names = "abcd"
    await board.apply_config(
        [service_named(name, provider=name) for name in names], PolicyOptions()
    )

    async def call(missing: str) -> None:
        for name in names:
            failure = LOST if name in missing else None
            await clock.advance(timedelta(seconds=1))
            await board.report(Evidence(ServiceId(name), clock.now(), Source.REACH, failure))

    for name in names:
        await board.report(Evidence(ServiceId(name), clock.now(), Source.GENERATION))
    async with running(desk(board, history, clock, inbox.url)):
        await call(missing="")
        for _ in range(8):
            await call(missing="a")
        await until_stored(history, clock, NotificationKind.FIRING)
        for _ in range(4):
            await call(missing=names)
        await until_stored(history, clock, NotificationKind.NETWORK_DOWN)
        await call(missing="")
        await until_stored(history, clock, NotificationKind.RETRACTED)

    assert await stored_kinds(history) == [
        NotificationKind.FIRING,
        NotificationKind.NETWORK_DOWN,
        NotificationKind.NETWORK_UP,
        NotificationKind.RETRACTED,
    ]


async def test_the_report_of_a_month_is_sent_once_over_restarts_and_a_pause(
    board: Board, history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    await board.report(jobs(clock, None))
    async with running(desk(board, history, clock, inbox.url, "hook")):
        await until_saved(history, clock)
    await clock.advance(timedelta(days=4))  # the server is down on 1 February at 9:00

    async with running(desk(board, history, clock, inbox.url, "hook")):
        report = await until_told(inbox, clock)
    async with running(desk(board, history, clock, inbox.url, "hook")):
        await clock.advance(timedelta(minutes=10))

    assert (report["kind"], report["title"]) == ("report", "Report for January 2026")
    assert "Sora 2 官逆 (Reverse): " in report["message"]
    assert [each["id"] for each in report["services"]] == [SERVICE]
    assert inbox.told.empty()
    assert await stored_kinds(history) == [NotificationKind.REPORT]


async def test_a_month_that_is_too_late_is_left_out_and_logged(
    board: Board, history: Storage, clock: VirtualClock, inbox: Inbox
) -> None:
    async with running(desk(board, history, clock, inbox.url, "hook")):
        await until_saved(history, clock)
    await clock.advance(timedelta(days=12))

    with capture_logs() as logs:
        async with running(desk(board, history, clock, inbox.url, "hook")), asyncio.timeout(60):
            while not any(each["event"] == "report.left_out" for each in logs):
                await clock.advance(timedelta(seconds=1))

    (told,) = (each for each in logs if each["event"] == "report.left_out")
    assert (told["receiver"], told["month"]) == ("hook", "2026-01-01")
    assert await stored_kinds(history) == []
