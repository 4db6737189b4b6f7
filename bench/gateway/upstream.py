"""A minimal upstream for benchmarks: the Videos API in raw bytes.

    python bench/gateway/upstream.py PORT [CONTENT_MB]

Every create is accepted. A job with "done" in its prompt is completed at once. All others stay in
progress and ask for one poll a minute, so that only creates are measured.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
_FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
_CHUNK = bytes(256 * 1024)


class Upstream(asyncio.Protocol):
    """One connection with successive requests."""

    jobs: dict[bytes, bool] = {}  # noqa: RUF012  # one upstream per process
    content_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.buffer = b""
        self.can_write = asyncio.Event()
        self.can_write.set()

    def pause_writing(self) -> None:
        """Pause until the client has read enough."""
        self.can_write.clear()

    def resume_writing(self) -> None:
        """Resume."""
        self.can_write.set()

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            length = _length(head)
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            method, path = self.buffer[: self.buffer.find(b" HTTP/")].split(b" ", 1)
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(method, path.partition(b"?")[0], body)

    def answer(self, method: bytes, path: bytes, body: bytes) -> None:
        """Answer one request."""
        if path.endswith(b"/content"):
            self.sending = asyncio.ensure_future(self.send_content())
        elif method == b"POST":
            job, is_done = b"video_%08d" % len(self.jobs), b"done" in body
            self.jobs[job] = is_done
            self.reply(_video(job, is_done=False), 1000 if is_done else 60_000)
        elif path.endswith(b"/models"):
            self.reply({"object": "list", "data": [{"id": "sora-2", "object": "model"}]})
        else:
            job = path.rpartition(b"/")[2]
            self.reply(_video(job, is_done=self.jobs.get(job, True)))

    def reply(self, document: object, poll_after_ms: int = 60_000) -> None:
        """Send JSON."""
        body = json.dumps(document).encode()
        poll_after = b"openai-poll-after-ms: %d\r\n" % poll_after_ms
        head = _HEAD % (b"application/json", len(body), poll_after)
        self.transport.write(head + body)

    async def send_content(self) -> None:
        """Send the configured number of bytes, which begin as a film does."""
        start = _FILM[: self.content_bytes]
        self.transport.write(_HEAD % (b"video/mp4", self.content_bytes, b"") + start)
        left = self.content_bytes - len(start)
        while left > 0 and not self.transport.is_closing():
            await self.can_write.wait()
            self.transport.write(_CHUNK[:left])
            left -= len(_CHUNK)


def _length(head: bytes) -> int:
    at = head.find(b"content-length:")
    if at < 0:
        return 0
    stop = head.find(b"\r\n", at)
    return int(head[at + 15 : stop if stop > 0 else None])


def _video(job: bytes, *, is_done: bool) -> dict[str, object]:
    return {
        "id": job.decode(),
        "object": "video",
        "model": "sora-2",
        "status": "completed" if is_done else "in_progress",
        "progress": 100 if is_done else 10,
        "created_at": 1_790_000_000,
        "prompt": "",
        "seconds": "4",
        "size": "1280x720",
    }


async def main(port: int, content_mb: int) -> None:
    """Serve until killed."""
    Upstream.content_bytes = content_mb * 1024 * 1024
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
