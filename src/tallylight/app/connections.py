"""Bounds what idle, slow and many connections cost the server.

uvicorn ends a connection that is idle between two requests, but waits for ever for a first request,
for the rest of a head or a body, and for a client that reads no response. This protocol gives each
of these a time. A full server ends the connection that has sent nothing for longest: one that waits
for a request, else one whose body is not complete.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from itertools import chain
from typing import Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger()

HEAD_SECONDS: Final = 10.0
"""How long a client may take for the head of a request, from the connection or its first byte."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long a connection may be idle between two requests."""

_BODY_SECONDS: Final = 20.0
_LEAST_BYTES_PER_SECOND: Final = 8 * 1024
"""A body may take 20 s, and a second more for every 8 KiB that have come."""

_UNREAD_SECONDS: Final = 120.0
"""How long a client may leave a response unread."""

_RESERVED_DESCRIPTORS: Final = 256  # for the database, probes, callers' upstreams and files
_LEAST_CONNECTIONS: Final = 64
_MOST_CONNECTIONS: Final = 20_000
_CHECK_SECONDS: Final = 5.0


def raise_descriptor_limit() -> int:
    """Raise the limit of open files as far as the system allows; return the connections for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _RESERVED_DESCRIPTORS
    target = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):
            target = soft
        soft = target
    available = wanted if soft == resource.RLIM_INFINITY else soft
    return max(_LEAST_CONNECTIONS, min(_MOST_CONNECTIONS, available - _RESERVED_DESCRIPTORS))


class Awaited(Enum):
    """What a connection waits for from its client; a full server ends them in this order."""

    REQUEST = auto()
    BODY = auto()


class ConnectionRegistry:
    """The open connections, and which of them wait for their clients, the longest first.

    Args:
        most: Limit of all connections.
        most_of_client: Limit of those of one address.
    """

    def __init__(self, most: int, most_of_client: int) -> None:
        self._most = most
        self._most_of_client = most_of_client
        self._by_client: Counter[str] = Counter()
        self._waiting: dict[Awaited, dict[BoundedProtocol, None]] = {each: {} for each in Awaited}
        self._is_full = False

    def admit(self, connection: "BoundedProtocol") -> bool:
        """Take a new connection, at the cost of one that waits; tell whether there is room."""
        address = connection.address
        if self._by_client[address] >= self._most_of_client:
            has_room = self._evict(address)
        elif self._by_client.total() >= self._most:
            has_room = self._evict(None)
        else:
            has_room, self._is_full = True, False
        self._by_client[address] += 1
        self.set_awaited(connection, Awaited.REQUEST)
        return has_room

    def remove(self, connection: "BoundedProtocol") -> None:
        """Forget a connection."""
        self.set_awaited(connection, None)
        self._by_client[connection.address] -= 1
        if self._by_client[connection.address] <= 0:
            del self._by_client[connection.address]

    def set_awaited(self, connection: "BoundedProtocol", awaited: Awaited | None) -> None:
        """Say what a connection waits for from now on; None if it does not wait for its client."""
        for waiting in self._waiting.values():
            waiting.pop(connection, None)
        if awaited is not None:
            self._waiting[awaited][connection] = None

    def _evict(self, address: str | None) -> bool:
        if not self._is_full:
            self._is_full = True
            log.warning("connections.full", client=address or "any", open=self._by_client.total())
        for connection in chain.from_iterable(self._waiting.values()):
            is_meant = address is None or connection.address == address
            if is_meant and not connection.is_held_up:
                self.set_awaited(connection, None)
                connection.end()
                return True
        return False


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a time for each thing that a client may leave undone."""

    registry: ConnectionRegistry
    address = ""
    _timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _is_admitted = False
    _is_in_request = False
    _body_bytes = 0

    @property
    def is_held_up(self) -> bool:
        """Tell whether the client cannot send because the app has not read yet."""
        return self.flow.read_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if there is room for it."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._is_admitted = True
        if not self.registry.admit(self):
            self.end()
            return
        self._start(HEAD_SECONDS, self._end_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        self._stop_unread()
        if self._is_admitted:
            self.registry.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; the first byte of a head begins its time."""
        if self._timer is None and not self._is_in_request:
            self._start(HEAD_SECONDS, self._end_head)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Begin the request, and the time of its body."""
        self._stop()
        self._is_in_request = True
        self.registry.set_awaited(self, Awaited.BODY)
        super().on_headers_complete()
        self._body_bytes = 0
        began = self.loop.time()
        self._start(_CHECK_SECONDS, partial(self._check_body, began))

    def on_body(self, body: bytes) -> None:
        """Count the body."""
        self._body_bytes += len(body)
        self.registry.set_awaited(self, Awaited.BODY)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the time of the body."""
        self._stop()
        self.registry.set_awaited(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.pipeline and self.cycle.response_complete:
            self._is_in_request = False
            self.registry.set_awaited(self, Awaited.REQUEST)

    def pause_writing(self) -> None:
        """Begin the time in which the client must read."""
        super().pause_writing()
        self._stop_unread()
        self._unread_timer = self.loop.call_later(_UNREAD_SECONDS, self.abort)

    def resume_writing(self) -> None:
        """End that time."""
        super().resume_writing()
        self._stop_unread()

    def end(self) -> None:
        """Close the connection."""
        self._stop()
        self.transport.close()

    def abort(self) -> None:
        """Close the connection without sending what is left."""
        self.transport.abort()

    def _end_head(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.end()

    def _check_body(self, began: float) -> None:
        self._timer = None
        allowed = _BODY_SECONDS + self._body_bytes / _LEAST_BYTES_PER_SECOND
        if self.flow.read_paused:  # the app is slow, not the client
            began = self.loop.time() - self._body_bytes / _LEAST_BYTES_PER_SECOND
        elif self.loop.time() - began > allowed:
            self.abort()
            return
        self._start(_CHECK_SECONDS, partial(self._check_body, began))

    def _start(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, then)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def bounded_protocol(registry: ConnectionRegistry) -> type[BoundedProtocol]:
    """Return the protocol class of a server, whose connections share a registry."""
    return type("ServerProtocol", (BoundedProtocol,), {"registry": registry})
