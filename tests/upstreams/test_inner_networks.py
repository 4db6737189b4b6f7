"""URLs that an upstream names do not lead into the operator's networks."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.networks import Network, common_network, network_of
from tallylight.upstreams.transport import Transport

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

INNER_WORDS = b"role iam-prod-writer"
PUBLIC_URL = "http://93.184.215.14/v1"  # never asked


def answer(
    body: bytes, status: bytes = b"200 OK", media_type: bytes = b"application/json"
) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (status, media_type, len(body)) + body


def moved(location: str) -> bytes:
    return f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


class Names(AbstractResolver):
    """Resolves the names of a test, and counts how often."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002  # the base class has it
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self._addresses:
            raise OSError(f"no such name: {host}")
        return [
            ResolveResult(
                hostname=host,
                host=self._addresses[host],
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=0,
            )
        ]

    async def close(self) -> None:
        """Close nothing."""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("93.184.215.14", Network.PUBLIC),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", Network.PUBLIC),
        ("198.18.0.7", Network.PUBLIC),
        ("10.1.2.3", Network.PRIVATE),
        ("172.31.255.255", Network.PRIVATE),
        ("192.168.1.1", Network.PRIVATE),
        ("100.64.0.1", Network.PRIVATE),
        ("fd00::1", Network.PRIVATE),
        ("224.0.0.1", Network.PRIVATE),
        ("240.0.0.1", Network.PRIVATE),
        ("255.255.255.255", Network.PRIVATE),
        ("169.254.169.254", Network.LINK_LOCAL),
        ("fe80::1%eth0", Network.LINK_LOCAL),
        ("127.0.0.1", Network.LOOPBACK),
        ("127.8.9.10", Network.LOOPBACK),
        ("0.0.0.0", Network.LOOPBACK),  # noqa: S104  # nothing is bound
        ("::", Network.LOOPBACK),
        ("::1", Network.LOOPBACK),
        ("::ffff:127.0.0.1", Network.LOOPBACK),
        ("::ffff:10.0.0.1", Network.PRIVATE),
        ("64:ff9b::a9fe:a9fe", Network.LINK_LOCAL),
        ("2002:0a00:0001::1", Network.PRIVATE),
    ],
)
def test_each_address_lies_in_one_network(address: str, network: Network) -> None:
    assert network_of(address) is network


def test_a_host_in_several_networks_counts_as_public() -> None:
    assert common_network(["10.0.0.1", "10.0.0.2"]) is Network.PRIVATE
    assert common_network(["10.0.0.1", "127.0.0.1"]) is Network.PUBLIC
    assert common_network([]) is Network.PUBLIC


def assert_refused(reply: Reply, received: list[bytes], count: int) -> None:
    assert len(received) == count
    assert (reply.status, reply.body) == (None, "")
    assert reply.error.startswith("InnerAddressError: ")
    failure = classify(reply)
    assert failure is not None
    assert failure.rule == "exception:redirects"


class TestRedirects:
    @pytest.mark.parametrize(
        "phase", [Phase.REACH, Phase.PROBE, Phase.POLL, Phase.LIST, Phase.FEED]
    )
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"])
    async def test_to_another_server_of_this_machine_are_not_followed(  # noqa: PLR0913, PLR0917
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
        host: str,
        phase: Phase,
    ) -> None:
        inner = URL(await serve(answer(INNER_WORDS))).port
        upstream = make_upstream(await serve(moved(f"http://{host}:{inner}/latest/meta-data")))
        request = Request(phase, "GET", f"{upstream.base_url}/x")

        assert_refused(await transport.send(request, upstream), received, 1)

    async def test_to_a_name_are_judged_by_the_address_that_is_connected_to(
        self, serve: Serve, make_upstream: MakeUpstream, received: list[bytes]
    ) -> None:
        inner = URL(await serve(answer(INNER_WORDS))).port
        upstream = make_upstream(await serve(moved(f"http://rebound.example:{inner}/")))
        request = Request(Phase.PROBE, "GET", f"{upstream.base_url}/x")

        async with Transport(SystemClock(), Names({"rebound.example": "127.0.0.1"})) as transport:
            assert_refused(await transport.send(request, upstream), received, 1)

    async def test_use_no_connection_of_an_upstream_that_may_lie_there(
        self, serve: Serve, make_upstream: MakeUpstream, received: list[bytes]
    ) -> None:
        async def keep_open(_: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(b"{}"))
            await writer.drain()
            await asyncio.Event().wait()

        port = URL(await serve(keep_open)).port
        own = make_upstream(f"http://inner.example:{port}/v1")
        other = make_upstream(await serve(moved(f"{own.base_url}/x")))

        async with Transport(SystemClock(), Names({"inner.example": "127.0.0.1"})) as transport:
            first = await transport.send(Request(Phase.PROBE, "GET", f"{own.base_url}/x"), own)
            second = await transport.send(Request(Phase.PROBE, "GET", f"{other.base_url}/x"), other)

        assert (first.status, first.body) == (200, "{}")
        assert_refused(second, received, 2)

    async def test_within_the_configured_origin_are_followed(
        self, serve: Serve, make_upstream: MakeUpstream, transport: Transport
    ) -> None:
        async def twice(request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(b"{}") if b"GET /end" in request else moved("/end"))

        upstream = make_upstream(await serve(twice))

        reply = await transport.send(Request(Phase.POLL, "GET", f"{upstream.base_url}/x"), upstream)

        assert (reply.status, reply.body) == (200, "{}")


class TestFiles:
    async def test_of_a_public_upstream_do_not_lie_on_this_machine(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        tmp_path: Path,
        received: list[bytes],
    ) -> None:
        inner = await serve(answer(b"film", media_type=b"video/mp4"))
        request, upstream = (
            Request(Phase.CONTENT, "GET", f"{inner}/1.mp4"),
            make_upstream(PUBLIC_URL),
        )

        saved = await transport.download(request, upstream, tmp_path / "1.mp4", 1000)
        async with transport.proxy(request, upstream) as forwarded:
            chunks = [chunk async for chunk in forwarded]

        assert_refused(saved, received, 0)
        assert_refused(forwarded.reply, received, 0)
        assert chunks == []

    @pytest.mark.parametrize(
        ("address", "is_followed"), [("127.0.0.1", True), ("93.184.215.14", False)]
    )
    async def test_may_lie_beside_an_upstream_whose_name_leads_there(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        tmp_path: Path,
        address: str,
        is_followed: bool,
    ) -> None:
        store = await serve(answer(b"film", media_type=b"video/mp4"))
        request, upstream = (
            Request(Phase.CONTENT, "GET", store),
            make_upstream("http://own.example/v1"),
        )

        async with Transport(SystemClock(), Names({"own.example": address})) as transport:
            reply = await transport.download(request, upstream, tmp_path / "1.mp4", 1000)

        assert (reply.status == 200) is is_followed

    @pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Broken"])
    async def test_beside_an_upstream_show_no_words_of_a_server_there(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        tmp_path: Path,
        status: bytes,
    ) -> None:
        inner = await serve(answer(INNER_WORDS, status))
        upstream = make_upstream(await serve(moved(inner)))
        request = Request(Phase.CONTENT, "GET", f"{upstream.base_url}/x")

        reply = await transport.download(request, upstream, tmp_path / "1.mp4", 1000)

        assert reply.status == int(status[:3])
        assert reply.body == ""
        assert "iam-prod-writer" not in str(reply)
