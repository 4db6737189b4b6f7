"""An answer on its way through to somebody else: its head, then its bytes as they come."""

from collections.abc import AsyncIterator

import aiohttp

from tallylight.upstreams.call_record import CALL_ERRORS, CallRecord, error_text


class ProxiedResponse:
    """A body that nobody keeps, and the reply as far as it is known.

    Iterating never raises for what an upstream does: it ends, and `reply.error` says how. Pieces
    are handed on as they come off the socket, mostly 256 KB: to cut them smaller would copy each.
    """

    def __init__(self, call: CallRecord) -> None:
        self._call = call
        self._response: aiohttp.ClientResponse | None = None
        self.reply = call.reply()

    @property
    def is_open(self) -> bool:
        """Tell whether bytes follow; else `reply` says why not, with the answer's body."""
        return self._response is not None

    @property
    def content_length(self) -> int | None:
        """Return how many bytes follow, None if nobody knows."""
        if self._response is None or self._response.headers.get("Content-Encoding"):
            return None  # they are unpacked on the way
        return self._response.content_length

    def attach(self, response: aiohttp.ClientResponse) -> None:
        """Take the bytes from a successful answer."""
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response is None:
            return
        error = ""
        content = self._response.content
        while True:
            try:
                chunk = await content.readany()
            except CALL_ERRORS as fault:
                error = error_text(fault)
                break
            if not chunk:
                break
            yield chunk
        self.reply = self._call.reply(error=error)
