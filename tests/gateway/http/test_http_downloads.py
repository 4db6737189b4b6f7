"""A download reads no faster than its client, and stops when the client disconnects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Message

from tallylight.gateway.api import Content
from tallylight.gateway.http.downloads import Download, send_download
from tallylight.gateway.http.request import HttpRequest

CHUNK = b"x" * 65536


@dataclass(slots=True)
class Source:
    """Content that counts its reads and breaks off after a number of chunks."""

    chunks: int
    breaks: bool = False
    media_type: str = "video/mp4"
    read: int = 0
    is_closed: bool = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Content]:
        try:
            yield Content(self._read(), self.media_type, self.chunks * len(CHUNK))
        finally:
            self.is_closed = True

    async def _read(self) -> AsyncIterator[bytes]:
        for _ in range(self.chunks):
            self.read += 1
            yield CHUNK
        if self.breaks:
            raise ConnectionResetError("gone")


@dataclass(slots=True)
class Client:
    """The ASGI side of a connection that accepts a chunk when the test allows it."""

    takes: int
    sent: list[Message] = field(default_factory=list)
    full: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if len(self.sent) > self.takes:
            self.full.set()
            await asyncio.Event().wait()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    def request(self) -> HttpRequest:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/videos/video_1/content",
            "headers": [],
            "query_string": b"",
        }
        return HttpRequest.from_scope(scope, self.receive, self.send)

    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


async def test_nothing_is_read_ahead_of_a_slow_client_or_after_a_disconnect() -> None:
    source, client = Source(chunks=1000), Client(takes=3)
    delivery = asyncio.create_task(
        send_download(Download(source.open(), "video_1", '"a"'), client.request())
    )

    await asyncio.wait_for(client.full.wait(), 10)
    read = source.read
    client.left.set()
    await asyncio.wait_for(delivery, 10)

    assert read == 3
    assert source.read == 3
    assert source.is_closed


async def test_an_interrupted_content_is_not_completed() -> None:
    source, client = Source(chunks=2, breaks=True), Client(takes=100)

    await send_download(Download(source.open(), "video_1", '"a"'), client.request())

    assert [message.get("more_body") for message in client.sent[1:]] == [True, True]
    assert source.is_closed


async def test_content_has_a_safe_media_type_whatever_its_service_sends() -> None:
    source, client = Source(chunks=1, media_type="text/html; charset=utf-8"), Client(takes=100)

    await send_download(Download(source.open(), 'a"b', '"a"'), client.request())

    assert client.headers()[b"content-type"] == b"application/octet-stream"
    assert client.headers()[b"content-disposition"] == b'attachment; filename="a%22b"'
    assert client.headers()[b"x-content-type-options"] == b"nosniff"


async def test_a_content_of_unknown_length_is_sent_without_one() -> None:
    @asynccontextmanager
    async def unknown() -> AsyncIterator[Content]:
        async def chunks() -> AsyncIterator[bytes]:
            yield CHUNK

        yield Content(chunks(), "image/webp", None)

    client = Client(takes=100)

    await send_download(Download(unknown(), "video_1-thumbnail", '"a"'), client.request())

    assert b"content-length" not in client.headers()
    assert client.headers()[b"content-disposition"].endswith(b'"video_1-thumbnail.webp"')
    assert not client.sent[-1].get("more_body", False)
