"""Sends requests to upstreams and returns every outcome as a value.

Nothing that an upstream does raises an exception: a name that does not resolve, a refused or reset
connection, an expired certificate, a page of 5 MB, half a document, silence. Only cancellation and
errors of our own disk are raised.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.documents.addresses import is_loopback
from tallylight.upstreams import redirects
from tallylight.upstreams.addresses import request_url
from tallylight.upstreams.atomic_download import save_atomically
from tallylight.upstreams.auth import MintingAuth, Wire
from tallylight.upstreams.bodies import EncodedBody, encode_body
from tallylight.upstreams.call_record import CALL_ERRORS, CallRecord, error_text
from tallylight.upstreams.connections import ConnectionPools
from tallylight.upstreams.media_types import SNIFFED_BYTES, media_type_of
from tallylight.upstreams.messages import SUCCESS_STATUSES, Phase, Reply, Request
from tallylight.upstreams.networks import configured_url, request_address, shares_origin
from tallylight.upstreams.protocols.registry import adapter_for, auth_for
from tallylight.upstreams.streaming import IDLE_TIMEOUT, ProxiedResponse, StreamedResponse
from tallylight.upstreams.time_limits import SendBudget, time_limit
from tallylight.upstreams.tokens import TokenStore

_KIB = 1024
_BODY_LIMIT = 1024 * _KIB
_FEED_LIMIT = 8 * 1024 * _KIB  # a cloud provider publishes a year of incidents in one document

_MAX_CONCURRENT_PER_HOST = 128
"""The number of concurrent creates per host, and of other requests beside them.

Waiting for a slot counts against the budget of a create, but not against an upstream's timeout.
Creates have slots of their own, so that a host that leaves them hanging still gets polls.
"""

_MAX_HELD_PER_HOST = 2048
"""The number of concurrent creates per host that are answered when the work is done, in minutes.

