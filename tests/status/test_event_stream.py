"""The event stream: it sends every transition and never delays the server's stop."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest
from starlette.applications import Starlette

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Transition, Verdict
from tallylight.status.application import close_streams
from tallylight.status.event_stream import EventBroadcaster

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]
SetVerdict = Callable[[Verdict], Transition]

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
SUSPENDED = Verdict(
    ServiceId("image"), Status.SUSPENDED, NOW, 0.97, (Reason(ReasonCode.JOBS_FAILING, NOW),)
)


def broadcaster_of(app: Starlette) -> EventBroadcaster:
    broadcaster = app.state.broadcaster
    assert isinstance(broadcaster, EventBroadcaster)
    return broadcaster


@pytest.fixture
async def stream(base: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Open a stream and read its first event."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(base + "/api/events?lang=zh-Hant") as reply,
    ):
        assert await event(reply) == ("hello", {})
        yield reply


async def event(stream: aiohttp.ClientResponse) -> tuple[str, object]:
    name, data = "", ""
    async with asyncio.timeout(10):
        while line := (await stream.content.readline()).decode().strip():
            field, _, value = line.partition(": ")
            name, data = (value, data) if field == "event" else (name, value)
            if field == "data":
                data = value
            if field == "retry":
                data = "{}"
    return name, json.loads(data)


async def test_a_transition_is_sent_as_an_event(
    stream: aiohttp.ClientResponse, set_verdict: SetVerdict
) -> None:
    set_verdict(SUSPENDED)

    assert await event(stream) == (
        "verdict",
        {
            "id": "image",
            "name": "Sora Image",
            "status": "suspended",
            "lamp": "🔴",
            "word": "暫停",
            "before": "operational",
            "since": "2026-01-28T14:00:00+00:00",
            "reasons": ["自 1月28日 14:00 UTC 起任務一直失敗。"],
        },
    )


async def test_a_transition_shows_in_uptimes_without_delay(
    stream: aiohttp.ClientResponse, get: Get, record_verdict: Callable[..., Awaitable[None]]
) -> None:
    await (await get("/api/uptime?window=1h")).json()
    earlier = NOW.replace(hour=13, minute=30)
    await record_verdict(replace(SUSPENDED, since=earlier))
    await event(stream)

    hour = await (await get("/api/uptime?window=1h")).json()

    image = next(each for each in hour if each["id"] == "image")
    assert image["seconds"] == {"operational": 1800, "suspended": 1800}


async def test_a_stopping_server_ends_its_streams(
    stream: aiohttp.ClientResponse, app: Starlette, get: Get
) -> None:
    close_streams(app)

    async with asyncio.timeout(10):
        assert await stream.content.read() == b""
    assert (await get("/api/events")).status == 503


async def test_too_many_clients_are_refused(
    base: str, app: Starlette, stream: aiohttp.ClientResponse
) -> None:
    broadcaster = broadcaster_of(app)
    broadcaster._max_clients = broadcaster.clients

    async with aiohttp.ClientSession() as client, client.get(base + "/api/events") as reply:
        assert reply.status == 503
        assert reply.headers["Retry-After"] == "30"
    assert stream.status == 200


async def test_a_slow_client_loses_only_the_oldest_events(
    app: Starlette, set_verdict: SetVerdict
) -> None:
    subscribers = broadcaster_of(app)._subscribers

    async with subscribers.subscribe() as queue:
        for number in range(150):
            subscribers.publish(set_verdict(replace(SUSPENDED, confidence=number / 150)))
        oldest = queue.get_nowait()

    assert oldest is not None
    assert oldest.after.confidence == 50 / 150


async def test_evidence_is_counted_for_the_metrics(
    stream: aiohttp.ClientResponse,
    get: Get,
    add_evidence: Callable[[Evidence], None],
    set_verdict: SetVerdict,
) -> None:
    add_evidence(Evidence(ServiceId("image"), NOW, Source.REACH))
    add_evidence(Evidence(ServiceId("image"), NOW, Source.REACH))
    set_verdict(SUSPENDED)
    await event(stream)  # events come in order, so both are counted

    metrics = await (await get("/metrics")).text()

    line = 'tallylight_evidence_total{outcome="good",service="image",source="reach"} 2.0'
    assert line in metrics
    assert "tallylight_listeners 1.0" in metrics
