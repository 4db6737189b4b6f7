"""Which networks an address belongs to, and which of them a URL from a stranger may lead into.

An upstream names URLs in redirects and in results. Followed blindly, they would lead into the
operator's own networks, to services that trust every request from inside (server-side request
forgery, CWE-918). Only the URLs of the configuration may lead there.
"""

import ipaddress
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from yarl import URL

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.addresses import request_url
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.protocols.registry import origins_for


class Network(Enum):
    """A class of networks."""

    PUBLIC = auto()
    PRIVATE = auto()  # RFC 1918, unique local, shared and all others that no router forwards
    LINK_LOCAL = auto()  # also the metadata services of clouds
    LOOPBACK = auto()


#: Local proxies answer with these for every public name ("fake IP"), so they say nothing.
_STAND_INS: Final = ipaddress.ip_network("198.18.0.0/15")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class InnerAddressError(OSError):
    """A URL from an upstream leads to an address in the operator's networks."""


def network_of(address: str) -> Network:
    """Return the network of an IP address; of an IPv6 address that holds an IPv4 one, its network.

    Raises:
        ValueError: if the text is no IP address.
    """
    ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if ip.is_loopback or ip.is_unspecified:  # the unspecified address reaches this machine
        return Network.LOOPBACK
    if ip.is_link_local:
        return Network.LINK_LOCAL
    is_public = ip.is_global and not ip.is_multicast
    return Network.PUBLIC if is_public or ip in _STAND_INS else Network.PRIVATE


def common_network(addresses: Iterable[str]) -> Network:
    """Return the network that all addresses of a host share; PUBLIC if they share none."""
    networks = {network_of(address) for address in addresses}
    return networks.pop() if len(networks) == 1 else Network.PUBLIC


def shares_origin(first: URL, target: URL) -> bool:
    """Tell whether a URL leads to the origin of the first one, or to the https form of it."""
    if target.origin() == first.origin():
        return True
    usual_ports = first.is_default_port() and target.is_default_port()
    upgraded = (first.scheme, target.scheme) == ("http", "https")
    return target.host == first.host and upgraded and usual_ports


def request_address(request: Request, upstream: Upstream) -> str:
    """Return the absolute URL of a request; a path is below the upstream's base URL."""
    if request.url.startswith("/"):
        return upstream.base_url.rstrip("/") + request.url
    return request.url


def configured_url(request: Request, upstream: Upstream) -> URL:
    """Return the URL by which the operator permits a request.

    That is one at an origin of the upstream, the base URL if the request leads to another one; a
    feed has a URL of its own.
    """
    if request.phase is Phase.FEED:
        return request_url(request.url)
    base, *further = map(request_url, origins_for(upstream))
    if not further:
        return base
    target = request_url(request_address(request, upstream))
    return next((each for each in (base, *further) if shares_origin(each, target)), base)


def _unwrapped(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
