"""Sends a video's bytes as they come: never more than a chunk in memory, none to who has left."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import quote

import structlog

from tallylight.gateway.api import ByteRange, Content
from tallylight.gateway.http.request import HttpRequest
from tallylight.gateway.http.response import Header

log = structlog.get_logger()

_SUFFIXES = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "image/webp": "webp",
    "image/png": "png",
    "image/jpeg": "jpg",
}
"""What content may call itself; an upstream that says text/html must not run in our address."""

_ETAG = re.compile(r'(?:W/)?("[^"]*")')
_SINGLE_RANGE = re.compile(
    r"bytes\s*+=\s*+(?:(\d{1,18})\s*+-\s*+(\d{1,18})?|-\s*+(\d{1,18}))\s*+", re.IGNORECASE
)
_CACHE_CONTROL: Header = (b"cache-control", b"private, max-age=3600")


@dataclass(frozen=True, slots=True)
class Download:
    """An answer that is a content.

    Args:
        content: Opens it.
        name: Of the file, without its suffix.
        tag: The ETag.
    """

    content: AbstractAsyncContextManager[Content]
    name: str
    etag: str


@dataclass(frozen=True, slots=True)
class NotModified:
    """An answer that is a content which its client has already.

    Args:
        tag: The ETag.
    """

    etag: str


def etag_of(id_: str, variant: str) -> str:
    """Return the ETag of a video's content, which never changes once it is there."""
    return f'"{quote(id_, safe="")}-{variant}"'


def matches_etag(if_none_match: str, etag: str) -> bool:
    """Tell whether a client has a content, by its If-None-Match (RFC 9110, section 13.1.2)."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def parse_range(range_: str, if_range: str, etag: str) -> ByteRange | None:
    """Return the one span that a Range header asks for; None where the whole is to be sent.

    A header that is not understood, or asks for several spans, is as good as none; so is one
    whose If-Range names something else than what is here.

    Args:
        range_: The Range header, "" for none.
        if_range: The If-Range header, "" for none.
        tag: What stands here, as its ETag says.
    """
    found = _SINGLE_RANGE.fullmatch(range_)
    if found is None or (if_range and if_range != etag):
        return None
    if found[3] is not None:
        return ByteRange(None, int(found[3]))
    first, last = int(found[1]), None if found[2] is None else int(found[2])
    return ByteRange(first, last) if last is None or last >= first else None


async def send_not_modified(response: NotModified, request: HttpRequest) -> None:
    """Tell that what the client has is still the content."""
    headers = [
        (b"etag", response.etag.encode("ascii")),
        _CACHE_CONTROL,
        (b"x-request-id", request.request_id),
    ]
    await request.send({"type": "http.response.start", "status": 304, "headers": headers})
    await request.send({"type": "http.response.body"})


async def send_download(download: Download, request: HttpRequest) -> None:
    """Send a download's head and body.

    Raises:
        RefusalError: if there is no such content; then nothing was sent.
        StorageError: likewise.
    """
    async with download.content as content:
        status = 200 if content.served_range is None else 206
        headers = [*_headers(download, content), (b"x-request-id", request.request_id)]
        await request.send({"type": "http.response.start", "status": status, "headers": headers})
        if request.method == "HEAD":
            await request.send({"type": "http.response.body"})
            return
        await _until_disconnected(_send_chunks(content.chunks, request), request)


def _headers(download: Download, content: Content) -> list[Header]:
    kind = content.media_type.partition(";")[0].strip().lower()
    suffix = _SUFFIXES.get(kind)
    name = quote(download.name, safe="") + (f".{suffix}" if suffix else "")
    headers = [
        (b"content-type", kind.encode("ascii") if suffix else b"application/octet-stream"),
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
    # Each send waits until the client has taken enough of what came before.
    async for chunk in chunks:
        await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
    await request.send({"type": "http.response.body"})


async def _until_disconnected(
    sending: Coroutine[object, object, None], request: HttpRequest
) -> None:
    """Send on until all is sent, or the client has left."""
    passing = asyncio.create_task(sending)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not passing.done():
            passing.cancel()
        await asyncio.gather(passing, leaving, return_exceptions=True)
    if not passing.cancelled() and (error := passing.exception()) is not None:
        # The head is sent: that less follows than it says is all that the client can be told.
        log.warning("content.interrupted", error=f"{type(error).__name__}: {error}"[:300])


async def _disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
