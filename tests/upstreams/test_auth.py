"""Requests are signed by the transport, in the way of the protocol."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.auth import BEARER, HeaderAuth, SchemeAuth, Wire
from tallylight.upstreams.messages import Phase, Request, get
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS, auth_for
from tallylight.upstreams.transport import Transport

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_a_key_goes_after_the_word_of_the_protocol() -> None:
    wire = Wire("GET", "https://api.example.com/models")

    assert BEARER.headers(wire, "sk-1", 0) == {"Authorization": "Bearer sk-1"}
    assert SchemeAuth("Key").headers(wire, "a:b", 0) == {"Authorization": "Key a:b"}
    assert HeaderAuth("api-key").headers(wire, "sk-1", 0) == {"api-key": "sk-1"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_says_how_its_requests_are_signed(
    make_upstream: MakeUpstream, protocol: str
) -> None:
    upstream = make_upstream(protocol=protocol)
    site = Site(upstream.base_url, upstream.dialect)

    assert auth_for(upstream) == PROTOCOLS[protocol].auth(site)


@pytest.mark.parametrize("url", ["/models", "{base}/models"])
async def test_a_request_is_signed_whether_it_names_a_path_or_an_address(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    url: str,
) -> None:
    upstream = make_upstream(await serve(EMPTY))
    request = get(Phase.PROBE, url.replace("{base}", upstream.base_url))

    await transport.send(request, upstream)
    await transport.send(replace(request, is_signed=False), upstream)
    await transport.send(request, make_upstream(upstream.base_url, key=None))

    assert [b"GET /v1/models " in head for head in received] == [True, True, True]
    assert [b"Authorization: Bearer sk-planted" in head for head in received] == [
        True,
        False,
        False,
    ]


async def test_a_status_feed_never_gets_the_key(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    planted_key: str,
) -> None:
    upstream, page = make_upstream(await serve(EMPTY)), await serve(EMPTY)

    for url in (f"{page}/summary.json", f"{upstream.base_url}/summary.json"):
        await transport.send(Request(Phase.FEED, "GET", url), upstream)

    assert [planted_key.encode() in head for head in received] == [False, False]


async def test_a_request_has_a_number_that_no_other_has_where_the_protocol_wants_one(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, received: list[bytes]
) -> None:
    definition = next(
        each
        for each in PROTOCOLS.values()
        if isinstance(auth := each.auth(Site("http://127.0.0.1:9", each.dialects[0])), HeaderAuth)
        and auth.nonce_name
    )
    upstream = make_upstream(await serve(EMPTY), protocol=definition.name)

    for _ in range(2):
        await transport.send(get(Phase.PROBE, "/models"), upstream)

    auth = definition.auth(Site(upstream.base_url, definition.dialects[0]))
    assert isinstance(auth, HeaderAuth)
    heads = [each.decode().splitlines() for each in received]
    prefix = f"{auth.nonce_name}: "
    numbers = {line for head in heads for line in head if line.startswith(prefix)}
    assert len(numbers) == 2
    assert all(UUID(each.removeprefix(prefix)) for each in numbers)
