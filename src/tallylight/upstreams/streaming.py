"""Responses that are read while they arrive: a streamed text, or a file that is forwarded."""

import asyncio
import codecs
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import aiohttp

from tallylight.upstreams.call_record import CALL_ERRORS, CallRecord, error_text
from tallylight.upstreams.redact import StreamRedactor
from tallylight.upstreams.time_limits import time_limit

IDLE_TIMEOUT = timedelta(minutes=5)
"""The longest silence in a stream; sora2api sends every 30 s, and a whole job takes 2.5–4 min."""

BYTE_LIMIT = 16 * 1024 * 1024


class _OpenResponse:
    """A response whose body is still to be read, and the reply as far as it is known."""

    def __init__(self, call: CallRecord) -> None:
        self._call = call
        self._response: aiohttp.ClientResponse | None = None
        self._head = b""
        self.reply = call.reply()

    def attach(self, response: aiohttp.ClientResponse, head: bytes = b"") -> None:
        """Read the body from a successful response, after its first bytes."""
        self._response, self._head = response, head


class StreamedResponse(_OpenResponse):
    """The text of a response in chunks, and the reply as far as it is known.

    Iterating never raises for an upstream's error: it ends, and `reply.error` says why.
    """

    def __init__(self, call: CallRecord, deadline: float) -> None:
        super().__init__(call)
        self._deadline = deadline

    @property
    def is_open(self) -> bool:
        """Tell whether the upstream streams an answer; if not, `reply` says why."""
        return self.reply.is_success and not self.reply.error

    async def __aiter__(self) -> AsyncIterator[str]:
        if self._response is None:
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        redactor = StreamRedactor(self._call.secrets)
        chunks = self._response.content.iter_any()
        size = 0
        while size <= BYTE_LIMIT:
            try:
                async with self._read_limit():
                    chunk = await anext(chunks, b"")
            except CALL_ERRORS as exception:
                self._call.error = self._error_text(exception)
                break
            if not chunk:
                break
            size += len(chunk)
            if text := redactor.feed(decoder.decode(chunk)):
                yield text
        if text := redactor.feed(decoder.decode(b"", final=True)) + redactor.finish():
            yield text
        if size > BYTE_LIMIT:
            self._call.error = f"BufferError: more than {BYTE_LIMIT} bytes"
            self._call.truncated = True
        self.reply = self._call.reply()

    def _read_limit(self) -> AbstractAsyncContextManager[None]:
        loop = asyncio.get_running_loop()
        end = min(self._deadline, loop.time() + IDLE_TIMEOUT.total_seconds())
        return time_limit(loop.time, lambda: end)

    def _error_text(self, exception: Exception) -> str:
        if not isinstance(exception, TimeoutError):
            return error_text(exception)
        if asyncio.get_running_loop().time() >= self._deadline:
            return "TimeoutError: the stream did not end within the limit of a job"
        return f"TimeoutError: the stream was silent for {IDLE_TIMEOUT.total_seconds():g} s"


class ProxiedResponse(_OpenResponse):
    """A body that is forwarded and not kept, and the reply as far as it is known.

    Iterating never raises for an upstream's error: it ends, and `reply.error` says why. Chunks are
    forwarded as they come off the socket, mostly 256 KB: to cut them smaller would copy each.
    """

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

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._response is None:
            return
        content = self._response.content
        if self._head:
            yield self._head
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
