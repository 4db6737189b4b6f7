"""An answer on its way through to somebody else: its head, then its bytes as they come."""

from collections.abc import AsyncIterator

import aiohttp

from tallylight.upstreams.exchange import FAULTS, Exchange, words_of

PIECE = 64 * 1024
"""The most that is handed on at a time; the connection holds back twice as much and no more."""

_SUCCESS = range(200, 300)


class Relay:
    """A body that nobody keeps, and the reply as far as it is known.

    Iterating never raises for what an upstream does: it ends, and `reply.error` says how.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._response: aiohttp.ClientResponse | None = None
        self.reply = exchange.reply()

    @property
    def is_open(self) -> bool:
        """Tell whether bytes follow; else `reply` says why not, with the answer's body."""
        return self._response is not None

    @property
    def length(self) -> int | None:
        """Return how many bytes follow, None if nobody knows."""
        if self._response is None or self._response.headers.get("Content-Encoding"):
            return None  # they are unpacked on the way
        return self._response.content_length

    def begin(self, response: aiohttp.ClientResponse) -> None:
        """Take the bytes from a successful answer."""
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response is None:
            return
        error = ""
        chunks = self._response.content.iter_chunked(PIECE)
        while True:
            try:
                chunk = await anext(chunks, b"")
            except FAULTS as fault:
                error = words_of(fault)
                break
            if not chunk:
                break
            yield chunk
        self.reply = self._exchange.reply(error=error)
