import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.upstreams import streaming
from tallylight.upstreams.messages import Request
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport
from tests.upstreams.flows import submitted

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]
Sender = Callable[[asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def piece(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def streaming_handler(send: Sender) -> Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await send(writer)
        await writer.drain()

    return answer


def ordered(upstream: Upstream) -> Request:
    return submitted(upstream, model="sora2-landscape-10s")


@pytest.fixture
def make_chat(make_upstream: MakeUpstream) -> MakeUpstream:
    def make(url: str, **more: float) -> Upstream:
        return make_upstream(url, protocol="chat_video", dialect="sora2api", **more)

    return make


async def test_text_arrives_in_chunks_while_the_upstream_still_sends(
    serve: Serve, make_chat: MakeUpstream, transport: Transport
) -> None:
    heard_the_first = asyncio.Event()

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(piece("data: 1\n\ndata: 风".encode()[:-1]))  # in the middle of a character
        await heard_the_first.wait()
        writer.write(piece("风".encode()[-1:] + b"\n\n") + END)

    upstream = make_chat(await serve(streaming_handler(send)))
    pieces = []

    async with transport.stream(ordered(upstream), upstream) as stream:
        assert stream.is_open
        async for text in stream:
            pieces.append(text)
            heard_the_first.set()

    assert pieces == ["data: 1\n\n", "data: 风\n\n"]
    assert (stream.reply.status, stream.reply.error) == (200, "")


async def test_a_refusal_is_read_completely_and_nothing_streams(
    serve: Serve, make_chat: MakeUpstream, transport: Transport
) -> None:
    async def refuse(_: bytes, writer: asyncio.StreamWriter) -> None:
        body = b'{"detail":"Invalid API key"}'
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    upstream = make_chat(await serve(refuse))

    async with transport.stream(ordered(upstream), upstream) as stream:
        pieces = [text async for text in stream]

    assert (stream.is_open, pieces) == (False, [])
    assert (stream.reply.status, stream.reply.body) == (401, '{"detail":"Invalid API key"}')


async def test_a_failed_connection_is_recognized(
    make_chat: MakeUpstream, transport: Transport
) -> None:
    upstream = make_chat("http://no-such-host.invalid/v1")

    async with transport.stream(ordered(upstream), upstream) as stream:
        pieces = [text async for text in stream]

    assert (stream.is_open, pieces, stream.reply.was_sent) == (False, [], False)
    assert stream.reply.error.startswith("gaierror: ")


async def test_a_stream_that_breaks_off_ends_with_an_error(
    serve: Serve, make_chat: MakeUpstream, transport: Transport
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(piece(b'data: {"id":"c"}\n\n'))

    upstream = make_chat(await serve(streaming_handler(send)))
    make_reader = adapter_for(upstream).reader
    assert make_reader is not None
    reader = make_reader(())

    async with transport.stream(ordered(upstream), upstream) as stream:
        async for text in stream:
            reader.feed(text)
    end = reader.end(stream.reply.error)

    assert stream.reply.error.startswith("ClientPayloadError: ")
    assert isinstance(end, Failure)


async def test_silence_ends_a_stream(
    serve: Serve,
    make_chat: MakeUpstream,
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(piece(b": hello\n\n"))
        await asyncio.Event().wait()

    monkeypatch.setattr(streaming, "IDLE_TIMEOUT", timedelta(seconds=0.2))
    upstream = make_chat(await serve(streaming_handler(send)))

    async with transport.stream(ordered(upstream), upstream) as stream:
        pieces = [text async for text in stream]

    assert pieces == [": hello\n\n"]
    assert stream.reply.error == "TimeoutError: the stream was silent for 0.2 s"


async def test_an_endless_stream_is_ended_at_the_job_timeout(
    serve: Serve, make_chat: MakeUpstream, transport: Transport
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(piece(b": still there\n\n"))
            await writer.drain()
            await asyncio.sleep(0.01)  # noqa: TID251  # a steady stream

    upstream = make_chat(await serve(streaming_handler(send)), job_timeout=0.3)

    async with transport.stream(ordered(upstream), upstream) as stream:
        async for _ in stream:
            pass

    assert stream.reply.error == "TimeoutError: the stream did not end within the limit of a job"


async def test_a_stream_of_more_bytes_than_any_answer_has_is_cut(
    serve: Serve,
    make_chat: MakeUpstream,
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(piece(b"x" * 100_000) + END)

    monkeypatch.setattr(streaming, "BYTE_LIMIT", 50_000)
    upstream = make_chat(await serve(streaming_handler(send)))

    async with transport.stream(ordered(upstream), upstream) as stream:
        async for _ in stream:
            pass

    assert stream.reply.truncated
    assert stream.reply.error == "BufferError: more than 50000 bytes"


async def test_an_exception_of_the_reader_is_not_swallowed(
    serve: Serve, make_chat: MakeUpstream, transport: Transport
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(piece(b"data: x\n\n") + END)

    upstream = make_chat(await serve(streaming_handler(send)))

    async def listen() -> None:
        async with transport.stream(ordered(upstream), upstream) as stream:
            async for _ in stream:
                raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await listen()
