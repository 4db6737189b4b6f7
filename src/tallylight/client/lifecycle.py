"""What the clients share: configuration, opening and closing, background tasks, callbacks."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import structlog

from tallylight.client.loop_thread import LoopThread
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
