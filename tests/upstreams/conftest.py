"""Fixtures: upstreams, and small loopback servers that misbehave on purpose."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import trustme

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.documents.secret import Secret
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.transport import Transport
from tests.builders import UPSTREAM

PLANTED_KEY = "sk-planted-3f9c1d7e5b2a4860"

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


Serve = Callable[..., Awaitable[str]]


@pytest.fixture
def planted_key() -> str:
    return PLANTED_KEY


@pytest.fixture
def make_upstream() -> Callable[..., Upstream]:
    def make(  # noqa: PLR0913  # each has its default
        base_url: str = "https://upstream.test/v1",
        *,
        protocol: str = "openai_videos",
        dialect: str = "openai",
        key: str | None = PLANTED_KEY,
        timeout: float = 5.0,
        job_timeout: float = 60.0,
        ca_file: str = "",
    ) -> Upstream:
        return replace(
            UPSTREAM,
            base_url=base_url,
            protocol=protocol,
            dialect=dialect,
            key=None if key is None else Secret(key),
            timeout=timedelta(seconds=timeout),
            job_timeout=timedelta(seconds=job_timeout),
            ca_file=ca_file,
        )

    return make


@pytest.fixture
def make_reply() -> Callable[..., Reply]:
    def make(phase: Phase, body: str, status: int | None = 200) -> Reply:
        return Reply(phase=phase, status=status, headers={}, body=body)

    return make


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(SystemClock()) as one:
        yield one


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def received() -> list[bytes]:
    """Return the requests that all servers of the test receive, as bytes."""
    return []


@pytest.fixture
async def serve(received: list[bytes]) -> AsyncIterator[Serve]:
    """Return a function that starts a server with an answer or a handler; it returns its URL."""
    tasks: set[asyncio.Task[None]] = set()
    servers: list[asyncio.Server] = []

    async def start(handler: Handler | bytes, *, tls: ssl.SSLContext | None = None) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                request = await _request(reader)
                received.append(request)
                if isinstance(handler, bytes):
                    writer.write(handler)
                    await writer.drain()
                else:
                    await handler(request, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the client disconnected
            finally:
                writer.close()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(answer(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"

    yield start

    for server in servers:
        server.close()
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head
