"""Stands before all pages: prefix, foreign web sites, security headers, HEAD, ETags, CORS."""

import hashlib
import re
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallylight.documents.web_origins import OwnAddresses, has_foreign_host, has_foreign_origin
from tallylight.status.ports import StatusSources
from tallylight.status.private_paths import FOREIGN_KEY, is_private_path

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_OPEN = re.compile(r"/(?:api/|badge/|(?:services/[^/]+/)?(?:feed\.(?:atom|rss)|calendar\.ics)$)")
_EVENTS_PATH = "/api/events"
_STATIC_PATHS = "/static/"  # files, which have validators of their own

#: The time at which a page was made; the script needs it for relative times only.
_MADE_AT = re.compile(rb' data-now="[^"]{0,40}"')
_RELATIVE = (b"data-ago", b"data-age", b"data-live=")


class ResponseMiddleware:
    """Wraps the status app; the gateway answers `/v1` before a request comes here."""

    def __init__(self, app: ASGIApp, sources: StatusSources) -> None:
        self._app = app
        self._prefix = sources.options.prefix
        self._own = OwnAddresses(sources.is_loopback, sources.options.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A proxy may leave the prefix in the path, or take it off.
        path = _without_prefix(scope["path"], self._prefix)
        headers = dict(scope["headers"])
        is_foreign = has_foreign_host(headers, self._own) or has_foreign_origin(headers, self._own)
        scope = {**scope, "path": path, FOREIGN_KEY: is_foreign}
        is_open = _OPEN.match(path) is not None and not is_private_path(path)
        send_with_headers = _with_headers(send, allows_cors=is_open)
        if is_foreign and is_private_path(path):
            await _send_refusal(send_with_headers)
        elif is_open and scope["method"] == "OPTIONS":
            await _send_preflight(send)
        elif path != "/" and path.endswith("/"):
            await _send_redirect(send_with_headers, self._prefix, path, scope["query_string"])
        elif _is_conditional(scope["method"], path):
            response = _ConditionalResponse(scope, send_with_headers)
            await self._app({**scope, "method": "GET"}, receive, response.handle_message)
        else:
            await self._app(scope, receive, send_with_headers)


def _is_conditional(method: str, path: str) -> bool:
    is_whole = path != _EVENTS_PATH and not path.startswith(_STATIC_PATHS)
    return is_whole and method in {"GET", "HEAD"}


def _without_prefix(path: str, prefix: str) -> str:
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/"
    return path


class _ConditionalResponse:
    """Buffers a response to compute its ETag; sends 304 if it matches, no body for HEAD."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._is_head = scope["method"] == "HEAD"
        self._if_none_match = Headers(scope=scope).get("if-none-match", "")
        self._start: Message = {}
        self._body = bytearray()

    async def handle_message(self, message: Message) -> None:
        """Take one message of the app's response; send it once the last one is there."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = bytes(self._body)
        if self._start["status"] == 200:  # noqa: PLR2004
            tag = f'"{hashlib.sha256(_lasting(body)).hexdigest()[:32]}"'
            headers = MutableHeaders(scope=self._start)
            headers["ETag"] = tag
            headers.setdefault("Cache-Control", "no-cache")  # revalidate with the ETag each time
            if tag in self._if_none_match or self._if_none_match.strip() == "*":
                self._start["status"], body = 304, b""
                del headers["content-length"]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": b"" if self._is_head else body})


def _lasting(body: bytes) -> bytes:
    """Return a body without the time at which it was made, unless what it shows depends on it."""
    return body if any(each in body for each in _RELATIVE) else _MADE_AT.sub(b"", body, count=1)


def _with_headers(send: Send, *, allows_cors: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            # It is the same for the body and its compressed form, so it cannot be a strong one.
            if (tag := headers.get("ETag", "W/")).startswith('"'):
                headers["ETag"] = f"W/{tag}"
            headers.add_vary_header("Accept-Encoding")
            if allows_cors:
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = "ETag"
                for name in ("Accept-Language", "Cookie", "Origin", "Sec-Fetch-Site"):
                    headers.add_vary_header(name)
        await send(message)

    return send_with_headers


async def _send_refusal(send: Send) -> None:
    body = b'{"detail":"This address is not for web pages of other sites; behind a proxy that '
    body += b'passes the name on, set status.public_url."}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_redirect(send: Send, prefix: str, path: str, query: bytes) -> None:
    # Two slashes at its start would make it the address of another host.
    target = prefix.encode("ascii") + quote("/" + path.strip("/")).encode("ascii")
    location = target + (b"?" + query if query else b"")
    headers = [(b"location", location), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _send_preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", b"GET, HEAD"),
        (b"access-control-allow-headers", b"*"),
        (b"access-control-max-age", b"86400"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
