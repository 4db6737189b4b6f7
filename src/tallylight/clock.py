"""Sources of time: the system clock, and a virtual clock for tests and rehearsals."""

import asyncio
import heapq
import itertools
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; the value never decreases."""
        ...

    def boottime(self) -> float:
        """Return seconds since an arbitrary start, those of a suspended machine among them.

        The value never decreases. Durations that decide about money are measured with it.
        """
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return after the duration has passed on this clock."""
        ...


class SystemClock:
    """The clock of the system."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  # the only place that may read it

    def monotonic(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()

    def boottime(self) -> float:
        """Return the seconds since the machine started; without suspensions outside Linux."""
        if sys.platform == "linux":
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Sleep in real time."""
        await asyncio.sleep(duration.total_seconds())  # noqa: TID251


class VirtualClock:
    """A clock that moves only when it is advanced.

    Sleepers wake in the order of their times. A sleeper that sleeps again during an advance wakes
    again, if its new time is within the advance.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Return the time that the clock was last advanced to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced since the start."""
        return (self._now - self._start).total_seconds()

    def boottime(self) -> float:
        """Return the seconds advanced since the start: this clock's machine is never suspended."""
        return self.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Return once the clock has been advanced by the duration."""
        if duration <= timedelta():
            await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, not a wait
            return
        wake = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + duration, next(self._order), wake))
        await wake.wait()

    async def advance(self, duration: timedelta) -> None:
        """Move time forward and wake sleepers at their times."""
        until = self._now + duration
        await self._run_ready_tasks()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, wake = heapq.heappop(self._sleepers)
            wake.set()
            await self._run_ready_tasks()
        self._now = until

    @staticmethod
    async def _run_ready_tasks() -> None:
        # Enough turns of the event loop for a woken task to reach its next wait.
        for _ in range(20):
            await asyncio.sleep(0)  # noqa: TID251
