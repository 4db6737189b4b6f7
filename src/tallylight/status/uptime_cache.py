"""The last ninety days of every service, read once for all who ask within half a minute."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tallylight.clock import Clock
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import StatusInterval
from tallylight.storage.database import Storage

REACH = timedelta(days=90)
_FRESH = timedelta(seconds=30)


class Past:
    """Spells, remembered for a while; a transition makes them be read again."""

    def __init__(self, history: Storage, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._spells: Mapping[ServiceId, Sequence[StatusInterval]] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def spells(
        self, services: Sequence[ServiceId]
    ) -> Mapping[ServiceId, Sequence[StatusInterval]]:
        """Return the spells of these services over the last ninety days."""
        async with self._reading:  # or ten readers would ask ten times
            if not self._is_fresh(services):
                now = self._clock.now()
                self._spells = await self._history.status_intervals(services, now - REACH, now)
                self._read_at = now
            return self._spells

    def forget(self) -> None:
        """Read again at the next question, because something has changed."""
        self._read_at = None

    def _is_fresh(self, services: Sequence[ServiceId]) -> bool:
        if self._read_at is None or self._clock.now() - self._read_at > _FRESH:
            return False
        return all(service in self._spells for service in services)
