"""The gateway inside a program's process, opened by the first call that needs it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypeVar

import structlog

from tallylight.app.logs import configure_for_library
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.client.lifecycle import cancel, log_failure
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.errors import StorageError, TallylightError
from tallylight.gateway.assets.late import awaits_content
from tallylight.gateway.gateway import Gateway
from tallylight.model.video import Video

log = structlog.get_logger()

_T = TypeVar("_T")

_CLOSED = "this client is closed"


class EmbeddedGateway:
    """The gateway of a configuration and the background task that serves it."""

    def __init__(self, configuration: Configuration, clock: Clock) -> None:
        configure_for_library()
        self._configuration = configuration
        self._clock = clock
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._worker: asyncio.Task[None] | None = None
        self._open_lock = asyncio.Lock()
        self._is_closed = False

    async def open(self) -> tuple[Gateway, asyncio.Task[None]]:
        """Return the gateway, opened if needed, and its background task.

        Raises:
            RuntimeError: if the client is closed.
        """
        async with self._open_lock:
            if self._is_closed:
                raise RuntimeError(_CLOSED)
            if self._runtime is None or self._worker is None:
                self._runtime = await self._stack.enter_async_context(
                    open_runtime(self._configuration, self._clock, is_embedded=True)
                )
                self._worker = asyncio.create_task(self._runtime.run_embedded(), name="gateway")
                self._worker.add_done_callback(log_failure)
            return self._runtime.gateway_wiring.gateway, self._worker

    async def call(self, operation: Callable[[Gateway], Coroutine[object, object, _T]]) -> _T:
        """Run an operation of the gateway and return its result.

        Raises:
            RuntimeError: if the client is closed, or is closed during the call.
            TallylightError: if the background task has failed, so that the operation would never
                end; and all that the operation itself raises.
        """
        gateway, worker = await self.open()
        task = asyncio.create_task(operation(gateway))
        try:
            await asyncio.wait((task, worker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))
        if task.cancelled() and self._is_closed:
            raise RuntimeError(_CLOSED)
        if task.cancelled():
            raise TallylightError("an internal error ended the client; its log has the details")
        return task.result()

    def awaits_content(self, video: Video) -> bool:
        """Tell whether the content of a completed video may still come."""
        return awaits_content(video, self._clock.now())

    async def sleep(self, duration: timedelta) -> None:
        """Return after a time of the gateway's clock."""
        await self._clock.sleep(duration)

    async def aclose(self) -> None:
        """Release the videos that are still being made; close database and connections for good."""
        self._is_closed = True
        async with self._open_lock:
            await cancel(self._worker)
            try:
                # Where no other process is the leader, this client's evidence is judged now.
                if self._runtime is not None:
                    await self._runtime.lead_briefly()
            except StorageError as error:
                log.warning("evidence.unprocessed", error=str(error))
            finally:
                self._worker = self._runtime = None
                await self._stack.aclose()
