"""Silence and resets: what no web framework offers, since no server should do it."""

import asyncio
import socket
import struct

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT = "tallylight.transport"
_NO_LINGER = struct.pack("ii", 1, 0)


class TransportExposingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which hands its connection to the application."""

    def on_headers_complete(self) -> None:
        """Put the connection where `reset` finds it."""
        extensions = self.scope.setdefault("extensions", {})
        assert extensions is not None  # noqa: S101  # the field may be None by its type only
        extensions[_TRANSPORT] = {"transport": self.transport}
        super().on_headers_complete()


async def never_respond(request: Request, closing: asyncio.Event) -> Response:
    """Read the request and never answer, until the caller leaves or the world ends."""
    await request.body()
    left = asyncio.ensure_future(_client_disconnect(request))
    over = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait({left, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        over.cancel()
    return await reset_connection(request)


async def _client_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def reset_connection(request: Request) -> Response:
    """Read the request and reset the connection; the answer returned goes nowhere."""
    await request.body()
    transport: asyncio.Transport = request.scope["extensions"][_TRANSPORT]["transport"]
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        # Closing without lingering sends RST, where an ordinary close would send FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await asyncio.sleep(0)  # noqa: TID251  # one turn, in which the server learns of the loss
    return Response(status_code=500)
