"""What the clients share: configuration, opening, closing, threads, tasks and callbacks."""

import asyncio
import atexit
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Self, TypeVar

import structlog

from tallylight.config.settings import Configuration, load_configuration

log = structlog.get_logger()

_T = TypeVar("_T")


class ConfiguredClient(ABC):
    """A client of one configuration."""

    @abstractmethod
    def __init__(self, configuration: Configuration) -> None: ...

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Self:
        """Return a client for a configuration file.

        Args:
            path: The file; None searches for it as the commands do.

        Raises:
            ConfigurationError: lists every problem of the file.
        """
        return cls(configuration_at(path))


class AsyncClient(ConfiguredClient):
    """A client for programs with an event loop.

    `async with` opens it, or the first call that needs it. `aclose` closes it.
    """

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    @abstractmethod
    async def aclose(self) -> None:
        """Close the client, its database and its connections."""

    @abstractmethod
    async def _open(self) -> object: ...


class LoopThread:
    """Runs coroutines of one client until the client is closed or the program ends.

    Args:
        aclose: Closes the client; it is the last coroutine to run.
        name: What error messages call the client.
    """

    def __init__(self, aclose: Callable[[], Coroutine[object, object, None]], name: str) -> None:
        self._aclose = aclose
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tallylight", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    @property
    def is_closed(self) -> bool:
        """Tell whether the client is closed."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[object, object, _T]) -> _T:
        """Return the result of a coroutine.

        An exception in the calling thread, such as KeyboardInterrupt, cancels the coroutine.

        Raises:
            RuntimeError: if the client is closed.
        """
        if self.is_closed:
            work.close()  # a coroutine that is never awaited would warn
            raise RuntimeError(f"this {self._name} is closed")
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        finally:
            running.cancel()

    def close(self) -> None:
        """Close the client and end the thread; a second call does nothing."""
        if self.is_closed:
            return
        self.run(self._aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        atexit.unregister(self.close)


class BlockingClient(ConfiguredClient):
    """A client for programs without an event loop; it runs one in a thread of its own.

    The first call opens it. `close`, the end of a `with` block or the end of the program closes it.
    """

    _thread: LoopThread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client and end its thread; a second call does nothing."""
        self._thread.close()


def configuration_at(path: str | Path | None) -> Configuration:
    """Return the configuration in a file; None searches for the file as the commands do."""
    return load_configuration(None if path is None else Path(path))


def log_failure(task: asyncio.Task[None]) -> None:
    """Log the error that ended a background task, if one did; for `add_done_callback`."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("client.failed", task=task.get_name(), exc_info=error)


async def cancel(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; None is ignored."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def call(function: Callable[[_T], object], argument: _T) -> None:
    """Call a program's function in the event loop; await its result if it is a coroutine."""
    await _await_if_needed(function(argument))


async def call_in_thread(function: Callable[[_T], object], argument: _T) -> None:
    """Call a program's function in another thread, so that it may call the client in turn."""
    await _await_if_needed(await asyncio.to_thread(function, argument))


async def _await_if_needed(result: object) -> None:
    if inspect.isawaitable(result):
        await result
