"""Idle and half-sent connections end, and do not keep others out."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tallylight.app import connections
from tallylight.app.connections import ConnectionRegistry, bounded_protocol

HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

Open = Callable[[], "asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"]


async def read_whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer once the body has come."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Return the port of a server with room for four connections, three of a client."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_BODY_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_CHECK_SECONDS", 0.1)
    registry = ConnectionRegistry(4, 3)
    config = uvicorn.Config(
        read_whole, port=0, log_config=None, lifespan="off", http=bounded_protocol(registry)
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.force_exit = True
    await server.shutdown()


async def opened(port: int, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        HALF_A_BODY,
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_what_is_half_sent_ends(port: int, sent: bytes) -> None:
    reader, writer = await opened(port, sent)

    async with asyncio.timeout(30):
        try:
            rest = await reader.read()
        except ConnectionError:  # reset, as half a body is
            rest = b""

    writer.close()
    assert rest == b""


async def test_half_a_second_head_ends_too(port: int) -> None:
    reader, writer = await opened(port, HEAD)
    await reader.readuntil(b"ok")
    writer.write(b"GET / HT")

    async with asyncio.timeout(30):
        rest = await reader.read()

    writer.close()
    assert b"HTTP/1.1" not in rest


@pytest.mark.parametrize("sent", [b"GET / HT", HALF_A_BODY], ids=["half a head", "half a body"])
async def test_whoever_has_waited_longest_makes_room(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "_BODY_SECONDS", 60)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60)
    held = [await opened(port, sent) for _ in range(3)]
    reader, writer = await opened(port, HEAD)

    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"ok")
        first = await held[0][0].read()

    for _, each in [*held, (reader, writer)]:
        each.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert first == b""


async def test_a_client_that_has_sent_lately_keeps_its_place(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_BODY_SECONDS", 60)
    held = [await opened(port, HALF_A_BODY) for _ in range(3)]
    held[0][1].write(b"def")
    await held[0][1].drain()
    reader, writer = await opened(port, HEAD)

    async with asyncio.timeout(30):
        await reader.readuntil(b"ok")
        ended = await held[1][0].read()
        held[0][1].write(b"ghi")
        answer = await held[0][0].readuntil(b"ok")

    for _, each in [*held, (reader, writer)]:
        each.close()
    assert ended == b""
    assert answer.startswith(b"HTTP/1.1 200")