They have slots of their own, so that no other create waits for them. Each costs a connection and
little else; the bound only protects the process from running out of file descriptors.
"""

_DOWNLOAD_TIMEOUT = timedelta(minutes=10)

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_DOCUMENT_TYPES = ("text/", "application/json", "application/problem+json", "application/xml")

_SHORTEST_HEAD = 16  # bytes; fewer may show no kind of file

_NO_HEADERS: Mapping[str, str] = {}

#: A compressed file would not have the length that its head declares, and no ranges.
_DEFAULT_HEADERS: Mapping[Phase, Mapping[str, str]] = {
    Phase.CONTENT: {"Accept-Encoding": "identity"}
}

_FORWARDED_HEADERS = frozenset({"range", "if-range"})


class _Lane(Enum):
    """Requests that share the slots of a host."""

    CREATE = auto()
    HELD = auto()  # creates that are answered when the work is done
    OTHER = auto()


class Transport:
    """A pool of connections to all upstreams; an async context manager."""

    def __init__(
        self,
        clock: Clock,
        resolver: AbstractResolver | None = None,
        on_date: Callable[[str, str], None] | None = None,
    ) -> None:
        """Create a transport.

        Args:
            clock: Measures times, and dates what is signed.
            resolver: Resolves names; the system's unless one is given.
            on_date: Called with the host of each answer, "" for this machine, and its `Date`.
        """
        self._clock = clock
        self._on_date = on_date
        self._pools = ConnectionPools(resolver)
        self._tokens = TokenStore(self, clock)
        self._ssl_contexts: dict[str, ssl.SSLContext] = {}
        self._host_slots: dict[tuple[str, _Lane], asyncio.Semaphore] = {}

    async def __aenter__(self) -> Self:
        await self._pools.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pools.__aexit__(kind, error, trace)

    async def send(
        self, request: Request, upstream: Upstream, budget: SendBudget | None = None
    ) -> Reply:
        """Send a request and return its whole answer, within the upstream's timeout.

        A create may have a budget in place of that. Once its time for the first byte is over,
        nothing is sent and the reply says so: `was_sent` is False, the error "TooLate: …".
        """
        slot = self._slot(request, upstream)
        call = self._new_call(request, upstream, budget)
        async with AsyncExitStack() as stack:
            if budget is None:
                await stack.enter_async_context(slot)
            async with _bounded(call, upstream, upstream.timeout):
                if budget is not None:
                    await stack.enter_async_context(slot)
                call.begin_connecting()
                response = await self._send_to_head(stack, request, upstream, call)
                head = await _read_head(response, call) if request.phase is Phase.POLL else b""
                if call.media_type:
                    response.close()  # the answer is the result itself, which is downloaded
                else:
                    await call.read_body(response, head)
            return call.reply()

    @asynccontextmanager
    async def stream(
        self, request: Request, upstream: Upstream, budget: SendBudget | None = None
    ) -> AsyncIterator[StreamedResponse]:
        """Send a request whose answer streams, and yield it once its head has arrived or failed.

        The upstream's timeout bounds connecting, `streaming.IDLE_TIMEOUT` each silence, and the
        upstream's `job_timeout` the whole. The budget of a create takes the place of the limits of
        connecting and of the first silence. Leaving the context closes the stream.
        """
        call = self._new_call(request, upstream, budget)
        deadline = asyncio.get_running_loop().time() + upstream.job_timeout.total_seconds()
        head_timeout = min(IDLE_TIMEOUT, upstream.job_timeout)
        stream = StreamedResponse(call, deadline)
        limits = _NO_TIMEOUT
        if budget is None:
            limits = aiohttp.ClientTimeout(total=None, connect=upstream.timeout.total_seconds())
        async with AsyncExitStack() as stack:
            async with _bounded(call, upstream, head_timeout):
                call.begin_connecting()
                response = await self._send_to_head(stack, request, upstream, call, limits)
                if response.status in SUCCESS_STATUSES:
                    stream.attach(response)
                else:
                    await call.read_body(response)
            stream.reply = call.reply()
            yield stream

    @asynccontextmanager
    async def proxy(
        self, request: Request, upstream: Upstream, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AsyncIterator[ProxiedResponse]:
        """Send a request whose answer is forwarded, and yield it once its head arrived or failed.

        The upstream's timeout bounds connecting and each silence, but not the whole: that depends
        on the client that reads it. Leaving the context closes the connection.
        """
        call = self._new_call(request, upstream)
        response_body = ProxiedResponse(call)
        forwarded = {
            name: value for name, value in headers.items() if name.lower() in _FORWARDED_HEADERS
        }
        request = replace(request, headers={**request.headers, **forwarded})
        async with AsyncExitStack() as stack:
            async with _bounded(call, upstream, upstream.timeout):
                response = await self._send_to_head(
                    stack, request, upstream, call, _silence_limits(upstream)
                )
                head = await _read_head(response, call)
                if call.media_type or _is_part(response, head):
                    response_body.attach(response, head)
                else:
                    await _read_document(response, head, call)
            response_body.reply = call.reply()
            yield response_body

    async def download(
        self, request: Request, upstream: Upstream, target: Path, limit_bytes: int
    ) -> Reply:
        """Download to a file, which exists if and only if the reply is a success without error.

        The first bytes tell whether it is a film or a picture; anything else is a document, which
        the body of the reply holds. The upstream's timeout bounds each silence, and ten minutes the
        whole.
        """
        call = self._new_call(request, upstream)
        async with AsyncExitStack() as stack, _bounded(call, upstream, _DOWNLOAD_TIMEOUT):
            response = await self._send_to_head(
                stack, request, upstream, call, _silence_limits(upstream)
            )
            head = await _read_head(response, call)
            if call.media_type:
                await save_atomically(_all_chunks(head, response), target, limit_bytes)
            else:
                await _read_document(response, head, call)
        return call.reply()

    def _slot(self, request: Request, upstream: Upstream) -> asyncio.Semaphore:
        """Return the slots of the requests to a host that are like a request."""
        lane = _lane(request, upstream)
        key = _host(request_address(request, upstream)), lane
        if key not in self._host_slots:
            limit = _MAX_HELD_PER_HOST if lane is _Lane.HELD else _MAX_CONCURRENT_PER_HOST
            self._host_slots[key] = asyncio.Semaphore(limit)
        return self._host_slots[key]

    def _new_call(
        self, request: Request, upstream: Upstream, budget: SendBudget | None = None
    ) -> CallRecord:
        secrets = () if upstream.key is None else (upstream.key.reveal(),)
        limit = _FEED_LIMIT if request.phase is Phase.FEED else _BODY_LIMIT
        return CallRecord(self._clock, request.phase, secrets, limit, budget)

    async def _send_to_head(
        self,
        stack: AsyncExitStack,
        request: Request,
        upstream: Upstream,
        call: CallRecord,
        limits: aiohttp.ClientTimeout = _NO_TIMEOUT,
    ) -> aiohttp.ClientResponse:
        """Return the response after all redirects, with its body unread; the stack releases it."""
        own = configured_url(request, upstream)
        url = request_url(request_address(request, upstream))
        headers = {**_DEFAULT_HEADERS.get(request.phase, _NO_HEADERS), **request.headers}
        body = encode_body(request)
        if body is not None:
            headers.setdefault("Content-Type", body.content_type)
        chunks = () if body is None else body.chunks
        wire = Wire(request.method, str(url), headers, chunks, str(uuid4()))
        signature = await self._signature(wire, request, upstream)
        call.mask(signature.values())
        data = _body_data(body, headers)
        for _ in range(redirects.MAX_REDIRECTS + 1):
            permission = await self._pools.permission(request, upstream, url)
            response = await self._pools.session(permission).request(
                request.method,
                url,
                data=data,
                headers={**headers, **signature} if shares_origin(own, url) else headers,
                allow_redirects=False,
                timeout=limits,
                ssl=self._ssl_context(upstream),
                trace_request_ctx=call,
            )
            stack.callback(response.release)
            target = redirects.next_url(request.method, url, response.status, response.headers)
            if target is None:
                if response.status == HTTPStatus.UNAUTHORIZED and signature:
                    self._tokens.forget(upstream)
                call.is_foreign = permission.is_foreign
                call.record_head(response)
                self._tell_date(url, response)
                return response
            response.release()
            url = target
        raise redirects.RedirectError(str(url), f"more than {redirects.MAX_REDIRECTS} redirects")

    def _tell_date(self, url: URL, response: aiohttp.ClientResponse) -> None:
        date = response.headers.get("Date")
        if self._on_date is not None and date is not None:
            self._on_date("" if is_loopback(str(url)) else _host(str(url)), date)

    async def _signature(
        self, wire: Wire, request: Request, upstream: Upstream
    ) -> Mapping[str, str]:
        """Return the headers that sign a request, for the upstream's own origin alone."""
        # A status feed has an origin of its own, and that is not who gave us the key.
        if upstream.key is None or not request.is_signed or request.phase is Phase.FEED:
            return _NO_HEADERS
        auth, secret = auth_for(upstream), upstream.key.reveal()
        if isinstance(auth, MintingAuth):
            secret = await self._tokens.token(auth, secret, upstream)
        return auth.headers(wire, secret, self._clock.now().timestamp())

    def _ssl_context(self, upstream: Upstream) -> ssl.SSLContext | bool:
        if not upstream.ca_file:
            return True  # aiohttp's shared context, which verifies against the system's authorities
        if upstream.ca_file not in self._ssl_contexts:
            context = ssl.create_default_context()
            context.load_verify_locations(upstream.ca_file)
            self._ssl_contexts[upstream.ca_file] = context
        return self._ssl_contexts[upstream.ca_file]


