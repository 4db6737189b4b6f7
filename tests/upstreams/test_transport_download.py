import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.errors import StorageError
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.transport import Transport

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 20_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
MANY = 50_000_000
WANTED = get(Phase.CONTENT, "/videos/video_1/content")


def whole(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_video_is_written_to_its_file_and_nowhere_else(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> None:
    upstream = make_upstream(await serve(whole(VIDEO)))
    target = tmp_path / "deep" / "1.mp4"

    reply = await transport.download(WANTED, upstream, target, MANY)

    assert (reply.status, reply.error, reply.body) == (200, "", "")
    assert files_in(tmp_path / "deep") == ["1.mp4"]
    assert target.read_bytes() == VIDEO


@pytest.mark.parametrize(
    ("raw", "limit", "error"),
    [
        (HEAD + b"Content-Length: 9000000\r\n\r\n" + VIDEO, MANY, "ClientPayloadError: "),
        (whole(VIDEO), 1_000_000, "DownloadTooLargeError: more than 1000000 bytes"),
        (
            whole(b"<html>Sign in</html>", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
            MANY,
            "ContentTypeError: text/html in place of a video",
        ),
    ],
)
async def test_an_incomplete_video_leaves_no_file(  # noqa: PLR0913, PLR0917  # fixtures
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    tmp_path: Path,
    raw: bytes,
    limit: int,
    error: str,
) -> None:
    upstream = make_upstream(await serve(raw))

    reply = await transport.download(WANTED, upstream, tmp_path / "1.mp4", limit)

    assert reply.status == 200
    assert reply.error.startswith(error)
    assert files_in(tmp_path) == []


async def test_a_refusal_is_kept_as_text(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> None:
    body = b'{"error":{"message":"Task not found"}}'
    raw = whole(body, b"HTTP/1.1 404 No\r\nContent-Type: application/json\r\n")
    upstream = make_upstream(await serve(raw))

    reply = await transport.download(WANTED, upstream, tmp_path / "1.mp4", MANY)

    assert (reply.status, reply.body, reply.error) == (404, body.decode(), "")
    assert files_in(tmp_path) == []


async def test_silence_ends_a_download_and_leaves_no_file(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> None:
    async def half(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 9000000\r\n\r\n" + VIDEO[:1000])
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(half), timeout=0.2)

    reply = await transport.download(WANTED, upstream, tmp_path / "1.mp4", MANY)

    assert reply.error == "TimeoutError: no end of the answer within 0.2 s"
    assert files_in(tmp_path) == []


async def test_cancellation_leaves_no_file(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> None:
    halfway = asyncio.Event()

    async def half(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 9000000\r\n\r\n" + VIDEO)
        await writer.drain()
        halfway.set()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(half))
    download = transport.download(WANTED, upstream, tmp_path / "1.mp4", MANY)
    task = asyncio.create_task(download)
    await halfway.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_in(tmp_path) == []


async def test_a_redirect_to_a_file_store_drops_the_key(  # noqa: PLR0913, PLR0917  # fixtures
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    tmp_path: Path,
    received: list[bytes],
    planted_key: str,
) -> None:
    store = await serve(whole(VIDEO))
    moved = f"HTTP/1.1 302 Found\r\nLocation: {store}/1.mp4?sig=x\r\nContent-Length: 0\r\n\r\n"
    upstream = make_upstream(await serve(moved.encode()))

    reply = await transport.download(WANTED, upstream, tmp_path / "1.mp4", MANY)

    assert reply.error == ""
    assert [planted_key.encode() in request for request in received] == [True, False]


async def test_our_own_disk_is_not_the_upstreams_fault(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, tmp_path: Path
) -> None:
    upstream = make_upstream(await serve(whole(VIDEO)))
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="cannot write"):
        await transport.download(WANTED, upstream, tmp_path / "file" / "1.mp4", MANY)
