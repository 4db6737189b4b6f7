"""Hanging, resetting and cutting connections, which no web framework offers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT = "tallylight.transport"
_NO_LINGER = struct.pack("ii", 1, 0)


class TransportExposingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, which passes its transport to the application."""

    def on_headers_complete(self) -> None:
        """Store the transport in the request's scope, for `reset_connection`."""
        extensions = self.scope.setdefault("extensions", {})
        assert extensions is not None  # noqa: S101  # the field may be None by its type only
        extensions[_TRANSPORT] = {"transport": self.transport}
        super().on_headers_complete()


async def never_respond(request: Request, closing: asyncio.Event) -> Response:
    """Read the request and send nothing until the client disconnects or the simulation ends."""
    await request.body()
    disconnected = asyncio.ensure_future(_client_disconnect(request))
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait({disconnected, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        disconnected.cancel()
        closed.cancel()
    return await reset_connection(request)


class CutResponse(Response):
    """The beginning of a response, after which the connection is closed."""

    def __init__(self, whole: Response, share: float) -> None:
        super().__init__(status_code=whole.status_code)
        self.raw_headers = whole.raw_headers
        self._whole = whole
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head with the length of the whole, and a part of the body."""
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        async for part in self._parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        _transport(scope).close()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _parts(self) -> AsyncIterator[bytes]:
        if not isinstance(self._whole, StreamingResponse):
            yield bytes(self._whole.body)[: int(len(self._whole.body) * self._share)]
            return
        left = int(int(self.headers.get("content-length", "0")) * self._share)
        async for chunk in self._whole.body_iterator:
            data = chunk.encode() if isinstance(chunk, str) else bytes(chunk)
            yield data[: left or int(len(data) * self._share)]
            left -= len(data)
            if left <= 0:
                return


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][_TRANSPORT]["transport"]
    return transport


async def _client_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def reset_connection(request: Request) -> Response:
    """Read the request and reset the connection; the returned response is never sent."""
    await request.body()
    transport = _transport(request.scope)
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        # With SO_LINGER at 0 seconds, closing sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await asyncio.sleep(0)  # noqa: TID251  # one turn of the loop: the server notices the lost connection
    return Response(status_code=500)
