"""Generates load from clients in a closed loop; prints one line of JSON.

    python bench/gateway/load.py URL OPERATION [--key K] [--clients 16] [--seconds 5] [--id VIDEO]

OPERATION is create, create_mp (multipart with an image of 100 kB), retrieve or content. Latencies
are of complete responses, in milliseconds; the first second is not counted.
"""

import argparse
import asyncio
import json
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

_BOUNDARY = b"tallylight-bench"


class Client(asyncio.Protocol):
    """One connection, which sends the next request after each response."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self.send_next()

    def send_next(self) -> None:
        """Send the next request."""
        self.head, self.left, self.status, self.size = b"", -1, 0, 0
        self.started_at = time.perf_counter()
        self.transport.write(self.load.request())

    def data_received(self, data: bytes) -> None:
        """Read up to the end of the response."""
        if self.left < 0:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.head[:end].lower()
            self.status = int(head[9:12])
            start = head.find(b"content-length:")
            if start < 0:
                raise SystemExit("a response without Content-Length")
            stop = head.find(b"\r\n", start)
            self.left = int(head[start + 15 : stop if stop > 0 else None])
            data = self.head[end + 4 :]
        self.size += len(data)
        if self.size >= self.left:
            self.load.count(self.started_at, self.status, self.size)
            if self.load.is_over:
                self.transport.close()
            else:
                self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        """Count a broken connection."""
        if not self.load.is_over:
            self.load.broken += 1
        if not self.closed.done():
            self.closed.set_result(None)
        del error


class Load:
    """The requests and the measurements."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.number = 0
        self.is_warm = self.is_over = False
        self.latencies: list[float] = []
        self.refused: dict[int, int] = {}
        self.broken = self.bytes = 0

    def request(self) -> bytes:
        """Return the next request."""
        self.number += 1
        args, path = self.args, "/v1/videos"
        if args.operation == "create":
            body = json.dumps(
                {"model": "sora-2", "prompt": f"{args.prompt} {self.number}", "seconds": "4"}
            ).encode()
            return self.post(path, body, b"application/json")
        if args.operation == "create_mp":
            return self.post(path, self.form(), b"multipart/form-data; boundary=" + _BOUNDARY)
        tail = "/content" if args.operation == "content" else ""
        return self.line(b"GET", f"{path}/{args.id}{tail}") + b"\r\n"

    def line(self, method: bytes, path: str) -> bytes:
        """Return the request line and the headers."""
        url = urlsplit(self.args.url)
        head = f" {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {self.args.key}"
        return method + head.encode() + b"\r\n"

    def post(self, path: str, body: bytes, kind: bytes) -> bytes:
        """Return a request with a body."""
        headers = b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        return self.line(b"POST", path) + headers + body

    def form(self) -> bytes:
        """Return a form with an image."""
        image = b"\x89PNG\r\n\x1a\n" + bytes(100_000)
        fields = [
            (b'name="model"', b"sora-2"),
            (b'name="prompt"', b"%s %d" % (self.args.prompt.encode(), self.number)),
            (b'name="input_reference"; filename="a.png"\r\nContent-Type: image/png', image),
        ]
        parts = [
            b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (_BOUNDARY, header, value)
            for header, value in fields
        ]
        return b"".join(parts) + b"--%s--\r\n" % _BOUNDARY

    def count(self, started_at: float, status: int, size: int) -> None:
        """Count a response."""
        if not self.is_warm or self.is_over:
            return
        if status != 200:
            self.refused[status] = self.refused.get(status, 0) + 1
            return
        self.latencies.append(time.perf_counter() - started_at)
        self.bytes += size

    async def run(self) -> dict[str, object]:
        """Run the load and return the measurements."""
        url = urlsplit(self.args.url)
        loop = asyncio.get_running_loop()
        clients: list[Client] = []
        for _ in range(self.args.clients):
            _, client = await loop.create_connection(lambda: Client(self), url.hostname, url.port)
            clients.append(client)
        await asyncio.sleep(1)  # noqa: TID251  # measures real time
        self.is_warm, started_at = True, time.perf_counter()
        await asyncio.sleep(self.args.seconds)  # noqa: TID251
        wall, self.is_over = time.perf_counter() - started_at, True
        await asyncio.wait([client.closed for client in clients], timeout=30)
        latencies = sorted(self.latencies)
        share = {
            name: latencies[int(len(latencies) * part)] * 1000 if latencies else None
            for name, part in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
        }
        return {
            "per_second": round(len(latencies) / wall, 1),
            **{name: value and round(value, 2) for name, value in share.items()},
            "mb_per_second": round(self.bytes / wall / 1e6, 1),
            "refused": self.refused,
            "broken": self.broken,
        }


def main() -> None:
    """Run the load and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("operation", choices=["create", "create_mp", "retrieve", "content"])
    parser.add_argument("--key", default="none")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--id", default="video_00000000")
    parser.add_argument("--prompt", default="a paper boat")
    print(json.dumps(uvloop.run(Load(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
