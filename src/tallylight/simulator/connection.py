"""Hanging and resetting connections, which no web framework offers."""

import asyncio
import socket
import struct

from starlette.requests import Request
from starlette.responses import Response
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


async def _client_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def reset_connection(request: Request) -> Response:
    """Read the request and reset the connection; the returned response is never sent."""
    await request.body()
    transport: asyncio.Transport = request.scope["extensions"][_TRANSPORT]["transport"]
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        # With SO_LINGER at 0 seconds, closing sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await asyncio.sleep(0)  # noqa: TID251  # one turn of the loop: the server notices the lost connection
    return Response(status_code=500)
