"""Servers on loopback that note what they receive, and answer what they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class NotingServer:
    """A server; another port of loopback is another origin.

    Args:
        url: Its root.
        received: The requests with their bodies, oldest first.
    """

    url: str = ""
    received: list[str] = field(default_factory=list)


@asynccontextmanager
async def listening(answer: Callable[[str], bytes]) -> AsyncIterator[NotingServer]:
    """Serve an answer to each request, whatever it is, and close the connection."""
    noting = NotingServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader)
            noting.received.append(request)
            writer.write(answer(request))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    noting.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield noting
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return head + (await reader.readexactly(int(value))).decode("latin-1")
    return head


_SIGNING = frozenset({"authorization", "api-key", "x-goog-api-key"})


def authorization_of(request: str) -> str:
    """Return the header that signs a request, "" for none."""
    lines = (line.partition(":") for line in request.splitlines())
    return next((value.strip() for name, _, value in lines if name.lower() in _SIGNING), "")


def response(status: int, body: str, *headers: str) -> bytes:
    """Return a whole HTTP response."""
    data = body.encode()
    lines = [f"HTTP/1.1 {status} X", *headers, f"content-length: {len(data)}", "connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def json_response(status: int, body: object) -> bytes:
    """Return a whole HTTP response with JSON."""
    return response(status, json.dumps(body), "content-type: application/json")
