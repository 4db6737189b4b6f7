"""HTTP and HTTPS addresses, and origins of web pages, in configuration files."""

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

ANY_ORIGIN = "*"
"""All origins of web pages."""

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_MAX_PORT = 65_535
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def split_http_url(value: str) -> SplitResult:
    """Return the parts of an http(s) address."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # is parsed only when it is read
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an address; write https://host/path")
    return parts


def parse_http_url(value: str) -> str:
    """Return an http(s) address without its trailing slash."""
    parts = split_http_url(value)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not contain a user, password, ? or #; a key belongs into `key`")
    if not value.isprintable() or " " in value:
        raise ValueError("must not contain a space or a line break")
    return value.rstrip("/")


def parse_origin(value: str) -> str:
    """Return the origin of a web page as browsers write it: "https://app.example.com"."""
    if value == ANY_ORIGIN:
        return value
    found = _ORIGIN.fullmatch(value.strip().lower().removesuffix("/"))
    if found is None or int((found[3] or ":0")[1:]) > _MAX_PORT:
        raise ValueError(
            "is not an origin; write https://host or https://host:port, without a path, "
            'or "*" alone for all'
        )
    scheme, host, port = found.groups(default="")
    return f"{scheme}://{host}{'' if port == _DEFAULT_PORTS.get(scheme) else port}"


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine, so that requests leave it nowhere."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_unassigned(url: str) -> bool:
    """Tell whether the name of an address is reserved: no host has it (RFC 6761, 6.2, 6.4)."""
    return (urlsplit(url).hostname or "").endswith((".invalid", ".test"))


def is_private(url: str) -> bool:
    """Tell whether an address is in a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))


HttpUrl = Annotated[str, AfterValidator(parse_http_url), Field(json_schema_extra={"format": "uri"})]

WebOrigin = Annotated[str, AfterValidator(parse_origin)]
"""The origin of a web page, or "*"."""
