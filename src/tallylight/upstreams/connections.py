"""Pools of connections to upstreams, parted by the networks that a request may reach.

The network is checked where the socket is made, after the name was resolved: a name that resolves
to another address a moment later reaches nothing else. A pool serves one permission alone, so no
request uses a connection that another request was permitted to open.
"""

import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.call_record import write_tracing
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.networks import (
    InnerAddressError,
    Network,
    common_network,
    configured_url,
    network_of,
    shares_origin,
)

_DNS_CACHE_SECONDS = 10
"""Shorter than the usual interval of a probe, so that each probe resolves the name again."""

_KEEPALIVE_SECONDS = 4
"""Shorter than the 5 s after which uvicorn, Node and Apache close an idle connection.

A create sent into a connection that is being closed is in doubt, which may cost a video.
"""

_ALL_NETWORKS = frozenset(Network)
_IP_FAMILIES = {socket.AF_INET, socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Permission:
    """What a request to one URL may reach.

    Args:
        networks: Networks in which its host may lie.
        is_foreign: The URL came from an upstream, and its host may lie in an inner network.
    """

    networks: frozenset[Network]
    is_foreign: bool = False


_CONFIGURED = Permission(_ALL_NETWORKS)
_PUBLIC = Permission(frozenset({Network.PUBLIC}))


class ConnectionPools:
    """Sessions of the HTTP client by permission; an async context manager."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        """Create the pools; the resolver is the system's unless one is given."""
        self._resolver = resolver
        self._sessions: dict[frozenset[Network], aiohttp.ClientSession] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._resolver = self._resolver or aiohttp.DefaultResolver()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sessions.clear()
        await self._open.aclose()

    async def permission(self, request: Request, upstream: Upstream, url: URL) -> Permission:
        """Return what a request may reach on its way to a URL of its own or of a redirect.

        The configured origin may lie anywhere. Other URLs are public ones, except that the files of
        an upstream in an inner network may lie beside it, as on a store of a self-hosted server.
        """
        configured = configured_url(request, upstream)
        if shares_origin(configured, url):
            return _CONFIGURED
        if request.phase is not Phase.CONTENT:
            return _PUBLIC
        own = await self._network(configured)
        return (
            _PUBLIC
            if own is Network.PUBLIC
            else Permission(_PUBLIC.networks | {own}, is_foreign=True)
        )

    def session(self, permission: Permission) -> aiohttp.ClientSession:
        """Return the session whose connections reach the permitted networks alone."""
        if self._resolver is None:
            raise RuntimeError("a transport must be used inside its `async with`")
        networks = permission.networks
        if networks not in self._sessions:
            self._sessions[networks] = _new_session(networks, self._resolver)
            self._open.push_async_callback(self._sessions[networks].close)
        return self._sessions[networks]

    async def _network(self, url: URL) -> Network:
        """Return the network of a configured host."""
        host = url.host or ""
        try:
            return network_of(host)
        except ValueError:
            pass
        if self._resolver is None:
            return Network.PUBLIC
        try:
            found = await self._resolver.resolve(host, url.port or 0)
        except OSError:
            return Network.PUBLIC
        return common_network(each["host"] for each in found)


def _new_session(networks: frozenset[Network], resolver: AbstractResolver) -> aiohttp.ClientSession:
    def open_socket(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if networks != _ALL_NETWORKS and (
            family not in _IP_FAMILIES or network_of(target[0]) not in networks
        ):
            raise InnerAddressError("the URL leads into a network that no upstream may name")
        return socket.socket(family, kind, protocol)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            resolver=resolver,
            ttl_dns_cache=_DNS_CACHE_SECONDS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            socket_factory=open_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "tallylight"},
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[write_tracing()],
        trust_env=False,
    )
