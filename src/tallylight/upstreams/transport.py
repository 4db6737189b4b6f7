"""Sends what the protocols make, and makes a value of whatever comes back.

Nothing that an upstream can do raises here: a name that does not resolve, a refusal, a reset, a
certificate that has expired, a page of 5 MB, half a document, silence. What raises is cancellation
and our own disk.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.upstreams import redirects
from tallylight.upstreams.atomic_download import save_atomically
from tallylight.upstreams.bodies import encode_body
from tallylight.upstreams.call_record import CALL_ERRORS, CallRecord, connection_tracing, error_text
from tallylight.upstreams.messages import SUCCESS_STATUSES, Phase, Reply, Request
from tallylight.upstreams.proxy import ProxiedResponse
from tallylight.upstreams.streaming import IDLE_TIMEOUT, StreamedResponse

_KIB = 1024
_BODY_LIMIT = 1024 * _KIB
_FEED_LIMIT = 8 * 1024 * _KIB  # a cloud provider's incidents of a year come in one document

_MAX_CONCURRENT_PER_HOST = 128
"""How many creates one host gets at a time, and how many questions beside them.

Waiting for a place is ours and not on the host's clock. Creates have places of their own, so that
a host that leaves them hanging is still asked how its jobs stand.
"""

_DNS_CACHE_SECONDS = 10
"""Shorter than the usual pace of a probe: each round asks the resolver anew."""

_KEEPALIVE_SECONDS = 4
"""Shorter than the 5 s after which uvicorn, Node and Apache close an idle connection.

