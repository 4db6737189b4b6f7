import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.order import Input
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Accepted
from tallylight.upstreams.transport import Transport
from tests.builders import order_of
from tests.upstreams.flows import poll_request, read_create, submitted

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]
Answer = Callable[[int], bytes]

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 2_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
WANTED = get(Phase.CONTENT, "/videos/video_1/content")


def whole(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_a_video_is_forwarded_in_chunks(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream(await serve(whole(VIDEO)))

    async with transport.proxy(WANTED, upstream) as relay:
        head, length = relay.reply, relay.content_length
        pieces = [piece async for piece in relay]

    assert (head.status, head.headers["content-type"], length) == (200, "video/mp4", len(VIDEO))
    assert b"".join(pieces) == VIDEO
    assert len(pieces) > 1
    assert relay.reply.error == ""


async def test_only_the_range_of_the_clients_headers_is_forwarded(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, received: list[bytes]
) -> None:
    part = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/512012\r\n"
    upstream = make_upstream(await serve(whole(VIDEO[5:10], part)))
    reader = {"Range": "bytes=5-9", "if-range": '"v1"', "authorization": "Bearer caller", "x": "y"}

    async with transport.proxy(WANTED, upstream, reader) as relay:
        body = b"".join([piece async for piece in relay])

    assert (relay.reply.status, body) == (206, VIDEO[5:10])
    assert relay.reply.headers["content-range"] == "bytes 5-9/512012"
    asked = received[0].lower()
    assert b"range: bytes=5-9" in asked
    assert b'if-range: "v1"' in asked
    assert b"accept-encoding: identity" in asked
    assert b"caller" not in asked
    assert b"\r\nx:" not in asked


@pytest.mark.parametrize("status", [b"404 Not Found", b"416 Range Not Satisfiable"])
async def test_a_refusal_is_kept_as_text_and_nothing_is_forwarded(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, status: bytes
) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n"
    upstream = make_upstream(await serve(whole(b'{"error":1}', head)))

    async with transport.proxy(WANTED, upstream) as relay:
        pieces = [piece async for piece in relay]

    assert (relay.is_open, pieces) == (False, [])
    assert (relay.reply.status, relay.reply.body) == (int(status[:3]), '{"error":1}')


async def test_a_page_in_place_of_a_video_is_not_forwarded(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    page = whole(b"<html>Sign in", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    upstream = make_upstream(await serve(page))

    async with transport.proxy(WANTED, upstream) as relay:
        assert not relay.is_open
        assert relay.reply.error == "ContentTypeError: text/html in place of a video"


async def test_a_video_that_breaks_off_ends_with_an_error(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    raw = HEAD + b"Content-Length: 9000000\r\n\r\n" + VIDEO
    upstream = make_upstream(await serve(raw))

    async with transport.proxy(WANTED, upstream) as relay:
        got = b"".join([piece async for piece in relay])

    assert VIDEO.startswith(got)
    assert relay.reply.error.startswith("ClientPayloadError: ")


async def test_a_silent_upstream_is_disconnected(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    async def stop(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 9000000\r\n\r\n" + VIDEO[:1000])
        await writer.drain()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(stop), timeout=0.2)

    async with transport.proxy(WANTED, upstream) as relay:
        got = b"".join([piece async for piece in relay])

    assert got == VIDEO[:1000]
    assert "Timeout" in relay.reply.error


async def test_a_slow_client_is_waited_for(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    sent = 0

    async def pour(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD + b"Content-Length: 64000012\r\n\r\n" + VIDEO[:12])
        for _number in range(640):
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    upstream = make_upstream(await serve(pour))
    tracemalloc.start()

    async with transport.proxy(WANTED, upstream) as relay:
        size = 0
        async for piece in relay:
            size += len(piece)
            # On loopback, the kernel buffers a few megabytes; our process must not.
            assert sent - size < 16_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size == 64_000_012
    assert peak < 2_000_000


async def test_an_unreachable_upstream_is_an_error_value(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream("http://127.0.0.1:9/v1")

    async with transport.proxy(WANTED, upstream) as relay:
        assert not relay.is_open
        assert relay.reply.error.startswith("ConnectionRefusedError")
        assert not relay.reply.was_sent


@asynccontextmanager
async def keeping_alive(answer: Answer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve on connections that stay open; an empty answer closes one after the request."""
    received: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
                length = next((int(v) for n, _, v in lines if n == b"content-length"), 0)
                received.append(head + await reader.readexactly(length))
                if not (said := answer(len(received))):
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1", received


def first_alone(number: int) -> bytes:
    return whole(b"{}") if number == 1 else b""


async def test_a_create_on_a_kept_connection_that_is_dropped_is_not_repeated(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    async with keeping_alive(first_alone) as (address, received):
        upstream = make_upstream(address)
        create = submitted(upstream)

        first = await transport.send(create, upstream)
        second = await transport.send(create, upstream)

    assert (first.status, second.status) == (200, None)
    assert second.was_sent
    assert "ServerDisconnectedError" in second.error
    assert len(received) == 2


async def test_a_get_on_a_kept_connection_that_is_dropped_is_repeated(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    def not_the_second(number: int) -> bytes:
        return b"" if number == 2 else whole(b"{}")

    async with keeping_alive(not_the_second) as (address, received):
        upstream = make_upstream(address)
        poll = poll_request(adapter_for(upstream))

        replies = [await transport.send(poll, upstream) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert len(received) == 3


async def test_large_files_are_sent_completely_with_their_length(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    picture = bytes(range(256)) * 20_000

    def created(_: int) -> bytes:
        return whole(b'{"id":"video_1","object":"video","status":"queued"}')

    async with keeping_alive(created) as (address, received):
        for dialect in ("openai", "vllm_omni", "sglang", "new_api"):
            upstream = make_upstream(address, dialect=dialect)
            order = order_of("boat", 4, "1280x720", inputs=(Input("", picture, "image/png"),))

            reply = await transport.send(submitted(upstream, order), upstream)

            assert isinstance(read_create(upstream, reply), Accepted)

    assert [picture in body for body in received] == [True, True, False, False]
    assert all(b"chunked" not in body[:1000].lower() for body in received)


async def test_hanging_creates_do_not_delay_other_requests(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, received: list[bytes]
) -> None:
    async def hang_creates(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request.startswith(b"POST"):
            await asyncio.Event().wait()
        writer.write(whole(b"{}"))
        await writer.drain()

    upstream = make_upstream(await serve(hang_creates), timeout=30)
    poll = poll_request(adapter_for(upstream))
    async with asyncio.TaskGroup() as group:
        hanging = [
            group.create_task(transport.send(submitted(upstream), upstream)) for _ in range(150)
        ]
        async with asyncio.timeout(5):
            reply = await transport.send(poll, upstream)
        for task in hanging:
            task.cancel()

    assert reply.status == 200
    assert len(received) <= 129
