"""Notifications from the outbox through Apprise to a real HTTP server on this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tallylight.alerts.messages import (
    ALERT_RETRY_PERIOD,
    ENDPOINT_PREFIX,
    alert_messages,
    due_at,
    pause_after,
)
from tallylight.alerts.metrics import AlertMetrics
from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import AlertOptions, ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.sender import NotificationSender, Render
from tallylight.clock import VirtualClock
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Transition, Verdict
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transition_record import RetractedTransitions, TransitionRecord
from tests.servers import serving

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TOKEN = "planted-token-1234567890"
A, B = ServiceId("sora-2"), ServiceId("veo")


@dataclass
class Listener:
    """Keeps what it accepts; answers 503 while it is away, and to what it refuses."""

    is_away: bool = False
    refuses: str = "nothing"
    received: list[str] = field(default_factory=list)
    refused: int = 0
    host: str = ""

    @property
    def address(self) -> str:
        return f"json://{self.host}/{TOKEN}"

    async def answer(self, request: web.Request) -> web.Response:
        message = (await request.json())["message"]
        if self.is_away or self.refuses in message:
            self.refused += 1
            return web.Response(status=503)
        self.received.append(message)
        return web.Response()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_post("/{path:.*}", listener.answer)
    async with serving(app) as listener.host:
        yield listener


@dataclass
class World:
    """A database, a clock, and the metrics of the senders that run on them."""

    history: Storage
    clock: VirtualClock
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tasks: int = 0

    def __post_init__(self) -> None:
        self.metrics = AlertMetrics(self.registry)

    async def queue(self, receivers: Mapping[str, ReceiverOptions], *sent: Notification) -> None:
        """Store notifications, as the dispatcher does."""
        await self.history.save_component_state("alerts", "{}", alert_messages(sent, receivers))

    async def retract(self, service: ServiceId) -> None:
        """Record that trouble of a service began, and that it was taken back."""
        before, after = (
            Verdict(service, status, NOW, 1.0, ())
            for status in (Status.OPERATIONAL, Status.SUSPENDED)
        )
        began = Transition(service, NOW, NOW, before, after)
        retracted = RetractedTransitions(NOW, 1, None)
        records = (
            TransitionRecord(service, began, "{}", None),
            TransitionRecord(service, None, "{}", None, retracted),
        )
        await self.history.record_transitions(lambda: records)

    @asynccontextmanager
    async def sending(
        self, receivers: Mapping[str, ReceiverOptions], show: Render | None = None
    ) -> AsyncIterator[None]:
        """Run a sender, as one process with one configuration does."""
        sender = NotificationSender(
            self.history, receivers, self.clock, show or render, self.metrics
        )
        task = asyncio.create_task(sender.run())
        self.tasks = len(receivers) + 1  # one more counts what waits
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.clock._sleepers.clear()

    async def until(self, condition: Callable[[], bool], *, step: float = 1) -> None:
        """Let time pass until a condition holds, but not while a real request is under way."""
        async with asyncio.timeout(60):
            while not condition():
                if len(self.clock._sleepers) >= self.tasks:
                    await self.clock.advance(timedelta(seconds=step))
                await asyncio.to_thread(int)  # the receiver answers in real time

    def counted(self, outcome: str, receiver: str = "team") -> float | None:
        labels = {"receiver": receiver, "outcome": outcome}
        return self.registry.get_sample_value("tallylight_alerts_total", labels)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'alerts.db'}"
    make: Callable[[str | None], str] = request.getfixturevalue("new_postgres")
    return make(None)


@pytest.fixture
async def world(address: str) -> AsyncIterator[World]:
    clock = VirtualClock(NOW)
    async with open_storage(address, clock) as history:
        yield World(history, clock)


def firing(*services: ServiceId) -> Notification:
    changes = tuple(
        ServiceChange(id_, Status.OPERATIONAL, Status.SUSPENDED, NOW) for id_ in services
    )
    return Notification(NotificationKind.FIRING, NOW, services, changes)


def resolved(*fired: Notification, at: datetime = NOW + timedelta(seconds=1)) -> Notification:
    changes = tuple(
        ServiceChange(
            each.services[0],
            Status.SUSPENDED,
            Status.OPERATIONAL,
            NOW,
            notified_statuses=(Status.SUSPENDED,),
            notified_in=(each.id,),
        )
        for each in fired
    )
    services = tuple(change.service for change in changes)
    return Notification(NotificationKind.RESOLVED, at, services, changes)


async def render(notification: Notification, _: ReceiverOptions) -> RenderedNotification:
    body = f"{notification.kind} {', '.join(notification.services)}"
    return RenderedNotification("服務", body, notification.severity)


def receivers(**options: object) -> Mapping[str, ReceiverOptions]:
    return AlertOptions.model_validate({"receivers": options}).receivers


async def test_each_receiver_gets_what_it_wants_in_order(world: World, listener: Listener) -> None:
    team = receivers(team={"url": listener.address, "services": [A]})
    await world.queue(team, firing(A, B), firing(B), resolved(firing(A)))

    async with world.sending(team):
        await world.until(lambda: world.counted("delivered") == 2)

    assert listener.received == ["firing sora-2", "resolved sora-2"]


async def test_a_notification_that_was_refused_is_delivered_after_a_restart(
    world: World, listener: Listener
) -> None:
    team = receivers(team={"url": listener.address})
    listener.is_away = True
    await world.queue(team, firing(A))
    async with world.sending(team):
        await world.until(lambda: listener.refused > 0)

    listener.is_away = False
    async with world.sending(receivers(team={"url": listener.address})):
        await world.until(lambda: bool(listener.received))

    assert listener.received == ["firing sora-2"]


async def test_a_receiver_that_fails_is_asked_more_and_more_rarely_and_gets_all_once_back(
    world: World, listener: Listener
) -> None:
    team = receivers(team={"url": listener.address})
    listener.is_away = True
    await world.queue(team, firing(A), firing(B))

    async with world.sending(team):
        await world.until(lambda: world.clock.now() > NOW + timedelta(hours=1), step=20)
        attempts, failed = listener.refused, world.counted("failed")
        listener.is_away = False
        await world.until(lambda: len(listener.received) == 2, step=20)

    assert 5 <= attempts <= 20
    assert failed == pytest.approx(attempts, abs=1)
    assert world.clock.now() < NOW + timedelta(hours=1, minutes=25)


async def test_one_notification_that_is_always_refused_holds_up_no_other(
    world: World, listener: Listener
) -> None:
    team = receivers(team={"url": listener.address})
    listener.refuses = f"firing {A}"
    await world.queue(team, firing(A), firing(B))

    async with world.sending(team):
        await world.until(lambda: bool(listener.received))

    assert listener.received == [f"firing {B}"]


async def test_an_unreachable_receiver_delays_no_other(world: World, listener: Listener) -> None:
    both = receivers(away={"url": f"json://127.0.0.1:9/{TOKEN}"}, team={"url": listener.address})
    await world.queue(both, firing(A))

    async with world.sending(both):
        await world.until(lambda: bool(listener.received))

    assert listener.received == [f"firing {A}"]


async def test_a_recovery_waits_for_the_notification_of_its_outage(
    world: World, listener: Listener
) -> None:
    team = receivers(team={"url": listener.address})
    listener.refuses = "firing"
    await world.queue(team, firing(A), resolved(firing(A)))

    async with world.sending(team):
        await world.until(lambda: listener.refused > 2)
        assert listener.received == []
        listener.refuses = "nothing"
        await world.until(lambda: len(listener.received) == 2, step=20)

    assert listener.received == ["firing sora-2", "resolved sora-2"]


async def test_an_outage_that_was_dropped_is_not_followed_by_its_recovery(
    world: World, listener: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    team = receivers(team={"url": listener.address})
    dropped, delivered = firing(A), firing(B)
    listener.refuses = f"firing {A}"
    await world.queue(team, dropped, delivered)

    async with world.sending(team):
        await world.until(lambda: bool(listener.received))
        await world.clock.advance(ALERT_RETRY_PERIOD)
        await world.until(lambda: world.counted("dropped") == 1)
        await world.queue(team, resolved(dropped, delivered, at=world.clock.now()))
        await world.until(lambda: len(listener.received) == 2)

    assert listener.received == [f"firing {B}", f"resolved {B}"]
    written = "".join(capfd.readouterr())
    assert "alerts.dropped" in written
    assert TOKEN not in written


async def test_trouble_that_was_taken_back_while_it_waited_is_not_sent_nor_its_correction(
    world: World, listener: Listener
) -> None:
    team = receivers(team={"url": listener.address})
    both = firing(A, B)
    correction = replace(
        resolved(firing(A)), kind=NotificationKind.RETRACTED, at=NOW + timedelta(seconds=3)
    )
    await world.queue(team, firing(A), both, correction, firing(B))
    await world.retract(A)

    with capture_logs() as logs:
        async with world.sending(team):
            await world.until(lambda: len(listener.received) == 2 and world.counted("dropped") == 2)

    assert listener.received == [f"firing {B}", f"firing {B}"]
    reasons = [each["reason"] for each in logs if each["event"] == "alerts.dropped"]
    assert reasons == ["retracted", "outage_not_delivered"]


async def test_what_waits_for_a_receiver_that_leaves_the_file_is_dropped(
    world: World, listener: Listener
) -> None:
    await world.queue(receivers(old={"url": listener.address}), firing(A))

    with capture_logs() as logs:
        async with world.sending({}):
            pass
        sender = NotificationSender(world.history, {}, world.clock, render, world.metrics)
        await asyncio.wait_for(sender.run(), 10)

    found = [(each["event"], each["receiver"], each["reason"]) for each in logs]
    assert ("alerts.dropped", "old", "receiver_removed") in found
    assert await world.history.outbox.backlog(ENDPOINT_PREFIX) == {}


async def test_waiting_notifications_are_counted(world: World, listener: Listener) -> None:
    team = receivers(team={"url": listener.address})
    listener.is_away = True
    await world.queue(team, firing(A), firing(B))

    def waiting() -> float | None:
        return world.registry.get_sample_value("tallylight_alerts_waiting", {"receiver": "team"})

    async with world.sending(team):
        await world.until(lambda: waiting() == 2)

    backlog = await world.history.outbox.backlog(ENDPOINT_PREFIX)
    assert (backlog["alert:team"].count, backlog["alert:team"].oldest) == (2, NOW)


async def test_what_a_delayed_receiver_would_be_told_too_late_is_not_sent_nor_its_recovery(
    world: World, listener: Listener
) -> None:
    late = receivers(team={"url": listener.address, "after": "30m"})
    await world.queue(late, firing(A), firing(B), resolved(firing(A)))

    async def over(told: Notification, options: ReceiverOptions) -> RenderedNotification | None:
        return None if A in told.services else await render(told, options)

    async with world.sending(late, over):
        await world.until(lambda: world.counted("dropped") == 2, step=30)
        await world.until(lambda: world.counted("delivered") == 1, step=30)

    assert listener.received == [f"firing {B}"]
    assert world.clock.now() >= NOW + timedelta(minutes=30)


async def test_trouble_that_is_over_after_quiet_hours_is_told_by_its_recovery(
    world: World, listener: Listener
) -> None:
    hours = {"start": "09:00", "end": "10:30"}
    team = receivers(team={"url": listener.address, "quiet_hours": hours})
    await world.queue(team, firing(A), resolved(firing(A)))

    async def over(told: Notification, options: ReceiverOptions) -> RenderedNotification | None:
        return None if told.kind is NotificationKind.FIRING else await render(told, options)

    async with world.sending(team, over):
        await world.until(lambda: bool(listener.received), step=30)

    assert listener.received == [f"resolved {A}"]
    assert world.clock.now() >= NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-11-20T13:59+00:00", "2026-11-20T13:59+00:00"),
        ("2026-11-20T14:00+00:00", "2026-11-20T23:30+00:00"),
        ("2026-11-20T22:00+00:00", "2026-11-20T23:30+00:00"),
        ("2026-11-20T23:30+00:00", "2026-11-20T23:30+00:00"),
    ],
)
def test_notifications_wait_for_the_end_of_quiet_hours(at: str, due: str) -> None:
    hours = {"start": "22:00", "end": "07:30"}
    team = receivers(team={"url": "json://x", "time_zone": "Asia/Taipei", "quiet_hours": hours})
    sent = replace(firing(A), at=datetime.fromisoformat(at))

    assert due_at(sent, team["team"]) == datetime.fromisoformat(due)


def test_pauses_grow_to_ten_minutes() -> None:
    pauses = [pause_after(number).total_seconds() for number in (1, 2, 3, 4, 5, 6, 99)]

    assert pauses == [5, 15, 45, 135, 405, 600, 600]
