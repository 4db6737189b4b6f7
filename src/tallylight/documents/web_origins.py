"""Tells whether a request comes from another web site than ours.

A browser sends requests for any page that its user has open. It says where they come from by
`Origin` and `Sec-Fetch-Site`; and a page whose name was made to point at this machine (DNS
rebinding) is known by the `Host` that it asks for.

Source:
    https://www.w3.org/TR/fetch-metadata/
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """Where a server is to be found.

    Args:
        is_loopback: It listens on this machine only, so that its `Host` is an address or localhost.
        public_url: The address that readers use; "" if it is not known.
    """

    is_loopback: bool
    public_url: str = ""


def has_foreign_host(headers: Mapping[bytes, bytes], own: OwnAddresses) -> bool:
    """Tell whether a request to a server on loopback names a host that is not this machine."""
    host = _host_name(_text(headers, b"host"))
    if not own.is_loopback or not host:
        return False
    if host == "localhost" or host.endswith(".localhost") or host == _host_of(own.public_url):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def has_foreign_origin(headers: Mapping[bytes, bytes], own: OwnAddresses) -> bool:
    """Tell whether a page of another origin sent a request, other than by a link to us."""
    origin = _text(headers, b"origin")
    if origin:
        ours = {
            _authority(f"http://{_text(headers, b'host')}"),
            _authority(f"https://{_text(headers, b'host')}"),
            _authority(own.public_url),
        }
        # "null", of a file or a frame without an origin, has no authority.
        return _authority(origin) not in ours or not _authority(origin)[0]
    if _text(headers, b"sec-fetch-site") not in {"cross-site", "same-site"}:
        return False
    return _text(headers, b"sec-fetch-mode") != "navigate"


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip().lower()


def _host_name(host: str) -> str:
    """Return the name in a Host header, without the port and the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _authority(url: str) -> tuple[str, int | None]:
    """Return the host and the port of an address; ("", None) if it has none."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme))
    except ValueError:
        return ("", None)
