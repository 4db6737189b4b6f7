"""Scenario time: real time multiplied by a factor."""

import asyncio
import time
from datetime import UTC, datetime


class ScenarioClock:
    """A clock that counts scenario seconds.

    Args:
        speed: Scenario seconds per real second.
        starts_at: Date of second 0 in responses; None shows the real time.
    """

    def __init__(self, speed: float = 1.0, starts_at: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self._started_at = time.monotonic()
        self._starts_at = starts_at
        self._started_at_unix = time.time()  # noqa: TID251  # the simulator has no access to our clock

    def second(self) -> float:
        """Return the scenario seconds since the start."""
        return (time.monotonic() - self._started_at) * self.speed

    def unix_time(self, second: float | None = None) -> float:
        """Return the time that responses show for a scenario second, by default the current one.

        Dates advance at the scenario's speed only if `starts_at` was given; otherwise a client
        would see jobs that were created in its future.
        """
        moment = self.second() if second is None else second
        if self._starts_at is not None:
            return self._starts_at.timestamp() + moment
        return self._started_at_unix + moment / self.speed

    def datetime_at(self, second: float | None = None) -> datetime:
        """Return the same as an aware datetime."""
        return datetime.fromtimestamp(self.unix_time(second), UTC)

    async def sleep(self, seconds: float) -> None:
        """Sleep for a number of scenario seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)  # noqa: TID251  # as above
