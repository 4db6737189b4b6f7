"""A gateway at work inside of somebody's program, opened by the first call that needs it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TypeVar

import structlog

from tallylight.app.logs import configure_for_library
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.errors import StorageError, TallylightError
from tallylight.gateway.gateway import Gateway

log = structlog.get_logger()

_T = TypeVar("_T")

_CLOSED = "this client is closed"


class EmbeddedGateway:
    """The gateway of a configuration, and what has to run beside it."""

    def __init__(self, configuration: Configuration, clock: Clock) -> None:
        configure_for_library()
        self.configuration = configuration
        self._clock = clock
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._worker: asyncio.Task[None] | None = None
        self._open_lock = asyncio.Lock()
        self._is_closed = False

    async def open(self) -> tuple[Gateway, asyncio.Task[None]]:
        """Return the gateway, opened if it was not, and the task that is at work for it.

        Raises:
            RuntimeError: if it was closed.
        """
        async with self._open_lock:
            if self._is_closed:
                raise RuntimeError(_CLOSED)
            if self._runtime is None or self._worker is None:
                self._runtime = await self._stack.enter_async_context(
                    open_runtime(self.configuration, self._clock, is_embedded=True)
                )
                self._worker = asyncio.create_task(self._runtime.run_embedded(), name="videos")
                self._worker.add_done_callback(_log_failure)
            return self._runtime.gateway_wiring.gateway, self._worker

    async def call(self, operation: Callable[[Gateway], Coroutine[object, object, _T]]) -> _T:
        """Ask the gateway something.

        Raises:
            RuntimeError: if it was closed, or is closed meanwhile.
            TallylightError: if what is at work for it has ended by a defect, so that no answer
                would ever come; and whatever the gateway itself raises.
        """
        gateway, working = await self.open()
        asking = asyncio.create_task(operation(gateway))
        try:
            await asyncio.wait((asking, working), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait((asking,))
        if asking.cancelled() and self._is_closed:
            raise RuntimeError(_CLOSED)
        if asking.cancelled():
            raise TallylightError("the client ended by a defect of its own; its log says which")
        return asking.result()

    async def aclose(self) -> None:
        """Leave the videos under way to others, and give back database and connections for good."""
        self._is_closed = True
        async with self._open_lock:
            if self._worker is not None:
                self._worker.cancel()
                await asyncio.gather(self._worker, return_exceptions=True)
            try:
                if self._runtime is not None:
                    await self._runtime.lead_briefly()
            except StorageError as error:
                log.warning("videos.unjudged", error=str(error))
            finally:
                self._worker = self._runtime = None
                await self._stack.aclose()


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("videos.failed", exc_info=error)
