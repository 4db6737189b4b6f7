"""Webhooks are delivered to a real receiver, which verifies their signatures."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks import Webhook

from tallylight.clock import SystemClock, VirtualClock
from tallylight.gateway.webhooks.options import WebhookEndpoints, WebhookOptions
from tallylight.gateway.webhooks.sender import WebhookSender
from tallylight.model.outbox import OutboxMessage
from tallylight.storage.database import Storage, open_storage
from tests.servers import serving
from tests.storage.writes import store_messages

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class PlannedResponse:
    """A response of the receiver."""

    status: int = 204
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Receiver:
    """An external endpoint that records the webhooks it receives."""

    url: str = ""
    responses: list[PlannedResponse] = field(default_factory=list)  # one per attempt; then success
    ids: list[str] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    is_silent: bool = False
    never: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        """Verify a webhook and respond."""
        body = await request.text()
        self.bodies.append(Webhook(SECRET).verify(body, dict(request.headers)))
        self.ids.append(request.headers["webhook-id"])
        self.times.append(int(request.headers["webhook-timestamp"]))
        self.arrived.set()
        if self.is_silent:
            await self.never.wait()
        response = self.responses.pop(0) if self.responses else PlannedResponse()
        return web.Response(status=response.status, text=response.text, headers=response.headers)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook/{token}", receiver.receive)
    async with serving(application, shutdown_timeout=0.1) as host:
        receiver.url = f"http://{host}/hook/token-of-ours"
        yield receiver
        receiver.never.set()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def clock() -> VirtualClock:
    """Return a clock that starts now: receivers refuse other signature times."""
    return VirtualClock(SystemClock().now())


def endpoints(**urls: str) -> WebhookEndpoints:
    return {
        name: WebhookOptions.model_validate({"url": url, "secret": SECRET})
        for name, url in urls.items()
    }


@asynccontextmanager
async def delivering(
    history: Storage,
    webhooks: WebhookEndpoints,
    clock: VirtualClock,
    *,
    patience: timedelta = 30 * SECOND,
) -> AsyncIterator[list[WebhookEndpoints]]:
    # Sockets wait by the real clock: a busy machine must not look like a slow endpoint.
    configured = [webhooks]
    sender = WebhookSender(
        history.outbox, lambda: configured[0], clock, lambda: 0.5, timeout=patience
    )
    task = asyncio.create_task(sender.run())
    try:
        yield configured
    finally:
        task.cancel()


async def store_webhooks(history: Storage, *endpoints: str, count: int = 1) -> None:
    """Store webhooks that are due now."""
    now = history.clock.now()
    notices = [
        OutboxMessage(f"msg_{name}_{number}", name, "video_1", f'{{"number":{number}}}', now)
        for name in endpoints
        for number in range(count)
    ]
    await store_messages(history, *notices)


async def outcomes(history: Storage) -> list[str]:
    """Return the state of each webhook: "due", "sent" or "lost", and its latest response."""
    async with history.outbox._connections.read_transaction() as connection:
        query = text("SELECT due_at_us, delivered_at_us, response FROM outbox ORDER BY id")
        found = (await connection.execute(query)).all()
    state = {(False, True): "due", (True, False): "sent", (True, True): "lost"}
    return [f"{state[row[0] is None, row[1] is None]} {row[2]}" for row in found]


async def until(
    condition: Callable[[], Awaitable[bool]], clock: VirtualClock, tasks: int = 3
) -> None:
    """Advance time until a condition holds, but only while all tasks of the senders sleep.

    Each has one for every endpoint, one that cleans up, and one that reads the configuration.
    """
    async with asyncio.timeout(60):  # of real time, for sockets and databases
        while not await condition():
            if len(clock._sleepers) >= tasks:
                await clock.advance(SECOND)
            await asyncio.to_thread(lambda: None)


async def until_outcomes(
    history: Storage, clock: VirtualClock, *wanted: str, tasks: int = 3
) -> None:
    """Wait until the outbox has these states of its webhooks."""

    async def has_outcomes() -> bool:
        return await outcomes(history) == list(wanted)

    await until(has_outcomes, clock, tasks)


async def test_a_webhook_arrives_signed(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    await store_webhooks(history, "billing")

    async with delivering(history, endpoints(billing=receiver.url), clock):
        await until_outcomes(history, clock, "sent 204")

    assert receiver.ids == ["msg_billing_0"]
    assert receiver.bodies == [{"number": 0}]


async def test_a_refused_webhook_is_retried_under_the_same_id(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    receiver.responses = [
        PlannedResponse(500, "down"),
        PlannedResponse(404),
        PlannedResponse(302, headers={"location": "/x"}),
    ]
    await store_webhooks(history, "billing")

    async with delivering(history, endpoints(billing=receiver.url), clock):
        await until_outcomes(history, clock, "sent 204")

    assert receiver.ids == ["msg_billing_0"] * 4
    pauses = [after - before for before, after in pairwise(receiver.times)]
    assert pauses == [pytest.approx(5, abs=1), pytest.approx(15, abs=1), pytest.approx(45, abs=1)]


async def test_a_redirect_is_not_followed(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    async with running_receiver() as elsewhere:
        receiver.responses = [PlannedResponse(307, headers={"location": elsewhere.url})] * 100
        await store_webhooks(history, "billing")

        async with delivering(history, endpoints(billing=receiver.url), clock):
            await until_outcomes(history, clock, "due 307")

        assert elsewhere.ids == []


async def test_a_receivers_retry_after_is_obeyed(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    receiver.responses = [PlannedResponse(429, headers={"retry-after": "200"})]
    await store_webhooks(history, "billing")

    async with delivering(history, endpoints(billing=receiver.url), clock):
        await until_outcomes(history, clock, "sent 204")

    assert 200 <= receiver.times[1] - receiver.times[0] <= 202


async def test_a_gone_receiver_is_not_called_again(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    receiver.responses = [PlannedResponse(410, "no longer")]
    await store_webhooks(history, "billing")

    async with delivering(history, endpoints(billing=receiver.url), clock) as configured:
        await until_outcomes(history, clock, "lost 410 no longer")
        await store_webhooks(history, "billing", count=3)
        await until_outcomes(
            history,
            clock,
            "lost 410 no longer",
            "lost 410 in an earlier attempt",
            "lost 410 in an earlier attempt",
        )
        assert len(receiver.ids) == 1

        configured[0] = endpoints(
            billing=receiver.url
        )  # as an operator would after reading the log
        await store_webhooks(history, "billing", count=4)
        await until(lambda: _is(len(receiver.ids) == 2), clock)


async def _is(value: bool) -> bool:
    return value


async def test_an_undeliverable_webhook_is_given_up_after_three_days(
    history: Storage, clock: VirtualClock
) -> None:
    await store_webhooks(history, "billing", "removed")
    await clock.advance(73 * HOUR)

    async with delivering(history, endpoints(billing="http://127.0.0.1:9/hook"), clock):
        await until_outcomes(history, clock, "lost ClientConnectorError", "due ")
        await clock.advance(2 * HOUR)
        await until_outcomes(history, clock, "lost ClientConnectorError", "lost no such endpoint")


async def test_a_silent_receiver_delays_no_other(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    receiver.is_silent = True
    async with running_receiver() as other:
        await store_webhooks(history, "slow", "well", count=2)

        webhooks = endpoints(slow=receiver.url, well=other.url)
        async with delivering(history, webhooks, clock, patience=2 * SECOND):
            await until_outcomes(
                history,
                clock,
                *("due TimeoutError", "due TimeoutError", "sent 204", "sent 204"),
                tasks=4,
            )


async def test_a_receivers_response_is_stored_short_and_redacted(
    history: Storage, receiver: Receiver, clock: VirtualClock
) -> None:
    text = f"{SECRET} at {receiver.url}\n<b>" + "long " * 9000
    receiver.responses = [PlannedResponse(500, text)] * 100
    await store_webhooks(history, "billing")

    async with delivering(history, endpoints(billing=receiver.url), clock):
        await until(lambda: _starts_with(history, "due 500"), clock)
        (answer,) = await outcomes(history)

    assert len(answer) < 320
    assert "\n" not in answer
    assert SECRET[6:] not in answer
    assert "token-of-ours" not in answer


async def _starts_with(history: Storage, start: str) -> bool:
    return (await outcomes(history))[0].startswith(start)


async def test_two_processes_deliver_each_webhook_once(
    address: str, receiver: Receiver, clock: VirtualClock
) -> None:
    async with open_storage(address, clock) as one, open_storage(address, clock) as two:
        await store_webhooks(one, "billing", count=150)

        webhooks = endpoints(billing=receiver.url)
        async with delivering(one, webhooks, clock), delivering(two, webhooks, clock):
            await until_outcomes(one, clock, *["sent 204"] * 150, tasks=6)

    assert len(receiver.ids) == len(set(receiver.ids)) == 150


_CHILD = """
import asyncio, sys
from tallylight.clock import SystemClock
from tallylight.gateway.webhooks.sender import WebhookSender
from tallylight.gateway.webhooks.options import WebhookOptions
from tallylight.storage.database import open_storage

async def main(address, url, secret):
    endpoints = {"billing": WebhookOptions.model_validate({"url": url, "secret": secret})}
    async with open_storage(address, SystemClock()) as history:
        await WebhookSender(history.outbox, lambda: endpoints, SystemClock(), lambda: 0.5).run()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_killed_between_claim_and_delivery_loses_nothing(
    history: Storage, address: str, receiver: Receiver, clock: VirtualClock
) -> None:
    receiver.is_silent = True
    await store_webhooks(history, "billing")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, address, receiver.url, SECRET
    )
    async with asyncio.timeout(30):
        await receiver.arrived.wait()
    child.send_signal(signal.SIGKILL)
    await child.wait()
    assert await outcomes(history) == ["due "]

    receiver.is_silent = False
    async with delivering(history, endpoints(billing=receiver.url), clock):
        await until_outcomes(history, clock, "sent 204")

    assert receiver.ids == ["msg_billing_0"] * 2  # by which the receiver recognises the repetition
    assert 60 <= receiver.times[1] - receiver.times[0] <= 70
