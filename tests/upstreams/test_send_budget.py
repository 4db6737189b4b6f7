import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.upstreams import streaming
from tallylight.upstreams import transport as transport_module
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.call_record import CallRecord
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.time_limits import SendBudget, TooLateError
from tallylight.upstreams.transport import Transport
from tests.builders import order_of
from tests.upstreams.flows import read_create, submitted

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]
Send = Callable[[Transport, Upstream, SendBudget | None], Coroutine[None, None, Reply]]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
LONG_PROMPT = "boat " * 40_000  # more than is sent as one chunk


async def hang(_: bytes, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def create(upstream: Upstream, prompt: str = "boat") -> Request:
    return submitted(upstream, order_of(prompt, 4, "1280x720"))


async def sent(one: Transport, upstream: Upstream, budget: SendBudget | None) -> Reply:
    return await one.send(create(upstream), upstream, budget)


async def sent_long(one: Transport, upstream: Upstream, budget: SendBudget | None) -> Reply:
    return await one.send(create(upstream, LONG_PROMPT), upstream, budget)


async def streamed(one: Transport, upstream: Upstream, budget: SendBudget | None) -> Reply:
    async with one.stream(create(upstream), upstream, budget) as stream:
        async for _ in stream:
            pass
    return stream.reply


EVERY_SEND = pytest.mark.parametrize("send", [sent, sent_long, streamed])


def new_budget(first_byte: float = 60, answer: float = 60, *, since: float = 0) -> SendBudget:
    return SendBudget(
        SystemClock().boottime() - since, timedelta(seconds=first_byte), timedelta(seconds=answer)
    )


class Listener:
    """A server in threads, which goes on while the event loop stands still."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.answer = (b"", ANSWER)  # what is sent at once, and what is sent when it may be
        self.received = bytearray()
        self._connections: list[socket.socket] = []
        self.has_request = threading.Event()
        self.may_answer = threading.Event()
        self.has_answered = threading.Event()
        self.has_lost_client = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.may_answer.set()
        with contextlib.suppress(OSError):  # wakes the thread if it still accepts
            self._socket.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._socket.close()

    def _serve(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # closed
            return
        self._connections.append(connection)
        with connection, contextlib.suppress(OSError):
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
            while chunk := connection.recv(1 << 20):
                self.received += chunk
                self.has_request.set()
            self.has_lost_client.set()

    def _answer(self, connection: socket.socket) -> None:
        at_once, later = self.answer
        with contextlib.suppress(OSError):
            connection.sendall(at_once)
            self.may_answer.wait(60)
            connection.sendall(later)
        self.has_answered.set()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with contextlib.closing(Listener()) as one:
        yield one


class SuspendedClock(SystemClock):
    """The system's clock of a machine that is suspended after a number of readings."""

    def __init__(self, readings: int) -> None:
        self.readings = 0
        self._before = readings

    def boottime(self) -> float:
        self.readings += 1
        return super().boottime() + (3600 if self.readings > self._before else 0)


def stand_still(until: float, listener: Listener) -> None:
    """Block the event loop until a time, and let the answer arrive meanwhile."""
    listener.may_answer.set()
    assert listener.has_answered.wait(20)
    while SystemClock().boottime() < until:
        time.sleep(0.01)


@EVERY_SEND
async def test_a_create_within_its_budget_is_sent(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    send: Send,
) -> None:
    upstream = make_upstream(await serve(ANSWER), timeout=0.001)

    reply = await send(transport, upstream, new_budget())

    assert (reply.status, reply.error, reply.was_sent, len(received)) == (200, "", True, 1)


@EVERY_SEND
async def test_a_create_that_finds_no_connection_in_time_is_refused(
    make_upstream: MakeUpstream, transport: Transport, listener: Listener, send: Send
) -> None:
    upstream = make_upstream(listener.url.replace("http://", "https://"))  # it never shakes hands

    reply = await send(transport, upstream, new_budget(first_byte=0.2))

    assert (reply.status, reply.was_sent) == (None, False)
    assert reply.error == "TooLate: no connection within 0.2 s"
    assert isinstance(read_create(upstream, reply), Refused)


async def test_a_create_that_waits_too_long_for_a_slot_is_refused(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport_module, "_MAX_CONCURRENT_PER_HOST", 1)
    arrived = asyncio.Event()

    async def note(_: bytes, __: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(note))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(transport.send(create(upstream), upstream, new_budget()))
        await arrived.wait()

        reply = await transport.send(create(upstream), upstream, new_budget(first_byte=0.2))

        first.cancel()
    assert (reply.was_sent, reply.error) == (False, "TooLate: not sent within 0.2 s")
    assert isinstance(read_create(upstream, reply), Refused)
    assert len(received) == 1


@EVERY_SEND
async def test_time_that_passed_before_the_call_counts(
    make_upstream: MakeUpstream, transport: Transport, listener: Listener, send: Send
) -> None:
    upstream = make_upstream(listener.url)

    reply = await send(transport, upstream, new_budget(first_byte=5, since=6))

    assert (reply.was_sent, reply.error) == (False, "TooLate: not sent within 5 s")


@EVERY_SEND
async def test_nothing_is_written_if_the_machine_was_suspended_while_it_connected(
    make_upstream: MakeUpstream, listener: Listener, send: Send
) -> None:
    upstream = make_upstream(listener.url)

    async with Transport(SuspendedClock(readings=1)) as one:
        reply = await send(one, upstream, new_budget(first_byte=5))

    assert (reply.was_sent, reply.error) == (False, "TooLate: not sent within 5 s")
    assert isinstance(read_create(upstream, reply), Refused)
    assert await asyncio.to_thread(listener.has_lost_client.wait, 20)
    assert bytes(listener.received) == b""


@EVERY_SEND
async def test_a_create_without_an_answer_ends_with_its_budget_in_doubt(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, send: Send
) -> None:
    upstream = make_upstream(await serve(hang), timeout=60)

    reply = await send(transport, upstream, new_budget(answer=1.5))

    assert (reply.status, reply.was_sent) == (None, True)
    assert reply.error == "TimeoutError: no answer within 1.5 s"
    assert isinstance(read_create(upstream, reply), InDoubt)


async def test_the_time_of_a_suspended_machine_counts_for_the_answer(
    serve: Serve, make_upstream: MakeUpstream
) -> None:
    upstream = make_upstream(await serve(hang), timeout=60)

    async with Transport(SuspendedClock(readings=2)) as one, asyncio.timeout(30):
        reply = await one.send(create(upstream), upstream, new_budget(answer=600))

    assert reply.error == "TimeoutError: no answer within 600 s"


@pytest.mark.parametrize("has_budget", [True, False])
@pytest.mark.parametrize("send", [sent, streamed])
async def test_an_answer_that_arrived_while_the_process_stood_still_is_read(
    make_upstream: MakeUpstream,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    send: Send,
    has_budget: bool,
) -> None:
    limit = timedelta(seconds=2)
    monkeypatch.setattr(transport_module, "IDLE_TIMEOUT", limit)
    upstream = replace(make_upstream(listener.url), timeout=limit)
    budget = new_budget(answer=2) if has_budget else None
    late = SystemClock().boottime() + 2.3

    async with Transport(SystemClock()) as one:
        sending = asyncio.create_task(send(one, upstream, budget))
        assert await asyncio.to_thread(listener.has_request.wait, 20)
        stand_still(late, listener)
        reply = await sending

    assert (reply.status, reply.error) == (200, "")


async def test_the_rest_of_a_stream_that_arrived_while_the_process_stood_still_is_read(
    make_upstream: MakeUpstream,
    transport: Transport,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "IDLE_TIMEOUT", timedelta(seconds=1))
    listener.answer = (ANSWER[:-1], ANSWER[-1:])
    upstream = make_upstream(listener.url)
    chunks = []

    async with transport.stream(create(upstream), upstream) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == 1:  # once the stream waits for the next one
                late = SystemClock().boottime() + 1.3
                asyncio.get_running_loop().call_later(0.1, stand_still, late, listener)

    assert (chunks, stream.reply.error) == (["{", "}"], "")


def test_no_byte_of_a_long_body_is_written_after_the_time_for_the_answer() -> None:
    clock = SuspendedClock(readings=1)
    call = CallRecord(clock, Phase.CREATE, (), 1000, budget=new_budget(answer=600))

    call.begin_writing()

    with pytest.raises(TooLateError):
        call.begin_writing()
    call.error = call.timeout_text(timedelta(seconds=30))
    assert call.reply().was_sent
    assert call.error == "TimeoutError: no answer within 600 s"
