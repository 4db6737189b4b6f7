"""HTTP responses: JSON with headers, byte ranges and conditional requests."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime, parsedate_to_datetime

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tallylight.simulator.faults import Refuse
from tallylight.simulator.time_scale import ScenarioClock

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HTTP_OK = 200
_HTTP_PARTIAL = 206
_CHUNK_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True)
class SimulatedResponse:
    """A response with a fixed body."""

    status: int
    body: JsonValue
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> Response:
        """Return the Starlette response: a string as it is, anything else as JSON."""
        if isinstance(self.body, str):
            media = "text/html" if self.body.lstrip().startswith("<") else "text/plain"
            return Response(self.body, self.status, self.headers, media_type=media)
        return JSONResponse(self.body, self.status, self.headers)


def scripted_response(fault: Refuse) -> SimulatedResponse:
    """Return the response that a scenario gives."""
    return SimulatedResponse(fault.http_status or 500, fault.body, fault.headers)


def range_response(
    request: Request,
    data: bytes,
    media_type: str,
    headers: Mapping[str, str] | None = None,
    padding: int = 0,
) -> Response:
    """Return the bytes, or the requested range of them (RFC 9110, section 14).

    `padding` zero bytes follow the data; they are generated while they are sent.
    """
    size = len(data) + padding
    common = {"accept-ranges": "bytes", **(headers or {})}
    requested = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    first, last, status = 0, size - 1, _HTTP_OK
    if requested is not None and any(requested.groups()):
        first, last = _range_bounds(requested.group(1), requested.group(2), size)
        if first > last:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
        status = _HTTP_PARTIAL
        common["content-range"] = f"bytes {first}-{last}/{size}"
    if not padding:
        return Response(data[first : last + 1], status, common, media_type)
    common["content-length"] = str(last + 1 - first)
    return StreamingResponse(_padded_chunks(data, first, last + 1), status, common, media_type)


async def _padded_chunks(data: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    if start < len(data):
        yield data[start:end]
    zeros = bytes(_CHUNK_SIZE)
    for offset in range(max(start, len(data)), end, _CHUNK_SIZE):
        yield zeros[: end - offset]


def _range_bounds(first: str, last: str, length: int) -> tuple[int, int]:
    if not first:  # "-500" means the last 500 bytes
        return max(0, length - int(last)), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1


def conditional_response(
    request: Request, response: Response, clock: ScenarioClock, changed_at: float
) -> Response:
    """Return 304 if the client has this body already (RFC 9110, section 13), else the response."""
    tag = f'W/"{hashlib.sha256(bytes(response.body)).hexdigest()[:24]}"'
    date = clock.datetime_at(changed_at).replace(microsecond=0)
    validators = {
        "etag": tag,
        "last-modified": format_datetime(date, usegmt=True),
        "cache-control": "max-age=0, must-revalidate",
    }
    response.headers.update(validators)
    tags = request.headers.get("if-none-match")
    since = request.headers.get("if-modified-since")
    if tags is not None:  # takes precedence over the date
        is_current = tag in (one.strip() for one in tags.split(","))
    else:
        is_current = since is not None and date <= parsedate_to_datetime(since)
    return Response(status_code=304, headers=validators) if is_current else response
