"""A streamed answer, taken as it comes."""

import asyncio
import codecs
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp

from tallylight.upstreams.call_record import FAULTS, Exchange, words_of
from tallylight.upstreams.redact import Veil

IDLE_LIMIT = timedelta(minutes=5)
"""How long a stream may be silent; sora2api speaks every 30 s, and a whole job takes 2.5–4 min."""

BYTE_LIMIT = 16 * 1024 * 1024

_SUCCESS = range(200, 300)


class Stream:
    """Text in the pieces in which it arrives, and the reply as far as it is known.

    Iterating never raises for what an upstream does: it ends, and `reply.error` says how.
    """

    def __init__(self, exchange: Exchange, ends_at: float) -> None:
        self._exchange = exchange
        self._ends_at = ends_at
        self._response: aiohttp.ClientResponse | None = None
        self.reply = exchange.reply()

    @property
    def is_open(self) -> bool:
        """Tell whether the upstream took the request and streams; else `reply` says why not."""
        return self.reply.status in _SUCCESS and not self.reply.error

    def begin(self, response: aiohttp.ClientResponse) -> None:
        """Take the body from a successful answer."""
        self._response = response

    async def __aiter__(self) -> AsyncIterator[str]:
        if self._response is None:
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        veil = Veil(self._exchange.secrets)
        chunks = self._response.content.iter_any()
        size = 0
        error = ""
        while size <= BYTE_LIMIT:
            try:
                async with asyncio.timeout(self._patience()):
                    chunk = await anext(chunks, b"")
            except FAULTS as fault:
                error = self._words(fault)
                break
            if not chunk:
                break
            size += len(chunk)
            if text := veil.shown(decoder.decode(chunk)):
                yield text
        if text := veil.shown(decoder.decode(b"", final=True)) + veil.rest():
            yield text
        too_long = size > BYTE_LIMIT
        error = f"BufferError: more than {BYTE_LIMIT} bytes" if too_long else error
        self.reply = self._exchange.reply(error=error, truncated=too_long)

    def _patience(self) -> float:
        left = self._ends_at - asyncio.get_running_loop().time()
        return min(left, IDLE_LIMIT.total_seconds())

    def _words(self, fault: Exception) -> str:
        if not isinstance(fault, TimeoutError):
            return words_of(fault)
        if asyncio.get_running_loop().time() >= self._ends_at:
            return "TimeoutError: the stream did not end within the limit of a job"
        return f"TimeoutError: the stream was silent for {IDLE_LIMIT.total_seconds():g} s"
