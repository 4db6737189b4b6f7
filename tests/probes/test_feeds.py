"""Status pages of the simulated world, read as evidence of all services behind them."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.probes.feeds import FeedPoller
from tallylight.simulator.scenario import FeedFault
from tallylight.storage.database import Storage
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.verdicts.options import PolicyOptions

Start = Callable[..., Awaitable[Any]]

SORA, PRO, RELAY = "sora-2-official", "sora-2-pro-official", "veo-3.1-reverse"
OUTAGE = {"kind": "refuse", "sign": "overloaded"}


class Counting:
    """Sends, and remembers with which status it was answered."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender
        self.statuses: list[int | None] = []

    async def send(self, request: Request, upstream: Any) -> Reply:
        reply: Reply = await self._sender.send(request, upstream)
        self.statuses.append(reply.status)
        return reply


async def told(history: Storage, name: str) -> list[Status | None]:
    await history.flush()
    pieces = await history.evidence(ServiceId(name))
    return [piece.claimed_status for piece in reversed(pieces) if piece.source is Source.FEED]


async def read(house: Any, feeds: FeedPoller, *names: str) -> None:
    services = [house.services[name] for name in names]
    await feeds.poll(services[0].upstream.feed, services)


async def test_a_page_counts_for_all_its_services_and_only_at_its_changes(start: Start) -> None:
    house = await start(SORA, PRO)
    sender = Counting(house.transport)
    feeds = FeedPoller(house.board, sender, house.clock)

    for _ in range(3):
        await read(house, feeds, SORA, PRO)
    house.trouble(SORA, OUTAGE)
    for _ in range(3):
        await read(house, feeds, SORA, PRO)

    first, second = [await told(house.history, name) for name in (SORA, PRO)]
    assert first == second
    assert first[0] is Status.OPERATIONAL
    assert len(first) >= 2
    assert all(before is not after for before, after in pairwise(first))
    assert sender.statuses.count(304) >= 2


async def test_a_feed_alone_never_takes_down_a_service_that_delivers(start: Start) -> None:
    house = await start(SORA)
    await house.generate(SORA)
    house.trouble(SORA, {"kind": "false_report"})

    await read(house, house.feeds, SORA)

    assert house.board.newest(ServiceId(SORA), Source.FEED).says is Status.SUSPENDED
    assert house.board.verdict(ServiceId(SORA)).status is Status.OPERATIONAL


async def test_a_page_that_turns_to_html_is_unknown_until_it_recovers(start: Start) -> None:
    house = await start(RELAY)
    page = house.world.scenario.feeds["relay-b"]
    await read(house, house.feeds, RELAY)

    broken = page.model_copy(update={"faults": (FeedFault(response="html"),)})
    house.world.scenario = house.world.scenario.model_copy(
        update={"feeds": {**house.world.scenario.feeds, "relay-b": broken}}
    )
    for _ in range(4):
        await read(house, house.feeds, RELAY)
    verdict = house.board.verdict(ServiceId(RELAY))
    house.world.scenario = house.world.scenario.model_copy(
        update={"feeds": {**house.world.scenario.feeds, "relay-b": page}}
    )
    for _ in range(4):
        await read(house, house.feeds, RELAY)

    assert verdict.status is Status.UNKNOWN
    said = await told(house.history, RELAY)
    assert said == [Status.OPERATIONAL, Status.UNKNOWN, Status.OPERATIONAL]


async def test_an_incident_that_goes_on_over_a_restart_is_told_once(start: Start) -> None:
    house = await start(RELAY)
    house.trouble(RELAY, OUTAGE)
    await read(house, house.feeds, RELAY)
    await house.board.save()
    board, _ = await house.restarted()

    again = FeedPoller(board, house.transport, house.clock)
    await read(house, again, RELAY)

    assert await told(house.history, RELAY) == [Status.SUSPENDED]
    assert board.standing(ServiceId(RELAY)) == house.board.standing(ServiceId(RELAY))


async def test_a_service_that_has_left_the_catalogue_is_passed_over(start: Start) -> None:
    house = await start(SORA, PRO)
    await house.board.seat([house.services[PRO]], PolicyOptions())

    await read(house, house.feeds, SORA, PRO)

    assert await told(house.history, SORA) == []
    assert await told(house.history, PRO) == [Status.OPERATIONAL]


async def test_while_our_own_network_is_away_no_page_is_asked(start: Start) -> None:
    house = await start(SORA, RELAY)
    for name in (SORA, RELAY):
        service = house.services[name]
        gone = await house.transport.send(
            Request(Phase.REACH, "GET", "http://127.0.0.1:1/v1/models"), service.upstream
        )
        failure = classify(gone)
        piece = Evidence(service.id, house.clock.now(), Source.REACH, failure=failure)
        await house.board.report(piece)
    sender = Counting(house.transport)

    await read(house, FeedPoller(house.board, sender, house.clock), SORA)

    assert house.board.network_is_down
    assert sender.statuses == []
