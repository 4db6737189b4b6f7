"""Caches the last 90 days of every service, so that the database is read at most once in 30 s."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tallylight.clock import Clock
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import StatusInterval
from tallylight.storage.database import Storage

CACHED_PERIOD = timedelta(days=90)
_TTL = timedelta(seconds=30)


class UptimeCache:
    """Status intervals, read again after 30 s or after a transition."""

    def __init__(self, history: Storage, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._status_intervals: Mapping[ServiceId, Sequence[StatusInterval]] = {}
        self._read_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def status_intervals(
        self, services: Sequence[ServiceId]
    ) -> Mapping[ServiceId, Sequence[StatusInterval]]:
        """Return the status intervals of these services over the last 90 days."""
        async with self._lock:  # or concurrent requests would each query the database
            if not self._is_fresh(services):
                now = self._clock.now()
                self._status_intervals = await self._history.status_intervals(
                    services, now - CACHED_PERIOD, now
                )
                self._read_at = now
            return self._status_intervals

    def invalidate(self) -> None:
        """Discard what is cached, because a status has changed."""
        self._read_at = None

    def _is_fresh(self, services: Sequence[ServiceId]) -> bool:
        if self._read_at is None or self._clock.now() - self._read_at > _TTL:
            return False
        return all(service in self._status_intervals for service in services)