def _lane(request: Request, upstream: Upstream) -> _Lane:
    if request.phase is not Phase.CREATE:
        return _Lane.OTHER
    is_held = adapter_for(upstream).features.create_timeout is not None
    return _Lane.HELD if is_held else _Lane.CREATE


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _body_data(
    body: EncodedBody | None, headers: dict[str, str]
) -> bytes | AsyncIterator[memoryview] | None:
    """Return a body for the HTTP client; add the length of a large one to the headers."""
    if body is None or body.is_small:
        return None if body is None else body.joined()
    headers["Content-Length"] = str(body.size)
    return body.stream()


def _silence_limits(upstream: Upstream) -> aiohttp.ClientTimeout:
    seconds = upstream.timeout.total_seconds()
    return aiohttp.ClientTimeout(total=None, connect=seconds, sock_read=seconds)


@asynccontextmanager
async def _bounded(call: CallRecord, upstream: Upstream, limit: timedelta) -> AsyncIterator[None]:
    """Bound the time of a call, and record any error that an upstream can cause."""
    loop, budget = asyncio.get_running_loop(), call.budget
    end = loop.time() + limit.total_seconds()
    try:
        async with (
            time_limit(loop.time, lambda: end)
            if budget is None
            else time_limit(call.clock.boottime, lambda: call.time_limit_end(budget))
        ):
            yield
    except CALL_ERRORS as exception:
        call.error = error_text(exception)
        if isinstance(exception, TimeoutError):
            is_over = call.elapsed_seconds() >= limit.total_seconds()
            call.error = call.timeout_text(limit if is_over else upstream.timeout)


async def _read_head(response: aiohttp.ClientResponse, call: CallRecord) -> bytes:
    """Return the first bytes of a success, and record which kind of file they begin."""
    if response.status not in SUCCESS_STATUSES:
        return b""
    head = bytearray()
    while len(head) < SNIFFED_BYTES and (chunk := await response.content.readany()):
        head += chunk
    call.media_type = media_type_of(bytes(head[:SNIFFED_BYTES]))
    return bytes(head)


async def _read_document(response: aiohttp.ClientResponse, head: bytes, call: CallRecord) -> None:
    """Read what came in place of a file; a success without a file is an error."""
    await call.read_body(response, head)
    if response.status in SUCCESS_STATUSES:
        found = (response.content_type or "an unknown document") if head else "nothing"
        call.error = f"ContentTypeError: {found} in place of a video"


def _is_part(response: aiohttp.ClientResponse, head: bytes) -> bool:
    """Tell whether a response is a part of a file whose first bytes it does not show."""
    starts_later = not response.headers.get("Content-Range", "").startswith("bytes 0-")
    return (
        response.status == HTTPStatus.PARTIAL_CONTENT
        and (starts_later or len(head) < _SHORTEST_HEAD)
        and not response.content_type.startswith(_DOCUMENT_TYPES)
    )


async def _all_chunks(head: bytes, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    yield head
    async for chunk in response.content.iter_any():
        yield chunk
