"""Addresses that an upstream names, in an answer or a redirect: resolved, and asked for as named.

The signature of an address is valid for one request target, byte for byte. So its escapes are never
rewritten: "%2f" stays "%2f", and "~" is not escaped. Only what no request target can hold is
escaped: spaces, control characters and characters beyond ASCII.
"""

import re
from urllib.parse import quote, urljoin, urlsplit

from yarl import URL

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}+:", re.IGNORECASE)
_HTTP = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
_UNSENDABLE = re.compile(r"[^!-~]+")


def resolved_address(text: str, base: str) -> str:
    """Return an address as an absolute http or https one without its fragment, "" if it is none.

    Args:
        text: The address as it was named: absolute, "//host/path", "/path" or "path".
        base: What it is relative to: the base URL of the upstream, or the URL that redirects; ""
            takes absolute addresses alone.
    """
    text = text.strip().partition("#")[0]
    origin = _HTTP.match(base)
    if _SCHEME.match(text):
        address = text
    elif not text or origin is None:
        return ""
    elif text.startswith("//"):
        address = f"{origin[1]}:{text}"
    elif text.startswith("/"):
        address = f"{origin[0]}{text}"
    else:
        address = _below(text, base.partition("#")[0], origin[0])
    return address if _is_http(address) else ""


def is_at_host(address: str, base: str) -> bool:
    """Tell whether an address, resolved against a base URL, leads to the same host and port."""
    hosts = [_HTTP.match(each) for each in (resolved_address(address, base), base)]
    return len({each and each[2].casefold() for each in hosts}) == 1


def request_url(address: str) -> URL:
    """Return the URL that asks for an absolute address byte for byte.

    Raises:
        ValueError: if it is no http or https address.
    """
    found = _HTTP.match(address)
    if found is None:
        raise ValueError(f"{address[:100]} is not an http or https address")
    origin = URL(found[0])  # the host may be an international name
    if not origin.host:
        raise ValueError(f"{address[:100]} has no host")
    target = _UNSENDABLE.sub(_escaped, address[found.end() :].partition("#")[0])
    target = target if target.startswith("/") else f"/{target}"
    # All of the target as the path: an empty query would lose its question mark.
    return URL.build(
        scheme=origin.scheme, authority=origin.raw_authority, path=target, encoded=True
    )


def _below(text: str, base: str, origin: str) -> str:
    """Return an address relative to the folder of a base."""
    path = base.partition("?")[0]
    if text.startswith("?"):
        return path + text
    relative, mark, query = text.partition("?")
    if relative.startswith("."):
        return urljoin(path, relative) + mark + query
    folder = path[: path.rindex("/") + 1] if len(path) > len(origin) else f"{origin}/"
    return folder + text


def _is_http(address: str) -> bool:
    if _HTTP.match(address) is None:
        return False
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _escaped(found: re.Match[str]) -> str:
    # A header of raw bytes holds them as lone surrogates.
    return quote(found[0].encode("utf-8", "surrogateescape"), safe="")
