"""What the clocks of other hosts say: the `Date` headers of their answers.

Retention deletes by the time of the database. On one machine that is a clock which may be wrong by
years, and nothing on the machine can tell. The free probes bring other hosts' times for nothing.
"""

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Final, NamedTuple

from tallylight.clock import Clock

MOST_DIFFERENCE: Final = timedelta(days=1)
"""More than any cache delays a `Date`, and less than any retention."""

_MOST_HOSTS: Final = 200
_PATIENCE: Final = 15.0
"""Seconds from the first answer: a status page and each upstream have been asked by then."""


class _Sighting(NamedTuple):
    told: datetime
    seen_at: float  # on `Clock.boottime`


class HostClocks:
    """The newest time that each of other hosts has told.

    It outlives an opened database: a process that opens anew keeps what it has heard.

    Args:
        clock: Its boot time carries on what they told.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, _Sighting] = {}
        self._answered_since: float | None = None

    @property
    def has_none(self) -> bool:
        """Tell whether hosts answer, but none that tells another clock: all may run here."""
        since = self._answered_since
        return not self._seen and since is not None and self._clock.boottime() - since >= _PATIENCE

    def stop_waiting(self) -> None:
        """Expect no other clock any more: the time was set while none had told another."""
        self._answered_since = -math.inf

    def observe(self, host: str, date: str) -> None:
        """Take in the `Date` header of an answer (RFC 9110, 6.6.1); one without a sense is skipped.

        Args:
            host: Another machine; "" for one that runs here and has our clock.
            date: The header's value.
        """
        if self._answered_since is None:
            self._answered_since = self._clock.boottime()
        if not host:
            return
        try:
            told = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            return
        if told.tzinfo is None:  # the zone "-0000"
            told = told.replace(tzinfo=UTC)
        self._seen.pop(host, None)
        self._seen[host] = _Sighting(told, self._clock.boottime())
        if len(self._seen) > _MOST_HOSTS:
            del self._seen[next(iter(self._seen))]

    def difference(self, now: datetime) -> timedelta | None:
        """Return by how much a time is ahead of the median of the others; None without any."""
        boottime = self._clock.boottime()
        ahead = [
            (now - told).total_seconds() - (boottime - seen_at)
            for told, seen_at in self._seen.values()
        ]
        return timedelta(seconds=median(ahead)) if ahead else None

    def agree(self, now: datetime) -> bool | None:
        """Tell whether a time is theirs, to a day; None if none has told any."""
        ahead = self.difference(now)
        return None if ahead is None else abs(ahead) <= MOST_DIFFERENCE
