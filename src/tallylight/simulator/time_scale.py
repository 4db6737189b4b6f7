"""Scenario time: real time, faster or slower by a factor."""

import asyncio
import time
from datetime import UTC, datetime


class ScenarioClock:
    """A clock of scenario seconds.

    Args:
        speed: Scenario seconds to a real second.
        starts_at: What the wire shows as the time of second 0; None shows the real time.
    """

    def __init__(self, speed: float = 1.0, starts_at: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self._started_at = time.monotonic()
        self._starts_at = starts_at
        self._started_at_unix = time.time()  # noqa: TID251  # this outbuilding stands below our clock

    def second(self) -> float:
        """Return the seconds since the scenario's start."""
        return (time.monotonic() - self._started_at) * self.speed

    def unix_time(self, second: float | None = None) -> float:
        """Return what the wire shows as the time of a scenario second, of the present one if None.

        Shown dates run at the scenario's speed only if the scenario's start was given: otherwise
        a client would find jobs created in its own future.
        """
        moment = self.second() if second is None else second
        if self._starts_at is not None:
            return self._starts_at.timestamp() + moment
        return self._started_at_unix + moment / self.speed

    def datetime_at(self, second: float | None = None) -> datetime:
        """Return the same as an aware date."""
        return datetime.fromtimestamp(self.unix_time(second), UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after so many scenario seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)  # noqa: TID251  # as above
