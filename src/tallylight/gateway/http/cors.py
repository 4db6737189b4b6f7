"""Lets web pages of allowed origins call the API (CORS): by their keys, never by cookies.

Source:
    https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from collections.abc import Collection

from starlette.types import Message, Send

from tallylight.documents.addresses import ANY_ORIGIN
from tallylight.gateway.http.request import HttpRequest
from tallylight.gateway.http.response import Header

_EXPOSED = (
    b"x-request-id, x-tallylight-video, x-tallylight-service, x-tallylight-attempts, "
    b"x-tallylight-cost, x-tallylight-substituted, openai-poll-after-ms, retry-after, "
    b"retry-after-ms, "
    b"x-should-retry, allow, content-disposition, content-range, content-length, "
    b"accept-ranges, etag"
)
"""Headers of answers that a page may read; without this it reads only a few plain ones."""

_VARY: Header = (b"vary", b"Origin")
_METHODS = b"GET, HEAD, POST, DELETE"
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4000}")
_MAX_AGE = b"600"  # seconds; a reload may take an origin away


def is_preflight(request: HttpRequest) -> bool:
    """Tell whether a browser asks what a page may send; it sends no key with that."""
    return request.method == "OPTIONS" and b"access-control-request-method" in request.headers


def preflight_headers(request: HttpRequest, allowed: Collection[str]) -> tuple[Header, ...]:
    """Return what a page of an allowed origin may send; nothing for other pages."""
    if not _allows(request, allowed):
        return ()
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-max-age", _MAX_AGE),
    ]
    names = request.headers.get(b"access-control-request-headers", b"")
    # The SDKs send many headers, and "*" would not cover the one with the key.
    if _HEADER_NAMES.fullmatch(names):
        headers.append((b"access-control-allow-headers", names))
    return tuple(headers)


def send_with_cors(request: HttpRequest, allowed: Collection[str]) -> Send:
    """Return the `send` of a request that lets allowed pages read whatever is answered."""
    headers = [_VARY]
    if _allows(request, allowed):
        origin = b"*" if ANY_ORIGIN in allowed else request.headers[b"origin"]
        headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await request.send(message)

    return send


def _allows(request: HttpRequest, allowed: Collection[str]) -> bool:
    origin = request.header(b"origin")
    return bool(origin) and (ANY_ORIGIN in allowed or origin in allowed)
