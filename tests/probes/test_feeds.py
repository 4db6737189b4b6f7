"""Status pages of the simulation, polled as evidence on all their services."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from structlog.testing import capture_logs

from tallylight.catalogue.services import Feed
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.probes.feed_detection import FeedDetector
from tallylight.probes.feeds import FeedPoller
from tallylight.simulator.scenario import FeedFault
from tallylight.storage.database import Storage
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.verdicts.options import PolicyOptions
from tests.builders import UPSTREAM

Start = Callable[..., Awaitable[Any]]

SORA, PRO, RELAY = "sora-2-official", "sora-2-pro-official", "veo-3.1-reverse"
OUTAGE = {"kind": "refuse", "sign": "overloaded"}


class Counting:
    """Sends requests and records the status of each response."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.statuses: list[int | None] = []

    async def send(self, request: Request, upstream: Any) -> Reply:
        reply: Reply = await self._sender.send(request, upstream)
        self.statuses.append(reply.status)
        return reply


async def reported(history: Storage, name: str) -> list[Status | None]:
    await history.flush()
    pieces = await history.evidence(ServiceId(name))
    return [piece.claimed_status for piece in reversed(pieces) if piece.source is Source.FEED]


async def read(env: Any, feeds: FeedPoller, *names: str) -> None:
    services = [env.services[name] for name in names]
    await feeds.poll(services[0].upstream.feed, services)


async def test_a_page_is_reported_for_all_its_services_and_only_when_it_changes(
    start: Start,
) -> None:
    env = await start(SORA, PRO)
    sender = Counting(env.transport)
    feeds = FeedPoller(env.board, sender, env.clock, FeedDetector(sender, env.clock))

    for _ in range(3):
        await read(env, feeds, SORA, PRO)
    env.set_faults(SORA, OUTAGE)
    for _ in range(3):
        await read(env, feeds, SORA, PRO)

    first, second = [await reported(env.history, name) for name in (SORA, PRO)]
    assert first == second
    assert first[0] is Status.OPERATIONAL
    assert len(first) >= 2
    assert all(before is not after for before, after in pairwise(first))
    assert sender.statuses.count(304) >= 2


async def test_a_feed_alone_never_takes_down_a_service_that_delivers(start: Start) -> None:
    env = await start(SORA)
    await env.generate(SORA)
    env.set_faults(SORA, {"kind": "false_report"})

    await read(env, env.feeds, SORA)

    assert (
        env.board.latest_evidence(ServiceId(SORA), Source.FEED).claimed_status is Status.SUSPENDED
    )
    assert env.board.verdict(ServiceId(SORA)).status is Status.OPERATIONAL


async def test_a_page_that_turns_to_html_is_unknown_until_it_recovers(start: Start) -> None:
    env = await start(RELAY)
    page = env.world.scenario.feeds["relay-b"]
    await read(env, env.feeds, RELAY)

    broken = page.model_copy(update={"faults": (FeedFault(response="html"),)})
    env.world.scenario = env.world.scenario.model_copy(
        update={"feeds": {**env.world.scenario.feeds, "relay-b": broken}}
    )
    with capture_logs() as logs:
        for _ in range(4):
            await read(env, env.feeds, RELAY)
    verdict = env.board.verdict(ServiceId(RELAY))
    env.world.scenario = env.world.scenario.model_copy(
        update={"feeds": {**env.world.scenario.feeds, "relay-b": page}}
    )
    for _ in range(4):
        await read(env, env.feeds, RELAY)

    assert [log["event"] for log in logs if log["event"].startswith("feed.")] == ["feed.unreadable"]
    assert verdict.status is Status.UNKNOWN
    said = await reported(env.history, RELAY)
    assert said == [Status.OPERATIONAL, Status.UNKNOWN, Status.OPERATIONAL]


async def test_an_incident_that_continues_over_a_restart_is_reported_once(start: Start) -> None:
    env = await start(RELAY)
    env.set_faults(RELAY, OUTAGE)
    await read(env, env.feeds, RELAY)
    await env.board.save_snapshots()
    board = (await env.restart()).board

    again = FeedPoller(board, env.transport, env.clock, FeedDetector(env.transport, env.clock))
    await read(env, again, RELAY)

    assert await reported(env.history, RELAY) == [Status.SUSPENDED]
    assert board.state(ServiceId(RELAY)) == env.board.state(ServiceId(RELAY))


async def test_a_removed_service_is_skipped(start: Start) -> None:
    env = await start(SORA, PRO)
    await env.board.apply_config([env.services[PRO]], PolicyOptions())

    await read(env, env.feeds, SORA, PRO)

    assert await reported(env.history, SORA) == []
    assert await reported(env.history, PRO) == [Status.OPERATIONAL]


async def test_no_page_is_polled_while_our_own_network_is_down(start: Start) -> None:
    env = await start(SORA, RELAY)
    for name in (SORA, RELAY, SORA, RELAY, SORA):  # the first alone has no witness
        service = env.services[name]
        gone = await env.transport.send(
            Request(Phase.REACH, "GET", "http://127.0.0.1:1/v1/models"), service.upstream
        )
        failure = classify(gone)
        piece = Evidence(service.id, env.clock.now(), Source.REACH, failure=failure)
        await env.board.report(piece)
    sender = Counting(env.transport)

    await read(env, FeedPoller(env.board, sender, env.clock, FeedDetector(sender, env.clock)), SORA)

    assert env.board.network_is_down
    assert sender.statuses == []


async def test_a_page_without_a_format_is_searched_once(start: Start) -> None:
    env = await start(SORA)
    upstream = env.services[SORA].upstream
    feed = replace(upstream.feed, format="auto")
    services = [replace(env.services[SORA], upstream=replace(upstream, feed=feed))]
    sender = Counting(env.transport)
    feeds = FeedPoller(env.board, sender, env.clock, FeedDetector(sender, env.clock))

    await feeds.poll(feed, services)
    searched = len(sender.statuses)
    await feeds.poll(feed, services)

    assert sender.statuses[searched:] == [304, 304]
    assert await reported(env.history, SORA) == [Status.OPERATIONAL]


class Moving:
    """Sends every request to the page at `target` instead of the one that it names."""

    def __init__(self, sender: Any, target: str) -> None:
        self.target = target
        self._sender = sender

    async def send(self, request: Request, upstream: Any) -> Reply:
        url = request.url.replace("https://status.example.com", self.target)
        reply: Reply = await self._sender.send(replace(request, url=url), upstream)
        return reply


async def test_a_page_that_has_moved_to_another_format_is_found_again(start: Start) -> None:
    env = await start(SORA, RELAY)  # incident.io, Statuspage
    first, second = (env.services[name].upstream.feed.url for name in (SORA, RELAY))
    feed = Feed("auto", "https://status.example.com")
    services = [replace(env.services[SORA], upstream=replace(UPSTREAM, feed=feed))]
    sender, clock = Moving(env.transport, first), VirtualClock(env.clock.now())
    detector = FeedDetector(sender, clock)
    feeds = FeedPoller(env.board, sender, env.clock, detector)

    formats = []
    for target in (first, f"{first}/nowhere", second, second):
        sender.target = target
        await feeds.poll(feed, services)
        await clock.advance(timedelta(hours=1))
        formats.append(getattr(detector.known(feed), "format", None))

    assert formats == ["incident_io", "incident_io", "statuspage", "statuspage"]
    assert await reported(env.history, SORA) == [
        Status.OPERATIONAL,
        Status.UNKNOWN,
        Status.OPERATIONAL,
    ]
