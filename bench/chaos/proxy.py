"""A proxy before PostgreSQL that reads its protocol, and holds or cuts what passes.

It sees each statement before the server does, and each completion before the client does. What
happens then is an `Interference`.

Source:
    "Frontend/Backend Protocol", PostgreSQL's documentation, chapter 55.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

_PROTOCOL_3 = 3 << 16
_ENCRYPTION_REQUESTS = frozenset({80877103, 80877104})
_FLAGS = re.IGNORECASE | re.DOTALL
_WORK = re.compile(r"\b(insert\s+into|update)\s+(videos|attempts|ledger)\b", _FLAGS)
_HEARTBEAT = re.compile(r"^\s*update\s+(processes\b|videos\b.*\bset\s+leased_until)", _FLAGS)
_INTENT = re.compile(r"\binsert\s+into\s+attempts\b", _FLAGS)


class ProxiedConnection:
    """What the statements of one connection have told.

    Args:
        writes: Statements of the current or latest transaction that change videos, attempts or
            the ledger.
        is_heartbeat: It has renewed leases, or raised the counter of its process.
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.is_heartbeat = False
        self._prepared: dict[bytes, str] = {}

    @property
    def has_intent(self) -> bool:
        """Tell whether the transaction records an attempt that is not sent yet."""
        return any(_INTENT.search(sql) for sql in self.writes)

    def statement(self, kind: bytes, body: bytes) -> str | None:
        """Return the SQL that a message of the client executes, None for other messages."""
        match kind:
            case b"Q":
                return self._noted(body.rstrip(b"\0").decode("utf-8", "replace"))
            case b"P":
                name, sql, _ = body.split(b"\0", 2)
                self._prepared[name] = sql.decode("utf-8", "replace")
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                return self._noted(self._prepared.get(name, ""))
            case _:
                pass
        return None

    def _noted(self, sql: str) -> str:
        if is_word(sql, "begin"):
            self.writes = []
        elif _HEARTBEAT.search(sql):
            self.is_heartbeat = True
        elif _WORK.search(sql):
            self.writes.append(sql)
        return sql


def is_word(sql: str, word: str) -> bool:
    """Tell whether a statement begins with a word, in upper or lower case."""
    return sql.lstrip().lower().startswith(word)


class Interference:
    """What a proxy does to what passes; this one does nothing."""

    async def before_statement(self, connection: ProxiedConnection, sql: str) -> None:
        """Return once the server may see a statement."""

    async def before_completion(self, connection: ProxiedConnection, tag: str) -> None:
        """Return once the client may see that a statement has been executed."""


class PostgresProxy:
    """Forwards connections to a server on this machine.

    Args:
        server_port: Port of PostgreSQL.

    Attributes:
        interference: May be replaced at any time.
    """

    def __init__(self, server_port: int) -> None:
        self.interference = Interference()
        self.port = 0
        self._server_port = server_port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def partition(self) -> None:
        """Forward nothing more in either direction; connections stay open."""
        self._is_open.clear()

    def heal(self) -> None:
        """Forward again, first what has come meanwhile."""
        self._is_open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until one side closes it."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        upstream: asyncio.StreamWriter | None = None
        connection = ProxiedConnection()
        try:
            await self._is_open.wait()
            server, upstream = await asyncio.open_connection("127.0.0.1", self._server_port)
            await _forward_startup(reader, writer, upstream)
            await _first_of(
                self._to_server(connection, reader, upstream),
                self._to_client(connection, server, writer),
            )
        except (OSError, EOFError):
            pass  # the other side is closed as well
        finally:
            for side in (writer, upstream):
                if side is not None:
                    side.close()

    async def _to_server(
        self,
        connection: ProxiedConnection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            kind, body, message = await _message(reader)
            sql = connection.statement(kind, body)
            if sql is not None:
                await self.interference.before_statement(connection, sql)
            await self._forward(writer, message)

    async def _to_client(
        self,
        connection: ProxiedConnection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            kind, body, message = await _message(reader)
            if kind == b"C":
                tag = body.rstrip(b"\0").decode("ascii", "replace")
                await self.interference.before_completion(connection, tag)
            await self._forward(writer, message)

    async def _forward(self, writer: asyncio.StreamWriter, message: bytes) -> None:
        await self._is_open.wait()
        writer.write(message)
        await writer.drain()

    async def close_connections(self) -> None:
        """Close all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def postgres_proxy(server_port: int) -> AsyncIterator[PostgresProxy]:
    """Run a proxy for the block."""
    proxy = PostgresProxy(server_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close_connections()


async def _forward_startup(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: asyncio.StreamWriter
) -> None:
    """Forward the first message, which has no type; decline encryption before it."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!II", head)
        if code in _ENCRYPTION_REQUESTS:
            writer.write(b"N")
            continue
        upstream.write(head + await reader.readexactly(length - 8))
        if code != _PROTOCOL_3:
            await upstream.drain()  # a cancel request: the server closes the connection
        return


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    """Return the type, the body and all bytes of the next message."""
    head = await reader.readexactly(5)
    body = await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
    return head[:1], body, head + body


async def _first_of(*pumps: Coroutine[None, None, None]) -> None:
    """Run until the first of several ends, and cancel the others."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await task
