"""Addresses that an upstream names in an answer."""

import re

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def resolved(address: str, base_url: str) -> str:
    """Return an address as an absolute one; nothing of it is quoted anew.

    Args:
        address: "https://host/path", "//host/path", "/path", or "path", which lies in the folder of
            the base URL.
        base_url: The base URL of the upstream.
    """
    origin = _ORIGIN.match(base_url)
    if origin is None or _SCHEME.match(address):
        return address
    if address.startswith("//"):
        return f"{origin[0].partition('//')[0]}{address}"
    if address.startswith("/"):
        return f"{origin[0]}{address}"
    folder = base_url[origin.end() :].rpartition("/")[0]
    return f"{origin[0]}{folder}/{address.removeprefix('./')}"
