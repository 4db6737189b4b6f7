"""Addresses that an upstream names are resolved, and asked for byte for byte."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.addresses import request_url, resolved_address
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.transport import Transport

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

TARGETS = [
    "/d/a%2fb%40c.mp4?Policy=eyJ7%2fQ__&Signature=Zk~q%2Bw%3d%3d&Key-Pair-Id=K2%3AX",
    "/bucket/it%27s%20a%28boat%29%21.mp4?e=1790000000&st=a%2db%5f",
    "/a/../b/./c//d.mp4",
    "/%7Efilms/%41.mp4?x=+&y=%2B&&=",
    "/f.mp4?",
    "/f.mp4?a={b}|'c'\"d\"",
    "/f;v=1,2.mp4?next=https://x.test/?a=b",
]


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("https://cdn.test/a.mp4", "https://cdn.test/a.mp4"),
        (" https://cdn.test/a.mp4?x=1#t=2 \n", "https://cdn.test/a.mp4?x=1"),
        ("//cdn.test/x.mp4", "https://cdn.test/x.mp4"),
        ("/files/a.mp4?t=%2f", "https://up.test/files/a.mp4?t=%2f"),
        ("v1/files/a.mp4", "https://up.test/api/v1/files/a.mp4"),
        ("./a.mp4", "https://up.test/api/a.mp4"),
        ("../files/a.mp4?x", "https://up.test/files/a.mp4?x"),
        ("?id=1", "https://up.test/api/v1?id=1"),
        ("", ""),
        ("#top", ""),
        ("ftp://cdn.test/a.mp4", ""),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("http:/a", ""),
        ("http://:80/a", ""),
        ("http://h:0/a", ""),
        ("http://h:99999/a", ""),
        ("http://[::1/a", ""),
    ],
)
def test_an_address_is_resolved_against_the_upstream(named: str, address: str) -> None:
    assert resolved_address(named, "https://up.test/api/v1") == address


def test_a_base_without_a_path_is_a_folder() -> None:
    assert resolved_address("files/a.mp4", "https://up.test") == "https://up.test/files/a.mp4"


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_of_an_address_is_never_rewritten(target: str) -> None:
    assert request_url(f"https://cdn.test{target}").raw_path_qs == target


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("http://h/my boat.mp4?q=a b", "/my%20boat.mp4?q=a%20b"),
        ("http://h/紙船.mp4?%2f", "/%E7%B4%99%E8%88%B9.mp4?%2f"),
        ("http://h/a\r\nX: y", "/a%0D%0AX:%20y"),
        ("http://h/\udce4", "/%E4"),  # a raw byte of a header
        ("http://h?x=1", "/?x=1"),
        ("http://h", "/"),
    ],
)
def test_only_what_no_target_can_hold_is_escaped(address: str, target: str) -> None:
    assert request_url(address).raw_path_qs == target


def test_hosts_keep_their_port_and_international_names_are_encoded() -> None:
    assert request_url("HTTP://H.test:8080/a").host_port_subcomponent == "h.test:8080"
    assert request_url("https://bücher.test/a").raw_host == "xn--bcher-kva.test"


@pytest.mark.parametrize("address", ["/a", "ftp://h/a", "http://", "http:///a"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"http|host"):
        request_url(address)


def _targets(received: list[bytes]) -> list[str]:
    return [request.split(b" ")[1].decode("ascii") for request in received]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("is_redirect", [False, True])
async def test_an_upstream_receives_the_target_as_it_was_named(  # noqa: PLR0913, PLR0917
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    target: str,
    is_redirect: bool,
) -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        moves = is_redirect and b" /moved " in request
        location = b"Location: " + target.encode() + b"#part\r\n" if moves else b""
        status = b"302 Found" if moves else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + location + b"Content-Length: 0\r\n\r\n")

    upstream = make_upstream(await serve(answer))
    origin = upstream.base_url.removesuffix("/v1")
    first = "/moved" if is_redirect else target

    reply = await transport.send(Request(Phase.CONTENT, "GET", origin + first), upstream)

    assert reply.status == 200
    assert _targets(received)[-1] == target


async def test_raw_bytes_of_a_redirect_stay_these_bytes(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    tmp_path: Path,
) -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        moved = b"HTTP/1.1 302 F\r\nLocation: /\xe4 \xc3\xbc.mp4?a=%e4\r\nContent-Length: 0\r\n\r\n"
        writer.write(moved if b"/content " in request else b"HTTP/1.1 204 N\r\n\r\n")

    upstream = make_upstream(await serve(answer))
    request = Request(Phase.CONTENT, "GET", f"{upstream.base_url}/content")

    await transport.download(request, upstream, tmp_path / "x", 1000)

    assert _targets(received)[-1] == "/%E4%20%C3%BC.mp4?a=%e4"


async def test_the_key_goes_to_the_origin_of_the_upstream_only(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    planted_key: str,
) -> None:
    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    upstream, other = make_upstream(await serve(empty)), await serve(empty)
    own = upstream.base_url
    disguised = own.replace("http://", f"http://{own.partition('://')[2].partition('/')[0]}@")
    disguised = disguised.replace(disguised.partition("@")[2], other.partition("://")[2])

    for address in (f"{own}/a", f"{other}/a", disguised):
        request = Request(Phase.CONTENT, "GET", address)
        await transport.send(request, upstream)

    assert [planted_key.encode() in each for each in received] == [True, False, False]
