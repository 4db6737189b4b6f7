"""What the proxy does in each trouble: holds commits, hangs a pool, stops a process at a moment."""

import asyncio
from collections.abc import Callable

from bench.chaos.proxy import Interference, ProxiedConnection, is_word


class HeldCommits(Interference):
    """Commits of work do not reach the server until released; then they land."""

    def __init__(self) -> None:
        self.count = 0
        self._is_released = asyncio.Event()

    def release(self) -> None:
        """Let the held commits pass, and all later ones."""
        self._is_released.set()

    async def before_statement(self, connection: ProxiedConnection, sql: str) -> None:
        """Hold a commit of work."""
        if is_word(sql, "commit") and connection.writes and not self._is_released.is_set():
            self.count += 1
            await self._is_released.wait()


class UnheardCommits(Interference):
    """Commits of work land, but their answers are held until released."""

    def __init__(self) -> None:
        self.count = 0
        self._is_released = asyncio.Event()

    def release(self) -> None:
        """Let the held answers pass, and all later ones."""
        self._is_released.set()

    async def before_completion(self, connection: ProxiedConnection, tag: str) -> None:
        """Hold the answer to a commit of work."""
        if tag == "COMMIT" and connection.writes and not self._is_released.is_set():
            self.count += 1
            await self._is_released.wait()


class HungPool(Interference):
    """All connections hang but the one of the heartbeat."""

    def __init__(self) -> None:
        self._is_released = asyncio.Event()

    def release(self) -> None:
        """Let the held statements pass."""
        self._is_released.set()

    async def before_statement(self, connection: ProxiedConnection, sql: str) -> None:
        """Hold every statement, unless the connection has carried a heartbeat."""
        del sql
        if not connection.is_heartbeat:
            await self._is_released.wait()


class StopInTransaction(Interference):
    """Stops the process at its first write of a transaction, which then stays open.

    Args:
        stop: Stops the process; what it sent after the write is held until released.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.is_stopped = asyncio.Event()
        self._stop = stop
        self._is_released = asyncio.Event()
        self._connection: ProxiedConnection | None = None

    def release(self) -> None:
        """Forward what the process sent after the write."""
        self._is_released.set()

    async def before_statement(self, connection: ProxiedConnection, sql: str) -> None:
        """Stop the process at a write, and hold its next statement."""
        if self._connection is connection:
            await self._is_released.wait()
        elif self._connection is None and connection.writes and connection.writes[-1] == sql:
            self._connection = connection
            self._stop()
            self.is_stopped.set()


class StopAfterIntent(Interference):
    """Stops the process when the commit of a create has landed, before it can send.

    Args:
        stop: Stops the process, before it hears of the commit.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.is_stopped = asyncio.Event()
        self._stop = stop

    async def before_completion(self, connection: ProxiedConnection, tag: str) -> None:
        """Stop the process when a create is committed."""
        if tag == "COMMIT" and connection.has_intent and not self.is_stopped.is_set():
            self._stop()
            self.is_stopped.set()
