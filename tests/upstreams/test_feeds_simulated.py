"""The feed readers at the simulator's pages: two implementations of the formats, over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.services import Feed
from tallylight.clock import SystemClock
from tallylight.model.status import Status
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.upstreams.feeds.reader import FeedState
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.transport import Transport
from tests.builders import UPSTREAM
from tests.upstreams.one_page import one_page

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
OUTAGE = {"kind": "refuse", "sign": "overloaded"}
HALF = {"kind": "refuse", "sign": "overloaded", "share": 0.5}
MAINTENANCE = {"kind": "refuse", "sign": "maintenance"}


class Reader:
    """Polls one simulated page as the probes do, and records the HTTP statuses."""

    def __init__(
        self, world: Simulation, transport: Transport, format_: str, component: str
    ) -> None:
        self.feed = Feed(format_, world.feed_urls["page"], component)
        self.state = FeedState()
        self.statuses: list[int | None] = []
        self._transport = transport
        self._upstream = replace(UPSTREAM, base_url=world.base_url)

    async def read(self) -> Status | None:
        reader = FEED_READERS[self.feed.format]
        while True:
            replies = [
                await self._transport.send(request, self._upstream)
                for request in self.state.requests(reader, self.feed)
            ]
            self.statuses += [reply.status for reply in replies]
            self.state = self.state.apply_replies(reader, self.feed, replies, NOW)
            if not self.state.is_searching:
                return None if self.state.reading is None else self.state.reading.claimed_status


@asynccontextmanager
async def page(
    format_: str, component: str = "Video API", faults: tuple[Mapping[str, object], ...] = ()
) -> AsyncIterator[tuple[Simulation, Reader]]:
    scenario = one_page(format_, faults=faults)
    async with serve_simulation(scenario) as world, Transport(SystemClock()) as transport:
        yield world, Reader(world, transport, format_, component)


@pytest.mark.parametrize("format_", ["statuspage", "incident_io"])
@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (None, Status.OPERATIONAL),
        (OUTAGE, Status.SUSPENDED),
        (HALF, Status.DEGRADED),
        (MAINTENANCE, Status.MAINTENANCE),
    ],
)
async def test_a_simulated_page_is_read(
    format_: str, trouble: Mapping[str, object] | None, status: Status
) -> None:
    async with page(format_) as (world, reader):
        if trouble is not None:
            world.override_faults("video", (FAULT_ADAPTER.validate_python(trouble),))

        assert await reader.read() is status


@pytest.mark.parametrize("format_", FEED_READERS)
async def test_an_unchanged_page_is_not_sent_again(format_: str) -> None:
    async with page(format_) as (_, reader):
        first, second = await reader.read(), await reader.read()

    assert first is second is Status.OPERATIONAL
    count = len(reader.statuses) // 2
    assert reader.statuses == [200] * count + [304] * count


@pytest.mark.parametrize("format_", ["statuspage", "incident_io"])
async def test_another_components_outage_is_not_ours(format_: str) -> None:
    async with page(format_, component="website") as (world, reader):
        world.override_faults("video", (FAULT_ADAPTER.validate_python(OUTAGE),))

        assert await reader.read() is Status.OPERATIONAL


@pytest.mark.parametrize("surface", [1, 2])
async def test_the_other_apis_give_the_same_status(surface: int) -> None:
    async with page("incident_io") as (world, reader):
        world.override_faults("video", (FAULT_ADAPTER.validate_python(OUTAGE),))
        reader.state = FeedState(api_index=surface)

        assert await reader.read() is Status.SUSPENDED
        assert reader.state.api_index == surface


@pytest.mark.parametrize("format_", ["statuspage", "incident_io"])
@pytest.mark.parametrize("answer", ["html", "not_found", "error", "truncated_json"])
async def test_a_broken_page_is_unknown(format_: str, answer: str) -> None:
    async with page(format_, faults=({"from": 0, "response": answer},)) as (_, reader):
        assert await reader.read() is Status.UNKNOWN