A create sent into a connection that is just being closed is in doubt, and a doubt costs a video.
"""

_DOWNLOAD_TIMEOUT = timedelta(minutes=10)

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_DOCUMENT_TYPES = ("text/", "application/json", "application/problem+json", "application/xml")

_NO_HEADERS: Mapping[str, str] = {}

#: Packed, a file would have another length than its head says, and no ranges.
_DEFAULT_HEADERS: Mapping[Phase, Mapping[str, str]] = {
    Phase.CONTENT: {"Accept-Encoding": "identity"}
}

_FORWARDED_HEADERS = frozenset({"range", "if-range"})


class Transport:
    """One pool of connections to all upstreams; an async context manager."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._ssl_contexts: dict[str, ssl.SSLContext] = {}
        self._host_slots: defaultdict[tuple[str, bool], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_MAX_CONCURRENT_PER_HOST)
        )

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                ttl_dns_cache=_DNS_CACHE_SECONDS,
                keepalive_timeout=_KEEPALIVE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "tallylight"},
            timeout=_NO_TIMEOUT,
            trace_configs=[connection_tracing()],
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return its whole answer, within the upstream's time limit."""
        limit = _FEED_LIMIT if request.phase is Phase.FEED else _BODY_LIMIT
        place = self._host_slots[_host(request.url), request.phase is Phase.CREATE]
        async with place, AsyncExitStack() as stack:
            exchange = self._new_call(request, upstream)
            body = bytearray()
            error = ""
            try:
                async with asyncio.timeout(upstream.timeout.total_seconds()):
                    response = await self._send_to_head(stack, request, upstream, exchange)
                    await _read_body(response, body, limit)
            except CALL_ERRORS as fault:
                error = _error_text(fault, exchange, upstream.timeout)
            return _reply(exchange, body, error, limit)

    @asynccontextmanager
    async def stream(self, request: Request, upstream: Upstream) -> AsyncIterator[StreamedResponse]:
        """Send a request whose answer streams; yields once its head, or none, is there.

        Connecting is bounded by the upstream's timeout, silence by `streaming.IDLE_LIMIT`, the
        whole by the upstream's limit of a job. Leaving the context gives the stream up.
        """
        exchange = self._new_call(request, upstream)
        ends_at = asyncio.get_running_loop().time() + upstream.job_timeout.total_seconds()
        patience = min(IDLE_TIMEOUT, upstream.job_timeout)
        stream = StreamedResponse(exchange, ends_at)
        connecting = aiohttp.ClientTimeout(total=None, connect=upstream.timeout.total_seconds())
        async with AsyncExitStack() as stack:
            body = bytearray()
            error = ""
            try:
                async with asyncio.timeout(patience.total_seconds()):
                    response = await self._send_to_head(
                        stack, request, upstream, exchange, connecting
                    )
                    if response.status in SUCCESS_STATUSES:
                        stream.attach(response)
                    else:
                        await _read_body(response, body, _BODY_LIMIT)
            except CALL_ERRORS as fault:
                waited = patience if exchange.is_connected else upstream.timeout
                error = _error_text(fault, exchange, waited)
            stream.reply = _reply(exchange, body, error, _BODY_LIMIT)
            yield stream

    @asynccontextmanager
    async def proxy(
        self, request: Request, upstream: Upstream, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AsyncIterator[ProxiedResponse]:
        """Send a request whose answer is handed on; yields once its head, or none, is there.

        The upstream's timeout bounds connecting and each of its silences; how long the whole takes
        is up to whoever it is handed on to. Leaving the context gives the rest up.

        Args:
            request: A download.
            upstream: From where.
            headers: The reader's own; a range that is asked for in them is asked for.
        """
        exchange = self._new_call(request, upstream)
        relay = ProxiedResponse(exchange)
        patience = upstream.timeout.total_seconds()
        limits = aiohttp.ClientTimeout(total=None, connect=patience, sock_read=patience)
        wanted = {
            name: value for name, value in headers.items() if name.lower() in _FORWARDED_HEADERS
        }
        asked = replace(request, headers={**request.headers, **wanted})
        async with AsyncExitStack() as stack:
            body = bytearray()
            error = ""
            try:
                async with asyncio.timeout(patience):
                    response = await self._send_to_head(stack, asked, upstream, exchange, limits)
                    error = _content_type_error(response)
                    if response.status in SUCCESS_STATUSES and not error:
                        relay.attach(response)
                    else:
                        await _read_body(response, body, _BODY_LIMIT)
            except CALL_ERRORS as fault:
                error = _error_text(fault, exchange, upstream.timeout)
            relay.reply = _reply(exchange, body, error, _BODY_LIMIT)
            yield relay

    async def download(
        self, request: Request, upstream: Upstream, target: Path, limit_bytes: int
    ) -> Reply:
        """Download to a file, which exists if and only if the reply is a success without error.

        An answer that is a document rather than a video is kept in the reply's body instead. The
        upstream's timeout bounds each silence, and ten minutes the whole.
        """
        exchange = self._new_call(request, upstream)
        body = bytearray()
        error = ""
        patience = upstream.timeout.total_seconds()
        limits = aiohttp.ClientTimeout(total=None, connect=patience, sock_read=patience)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_DOWNLOAD_TIMEOUT.total_seconds()):
                    response = await self._send_to_head(stack, request, upstream, exchange, limits)
                    error = _content_type_error(response)
                    if response.status in SUCCESS_STATUSES and not error:
                        await save_atomically(response.content.iter_any(), target, limit_bytes)
                    else:
                        await _read_body(response, body, _BODY_LIMIT)
            except CALL_ERRORS as fault:
                is_over = exchange.elapsed_seconds() >= _DOWNLOAD_TIMEOUT.total_seconds()
                waited = _DOWNLOAD_TIMEOUT if is_over else upstream.timeout
                error = _error_text(fault, exchange, waited)
        return _reply(exchange, body, error, _BODY_LIMIT)

    def _new_call(self, request: Request, upstream: Upstream) -> CallRecord:
        secrets = () if upstream.key is None else (upstream.key.reveal(),)
        return CallRecord(self._clock, request.phase, secrets)

    async def _send_to_head(
        self,
        stack: AsyncExitStack,
        request: Request,
        upstream: Upstream,
        call: CallRecord,
        limits: aiohttp.ClientTimeout = _NO_TIMEOUT,
    ) -> aiohttp.ClientResponse:
        """Return the head of the answer behind all redirects; the stack closes it."""
        if self._session is None:
            raise RuntimeError("a transport is used inside its `async with`")
        first = url = URL(request.url)
        headers = {**_DEFAULT_HEADERS.get(request.phase, _NO_HEADERS), **request.headers}
        data = _request_data(request, headers)
        for _ in range(redirects.MAX_REDIRECTS + 1):
            if request.authorization and (url is first or redirects.may_send_key(first, url)):
                headers[request.authorization[0]] = request.authorization[1]
            else:
                headers.pop(request.authorization[0] if request.authorization else "", None)
            response = await self._session.request(
                request.method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=limits,
                ssl=self._ssl_context(upstream),
                trace_request_ctx=call,
            )
            stack.callback(response.release)
            target = redirects.next_url(request.method, url, response.status, response.headers)
            if target is None:
                call.record_head(response)
                return response
            response.release()
            url = target
        raise redirects.RedirectError(str(url), f"more than {redirects.MAX_REDIRECTS} redirects")

    def _ssl_context(self, upstream: Upstream) -> ssl.SSLContext | bool:
        if not upstream.ca_file:
            return True  # aiohttp's one context that verifies against the system's authorities
        if upstream.ca_file not in self._ssl_contexts:
            context = ssl.create_default_context()
            context.load_verify_locations(upstream.ca_file)
            self._ssl_contexts[upstream.ca_file] = context
        return self._ssl_contexts[upstream.ca_file]


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _request_data(
    request: Request, headers: dict[str, str]
) -> bytes | AsyncIterator[memoryview] | None:
    """Return a request's body as the client takes it, and name its type and length."""
    body = encode_body(request)
    if body is None:
        return None
    headers.setdefault("Content-Type", body.content_type)
    if body.is_small:
        return body.joined()
    headers["Content-Length"] = str(body.size)
    return body.stream()


def _content_type_error(response: aiohttp.ClientResponse) -> str:
    if response.status in SUCCESS_STATUSES and response.content_type.startswith(_DOCUMENT_TYPES):
        return f"ContentTypeError: {response.content_type} in place of a video"
    return ""


async def _read_body(response: aiohttp.ClientResponse, body: bytearray, limit: int) -> None:
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            response.close()  # the rest is not wanted, so the connection is of no more use
            return


def _reply(call: CallRecord, body: bytearray, error: str, limit: int) -> Reply:
    text = body[:limit].decode("utf-8", "replace").removeprefix("\ufeff")
    return call.reply(text, error=error, truncated=len(body) > limit)


def _error_text(fault: Exception, call: CallRecord, limit: timedelta) -> str:
    if isinstance(fault, TimeoutError):
        return f"TimeoutError: {call.timeout_stage()} within {limit.total_seconds():g} s"
    return error_text(fault)
