"""Notifications through Apprise to a real HTTP server on this machine."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tallylight.alerts.delivery import RETRY_DELAYS, NotificationSender, RenderedNotification
from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import AlertOptions
from tallylight.clock import SystemClock, VirtualClock
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TOKEN = "planted-token-1234567890"
A, B = ServiceId("sora-2"), ServiceId("sora-2-pro")


@dataclass
class Listener:
    """Responds with the given statuses, then with 200, and keeps the requests."""

    statuses: list[int] = field(default_factory=list)
    received: asyncio.Queue[dict[str, str]] = field(default_factory=asyncio.Queue)
    port: int = 0

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    async def answer(self, request: web.Request) -> web.Response:
        self.received.put_nowait(await request.json())
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/{path:.*}", listener.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.port = runner.addresses[0][1]
    yield listener
    await runner.cleanup()


def firing(*services: ServiceId) -> Notification:
    changes = tuple(
        ServiceChange(id_, Status.OPERATIONAL, Status.SUSPENDED, NOW) for id_ in services
    )
    return Notification(NotificationKind.FIRING, NOW, services, changes)


def render(notification: Notification) -> RenderedNotification:
    return RenderedNotification(f"{notification.kind}: 服務", ", ".join(notification.services))


def options(**receivers: object) -> AlertOptions:
    return AlertOptions.model_validate({"receivers": receivers})


@asynccontextmanager
async def running(sender: NotificationSender) -> AsyncIterator[NotificationSender]:
    task = asyncio.create_task(sender.run())
    yield sender
    task.cancel()
    await asyncio.wait([task])


async def passing(clock: VirtualClock, listener: Listener, waits: Iterable[timedelta]) -> None:
    """Let each wait between two tries pass, once the try before it was received."""
    for wait in waits:
        await asyncio.wait_for(listener.received.get(), 20)
        async with asyncio.timeout(20):
            while not clock._sleepers:
                await asyncio.to_thread(int)  # until the answer was taken in
        await clock.advance(wait)


async def test_a_notification_arrives_as_it_was_rendered(listener: Listener) -> None:
    chosen = options(team={"url": listener.address, "services": [A]})

    async with running(NotificationSender(chosen, VirtualClock(NOW), render)) as sender:
        sender.send(firing(A, B))
        received = await asyncio.wait_for(listener.received.get(), 20)

    assert received["title"] == "firing: 服務"
    assert received["message"] == "sora-2"
    assert received["type"] == "failure"


async def test_a_receiver_that_refuses_is_retried_later(listener: Listener) -> None:
    listener.statuses = [500, 503]
    clock = VirtualClock(NOW)

    async with running(
        NotificationSender(options(team={"url": listener.address}), clock, render)
    ) as sender:
        sender.send(firing(A))
        await passing(clock, listener, RETRY_DELAYS[:2])
        third = await asyncio.wait_for(listener.received.get(), 20)

    assert third["message"] == "sora-2"
    assert clock.monotonic() == 35


async def test_a_receiver_that_always_refuses_gets_the_next_notification_later(
    listener: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    listener.statuses = [500] * (1 + len(RETRY_DELAYS))
    clock = VirtualClock(NOW)

    async with running(
        NotificationSender(options(team={"url": listener.address}), clock, render)
    ) as sender:
        sender.send(firing(A))
        sender.send(firing(B))
        await passing(clock, listener, RETRY_DELAYS)
        last = await asyncio.wait_for(listener.received.get(), 20)
        following = await asyncio.wait_for(listener.received.get(), 20)

    assert (last["message"], following["message"]) == ("sora-2", "sora-2-pro")
    written = "".join(capfd.readouterr())
    assert "alerts.given_up" in written
    assert TOKEN not in written


async def test_an_unreachable_receiver_delays_no_other(listener: Listener) -> None:
    clock = VirtualClock(NOW)
    both = options(away={"url": f"json://127.0.0.1:9/{TOKEN}"}, team={"url": listener.address})

    async with running(NotificationSender(both, clock, render)) as sender:
        for service in (A, B):
            sender.send(firing(service))
            received = await asyncio.wait_for(listener.received.get(), 20)
            assert received["message"] == service


async def test_a_defect_in_one_notification_does_not_end_the_deliveries(listener: Listener) -> None:
    def picky(notification: Notification) -> RenderedNotification:
        if A in notification.services:
            raise LookupError(TOKEN)
        return render(notification)

    team = options(team={"url": listener.address})
    async with running(NotificationSender(team, VirtualClock(NOW), picky)) as sender:
        sender.send(firing(A))
        sender.send(firing(B))

        received = await asyncio.wait_for(listener.received.get(), 20)

    assert received["message"] == "sora-2-pro"


async def test_a_full_queue_drops_the_oldest_notifications(listener: Listener) -> None:
    team = options(team={"url": listener.address})
    sender = NotificationSender(team, VirtualClock(NOW), render)
    for number in range(150):
        sender.send(firing(ServiceId(f"service-{number}")))

    async with running(sender):
        first = await asyncio.wait_for(listener.received.get(), 20)

    assert first["message"] == "service-50"


async def test_without_receivers_the_sender_ends_at_once() -> None:
    sender = NotificationSender(options(), VirtualClock(NOW), render)

    sender.send(firing(A))

    await asyncio.wait_for(sender.run(), 1)


async def test_an_address_that_apprise_does_not_know_is_logged_by_the_receivers_name(
    listener: Listener,
) -> None:
    receivers = options(
        odd={"url": f"carrierpigeon://north-tower/{TOKEN}"}, team={"url": listener.address}
    )
    sender = NotificationSender(receivers, VirtualClock(NOW), render)
    sender.send(firing(A))

    expected = {"event": "alerts.unusable_receiver", "receiver": "odd", "log_level": "error"}
    with capture_logs() as logs:
        async with running(sender), asyncio.timeout(20):
            await listener.received.get()
            # Each receiver has a task of its own; either may be the first.
            while expected not in logs:
                await SystemClock().sleep(timedelta(milliseconds=10))

    assert TOKEN not in str(logs)
