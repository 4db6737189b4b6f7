"""The past of simulated status pages, stored for pages and reports."""

from collections.abc import Awaitable, Callable
from typing import Any

from tallylight.probes.page_claims import ClaimsReader
from tallylight.upstreams.feeds.claims import claims_name, load_claims

Start = Callable[..., Awaitable[Any]]


async def test_what_a_page_claims_is_stored(start: Start) -> None:
    for name in ("sora-2-official", "veo-3.1-reverse"):  # incident.io, Statuspage
        env = await start(name)
        upstream = env.services[name].upstream
        reader = ClaimsReader(env.board, env.transport, env.clock, env.history)

        await reader.read(upstream.feed, upstream)

        claims = load_claims(await env.history.component_state(claims_name(upstream.feed)))
        assert claims is not None
        assert claims.components
