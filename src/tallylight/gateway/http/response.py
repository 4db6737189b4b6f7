"""JSON responses, and the error object of the Videos API with its headers."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from tallylight.gateway.api import RangeNotSatisfiableError
from tallylight.gateway.requests import ApiError

Header = tuple[bytes, bytes]

_JSON = (b"content-type", b"application/json")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_DO_NOT_RETRY = (b"x-should-retry", b"false")
_FINAL_STATUSES = frozenset(
    {
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that the SDKs retry on their own, though the same request is answered the same again."""

_DEFAULT_RETRY_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """One JSON response, or one without a body."""

    body: bytes
    headers: tuple[Header, ...] = ()
    status: int = 200

    def all_headers(self) -> list[Header]:
        """Return all headers except the request id."""
        if not self.body:  # 304 has neither a type nor a length
            return list(self.headers)
        length = (b"content-length", b"%d" % len(self.body))
        return [_JSON, _NOSNIFF, length, *self.headers]


def api_error_response(error: ApiError) -> ApiResponse:
    """Return an error as the Videos API's error object."""
    members = {
        "message": error.message,
        "type": error.type,
        "param": error.param or None,
        "code": error.code or None,
    }
    body = json.dumps({"error": members}, ensure_ascii=True).encode("ascii")
    return ApiResponse(body, tuple(_headers(error)), int(error.status))


def _headers(error: ApiError) -> list[Header]:
    wait = error.retry_after
    # The SDKs retry 503 on their own; this sets their pause.
    if wait is None and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait = _DEFAULT_RETRY_AFTER
    headers = [] if wait is None else _retry_after_headers(wait)
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        case _ if wait is None and error.status in _FINAL_STATUSES:
            headers.append(_DO_NOT_RETRY)  # or the SDK retries twice for the same result
        case _:
            pass
    if isinstance(error, RangeNotSatisfiableError) and error.size is not None:
        headers.append((b"content-range", b"bytes */%d" % error.size))
    return headers


def _retry_after_headers(wait: timedelta) -> list[Header]:
    seconds = max(wait.total_seconds(), 0.0)
    return [
        (b"retry-after", b"%d" % max(math.ceil(seconds), 1)),
        (b"retry-after-ms", b"%d" % max(math.ceil(seconds * 1000), 1)),
    ]
