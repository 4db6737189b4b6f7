"""The transport tells what time other machines say that it is."""

from collections.abc import Awaitable, Callable

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.transport import Transport
from tests.upstreams.test_inner_networks import Names

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

ANSWER = b"HTTP/1.1 404 N\r\nDate: Tue, 01 Dec 2026 10:15:41 GMT\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("host", ["api.example.com", "127.0.0.1", "localhost"])
async def test_the_date_of_any_answer_is_told_with_the_host_unless_it_has_our_own_clock(
    serve: Serve, make_upstream: MakeUpstream, host: str
) -> None:
    upstream = make_upstream((await serve(ANSWER)).replace("127.0.0.1", host))
    told: list[tuple[str, str]] = []
    names = Names({"api.example.com": "127.0.0.1", "localhost": "127.0.0.1"})

    async with Transport(
        SystemClock(), names, on_date=lambda host, date: told.append((host, date))
    ) as transport:
        reply = await transport.send(Request(Phase.LIST, "GET", "/models"), upstream)

    assert reply.status == 404
    hosts = [(host.partition(":")[0], date) for host, date in told]
    name = host if host == "api.example.com" else ""
    assert hosts == [(name, "Tue, 01 Dec 2026 10:15:41 GMT")]
