"""The upper limit for a gateway in Python: an ASGI application that only copies bytes.

UPSTREAM=http://127.0.0.1:PORT uvicorn --app-dir bench/gateway pass_through:app --no-access-log
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

from tallylight.documents.environment import process_environment

Message = MutableMapping[str, Any]
_SMALL = 65_536


class PassThrough:
    """Forwards each request and its response."""

    def __init__(self) -> None:
        self._upstream = process_environment()["UPSTREAM"]
        self._session: aiohttp.ClientSession | None = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        body = b""
        while scope["method"] == "POST":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {
            name.decode(): value.decode()
            for name, value in scope["headers"]
            if name in {b"content-type", b"authorization"}
        }
        url = self._upstream + scope["path"]
        async with self._session.request(
            scope["method"], url, headers=headers, data=body or None
        ) as response:
            headers_out = [(b"content-type", response.headers["Content-Type"].encode())]
            headers_out += [(b"content-length", response.headers["Content-Length"].encode())]
            await send(
                {"type": "http.response.start", "status": response.status, "headers": headers_out}
            )
            if (response.content_length or 0) < _SMALL:
                await send({"type": "http.response.body", "body": await response.read()})
                return
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


app = PassThrough()
