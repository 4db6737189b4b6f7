"""The past of simulated status pages, stored for pages and reports."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tallylight.catalogue.services import Upstream
from tallylight.model.ids import ServiceId
from tallylight.probes.feed_detection import FeedDetector
from tallylight.probes.page_claims import ClaimsReader
from tallylight.upstreams.feeds.claims import claims_name, load_claims
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.transport import Transport
from tallylight.verdicts.options import PolicyOptions

Start = Callable[..., Awaitable[Any]]


@dataclass
class CountingSender:
    """Sends, and keeps what was asked for."""

    transport: Transport
    urls: list[str] = field(default_factory=list)

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        self.urls.append(request.url)
        return await self.transport.send(request, upstream)


async def test_what_a_page_claims_is_stored(start: Start) -> None:
    for name in ("sora-2-official", "veo-3.1-reverse"):  # incident.io, Statuspage
        env = await start(name)
        upstream = env.services[name].upstream
        reader = ClaimsReader(
            env.board,
            env.transport,
            env.clock,
            env.history,
            FeedDetector(env.transport, env.clock),
        )

        await reader.read(upstream.feed, upstream)

        claims = load_claims(await env.history.component_state(claims_name(upstream.feed)))
        assert claims is not None
        assert claims.components


async def test_a_page_is_read_once_whatever_components_its_services_name(start: Start) -> None:
    env = await start("sora-2-official")
    service = env.services["sora-2-official"]
    feed = replace(service.upstream.feed, component="Another")
    other = replace(service, id=ServiceId("other"), upstream=replace(service.upstream, feed=feed))
    await env.board.apply_config([service, other], PolicyOptions())
    sender = CountingSender(env.transport)
    reader = ClaimsReader(
        env.board, sender, env.clock, env.history, FeedDetector(sender, env.clock)
    )

    reading = asyncio.create_task(reader.run())
    while await env.history.component_state(claims_name(feed)) is None:
        await asyncio.to_thread(int)
    reading.cancel()
    await asyncio.wait([reading])

    assert len(sender.urls) == len(set(sender.urls)) > 0


async def test_a_page_without_a_format_is_read_once_that_was_found(start: Start) -> None:
    env = await start("sora-2-official")
    upstream = env.services["sora-2-official"].upstream
    feed = replace(upstream.feed, format="auto")
    detector = FeedDetector(env.transport, env.clock)
    reader = ClaimsReader(env.board, env.transport, env.clock, env.history, detector)

    await reader.read(feed, upstream)
    before = await env.history.component_state(claims_name(feed))
    await detector.resolve(feed, upstream)
    await reader.read(feed, upstream)

    assert before is None
    assert load_claims(await env.history.component_state(claims_name(feed))) is not None
