"""A response that is forwarded to a client: its head, then its bytes while they arrive."""

from collections.abc import AsyncIterator

import aiohttp

from tallylight.upstreams.call_record import CALL_ERRORS, CallRecord, error_text


class ProxiedResponse:
    """A body that is forwarded and not kept, and the reply as far as it is known.

    Iterating never raises for an upstream's error: it ends, and `reply.error` says why. Chunks are
    forwarded as they come off the socket, mostly 256 KB: to cut them smaller would copy each.
    """

    def __init__(self, call: CallRecord) -> None:
        self._call = call
        self._response: aiohttp.ClientResponse | None = None
        self.reply = call.reply()

    @property
    def is_open(self) -> bool:
        """Tell whether bytes follow; if not, `reply` holds the body and says why."""
        return self._response is not None

    @property
    def content_length(self) -> int | None:
        """Return the number of bytes that follow, None if it is unknown."""
        if self._response is None or self._response.headers.get("Content-Encoding"):
            return None  # the client decompresses the body, so its length is another
        return self._response.content_length

    def attach(self, response: aiohttp.ClientResponse) -> None:
        """Read the bytes from a successful response."""
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response is None:
            return
        content = self._response.content
        while True:
            try:
                chunk = await content.readany()
            except CALL_ERRORS as exception:
                self._call.error = error_text(exception)
                break
            if not chunk:
                break
            yield chunk
        self.reply = self._call.reply()
