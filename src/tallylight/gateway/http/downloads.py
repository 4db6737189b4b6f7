"""Streams a video's content: conditional requests, ranges, one chunk in memory at a time."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import structlog

from tallylight.gateway.api import ByteRange, Content
from tallylight.gateway.http.request import HttpRequest
from tallylight.gateway.http.response import ApiResponse, Header
from tallylight.upstreams.media_types import FILE_SUFFIXES

log = structlog.get_logger()

_ETAG = re.compile(r'(?:W/)?("[^"]*")')
_SINGLE_RANGE = re.compile(
    r"bytes\s*+=\s*+(?:(\d{1,18})\s*+-\s*+(\d{1,18})?|-\s*+(\d{1,18}))\s*+", re.IGNORECASE
)
_CACHE_CONTROL: Header = (b"cache-control", b"private, max-age=3600")


@dataclass(frozen=True, slots=True)
class Download:
    """A response that streams content.

    Args:
        content: Opens the content.
        name: File name without its suffix.
        etag: Value of the ETag header.
    """

    content: AbstractAsyncContextManager[Content]
    name: str
    etag: str


def etag_of(id_: str, variant: str) -> str:
    """Return the ETag of a video's content, which never changes once the video is completed."""
    return f'"{quote(id_, safe="")}-{variant}"'


def matches_etag(if_none_match: str, etag: str) -> bool:
    """Tell whether an If-None-Match header matches an ETag (RFC 9110, section 13.1.2)."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def parse_range(range_: str, if_range: str, etag: str) -> ByteRange | None:
    """Return the range that a Range header requests; None to send the whole content.

    A malformed header, several ranges and an If-Range that does not match are ignored, as RFC
    9110, section 14.2, allows.

    Args:
        range_: The Range header, "" for none.
        if_range: The If-Range header, "" for none.
        etag: ETag of the content.
    """
    found = _SINGLE_RANGE.fullmatch(range_)
    if found is None or (if_range and if_range != etag):
        return None
    if found[3] is not None:
        return ByteRange(None, int(found[3]))
    first, last = int(found[1]), None if found[2] is None else int(found[2])
    return ByteRange(first, last) if last is None or last >= first else None


def not_modified(etag: str) -> ApiResponse:
    """Return the response for content that the client already has."""
    headers = ((b"etag", etag.encode("ascii")), _CACHE_CONTROL)
    return ApiResponse(b"", headers, HTTPStatus.NOT_MODIFIED)


async def send_download(download: Download, request: HttpRequest) -> None:
    """Send a download's headers and body.

    Raises:
        ApiError: if there is no such content; then nothing was sent.
        StorageError: if the asset store failed; then nothing was sent.
    """
    async with download.content as content:
        status = 200 if content.served_range is None else 206
        headers = [*_headers(download, content), (b"x-request-id", request.request_id)]
        await request.send({"type": "http.response.start", "status": status, "headers": headers})
        if request.method == "HEAD":
            await request.send({"type": "http.response.body"})
            return
        await send_body(content.chunks, request)


async def send_body(chunks: AsyncIterator[bytes], request: HttpRequest) -> None:
    """Send a body whose headers were sent, until its end or until the client disconnects."""
    await _until_disconnected(_send_chunks(chunks, request), request)


def _headers(download: Download, content: Content) -> list[Header]:
    media_type = content.media_type.partition(";")[0].strip().lower()
    # No other type is told: text/html from an upstream would run under the gateway's origin.
    suffix = FILE_SUFFIXES.get(media_type)
    name = quote(download.name, safe="") + (f".{suffix}" if suffix else "")
    headers = [
        (b"content-type", media_type.encode("ascii") if suffix else b"application/octet-stream"),
        (b"content-disposition", f'attachment; filename="{name}"'.encode("ascii")),
        (b"accept-ranges", b"bytes"),
        (b"etag", download.etag.encode("ascii")),
        _CACHE_CONTROL,
        (b"x-content-type-options", b"nosniff"),
    ]
    if content.served_range is not None:
        first, last = content.served_range
        size = b"*" if content.size is None else b"%d" % content.size
        headers.append((b"content-range", b"bytes %d-%d/%s" % (first, last, size)))
        headers.append((b"content-length", b"%d" % (last - first + 1)))
    elif content.size is not None:
        headers.append((b"content-length", b"%d" % content.size))
    return headers


async def _send_chunks(chunks: AsyncIterator[bytes], request: HttpRequest) -> None:
    # Each send waits until the client has read enough of the chunks before.
    async for chunk in chunks:
        await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await request.send({"type": "http.response.body"})


async def _until_disconnected(
    sending: Coroutine[object, object, None], request: HttpRequest
) -> None:
    """Send until everything is sent or the client disconnects."""
    transfer = asyncio.create_task(sending)
    disconnect = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((transfer, disconnect), return_when=asyncio.FIRST_COMPLETED)
    finally:
        disconnect.cancel()
        if not transfer.done():
            transfer.cancel()
        await asyncio.gather(transfer, disconnect, return_exceptions=True)
    if not transfer.cancelled() and (error := transfer.exception()) is not None:
        # The headers are sent, so a body shorter than its length is the only signal left.
        log.warning("content.interrupted", error=f"{type(error).__name__}: {error}"[:300])


async def _disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
