"""Streams the answer to a request for images: JSON with the images in base64.

A whole answer of ten images would be held in memory twice; one chunk at a time is not.
"""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from tallylight.gateway.api import Images
from tallylight.gateway.http.downloads import send_body
from tallylight.gateway.http.request import HttpRequest
from tallylight.gateway.http.response import Header
from tallylight.gateway.http.serialize import video_headers

_OUTPUT_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
_PLAIN_BYTES, _DIGITS = 3, 4  # base64 writes three bytes as four digits


@dataclass(frozen=True, slots=True)
class ImagesAnswer:
    """A response that streams images in JSON."""

    images: Images


async def send_images(answer: ImagesAnswer, request: HttpRequest) -> None:
    """Send the headers and the body of an answer with images."""
    images = answer.images
    texts = tuple(_texts(images))
    size = sum(map(len, texts)) + sum(_encoded_size(each.size) for each in images.files)
    headers = [*_headers(images, size), (b"x-request-id", request.request_id)]
    await request.send({"type": "http.response.start", "status": 200, "headers": headers})
    await send_body(_body(images, texts), request)


def _headers(images: Images, size: int) -> tuple[Header, ...]:
    return (
        (b"content-type", b"application/json"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", b"%d" % size),
        (b"x-tallylight-video", images.video.id.encode("ascii")),
        *video_headers(images.video),
    )


def _texts(images: Images) -> Iterator[bytes]:
    """Yield what stands before the first image, between two of them, and after the last."""
    video = images.video
    yield b'{"created":%d,"data":[{"b64_json":"' % int(
        (video.ended_at or video.created_at).timestamp()
    )
    for _ in images.files[1:]:
        yield b'"},{"b64_json":"'
    told = {
        "output_format": _OUTPUT_FORMATS.get(images.media_type, ""),
        "quality": images.quality,
        "size": video.told_size,
    }
    members = json.dumps({name: each for name, each in told.items() if each}, separators=(",", ":"))
    yield b'"}],' + members[1:].encode("ascii") if members != "{}" else b'"}]}'


async def _body(images: Images, texts: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for text, each in zip(texts, images.files, strict=False):  # one text more, at the end
        yield text
        async for digits in _encoded(each.chunks):
            yield digits
    yield texts[-1]


async def _encoded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        rest += chunk
        whole = len(rest) // _PLAIN_BYTES * _PLAIN_BYTES
        yield base64.b64encode(rest[:whole])
        rest = rest[whole:]
    yield base64.b64encode(rest)


def _encoded_size(size: int) -> int:
    return -(-size // _PLAIN_BYTES) * _DIGITS
