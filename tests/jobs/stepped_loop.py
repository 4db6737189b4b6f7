"""An event loop that runs only when it is told to, in a time that only the test moves."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.builders import NOON

_MOST_CALLBACKS = 100_000
"""More of them without a wait are an endless loop."""


class WorldTime:
    """The time that passes for all processes alike."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def now(self) -> datetime:
        """Return the wall clock."""
        return NOON + timedelta(seconds=self.seconds)


class SteppedLoop(asyncio.AbstractEventLoop):
    """The event loop of one process.

    Its tasks wait for futures that the test resolves, and for timers. It has no sockets and no
    threads. While the test does not call `run`, its process stands still.

    Args:
        time: The time of the world.
        offset: How much the process's monotonic seconds differ from those of the world.
    """

    def __init__(self, time: WorldTime, offset: float) -> None:
        self._world_time = time
        self._offset = offset
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()

    def run(self) -> None:
        """Run all tasks until each of them waits."""
        asyncio._set_running_loop(self)
        try:
            for _ in range(_MOST_CALLBACKS):
                self._wake()
                if not self._ready:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
        raise AssertionError("a process does not come to rest")

    def next_timer(self) -> float | None:
        """Return when the next timer is due, in seconds of the world."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._offset if self._timers else None

    def _wake(self) -> None:
        while self._timers and self._timers[0][0] <= self.time():
            self._ready.append(heapq.heappop(self._timers)[2])

    # What asyncio calls.

    def time(self) -> float:
        return self._world_time.seconds + self._offset

    def call_soon(  # type: ignore[override]  # typeshed has a TypeVarTuple
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignore errors that nobody awaits: those of the program are logged."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass


class SteppedClock:
    """The clocks of one process."""

    def __init__(self, time: WorldTime, loop: SteppedLoop) -> None:
        self._time = time
        self._loop = loop

    def now(self) -> datetime:
        """Return the wall clock, which follows the one of the database."""
        return self._time.now

    def monotonic(self) -> float:
        """Return seconds that mean nothing to another process."""
        return self._loop.time()

    def boottime(self) -> float:
        """Return the same: no machine is suspended, only stopped."""
        return self._loop.time()

    async def sleep(self, duration: timedelta) -> None:
        """Return once the test has moved the time."""
        await asyncio.sleep(duration.total_seconds())  # noqa: TID251  # of this loop, not a wait
