"""Time, handed in: the system's clock for running, a virtual one for tests and rehearsals."""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of the house may know of time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never running backwards."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return after the duration has passed on this clock."""
        ...


class SystemClock:
    """The clock on the wall."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  # this is the one place that may ask

    def monotonic(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Sleep in real time."""
        await asyncio.sleep(duration.total_seconds())  # noqa: TID251


class VirtualClock:
    """A clock that stands still until it is advanced.

    Sleepers wake in the order of their times; whoever sleeps again while the clock advances is
    woken again if the new time is still within the advance.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._start = start
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Return the moment that the clock was last advanced to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced since the start."""
        return (self._now - self._start).total_seconds()

    async def sleep(self, duration: timedelta) -> None:
        """Return once the clock has been advanced by the duration."""
        if duration <= timedelta():
            await asyncio.sleep(0)  # noqa: TID251  # a turn of the loop, not a wait
            return
        wake = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + duration, next(self._order), wake))
        await wake.wait()

    async def advance(self, duration: timedelta) -> None:
        """Move time forward, waking sleepers at their own moments on the way."""
        until = self._now + duration
        await self._run_ready_tasks()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, wake = heapq.heappop(self._sleepers)
            wake.set()
            await self._run_ready_tasks()
        self._now = until

    @staticmethod
    async def _run_ready_tasks() -> None:
        # Whoever was woken gets enough turns of the loop to run to its next wait.
        for _ in range(20):
            await asyncio.sleep(0)  # noqa: TID251
