"""Decides whether the time of the database is trusted with deleting.

A clock that is ahead makes everything look old, and evidence that it has dated itself proves
nothing. One that is behind makes everything look as if it came from the future. So another clock
has to agree: the times that upstreams and status pages tell with their answers. A machine that was
off for a month deletes as soon as they have answered; a machine with a wrong clock never does.
Where all hosts run on this machine, its clock is believed while its evidence has no gap.
"""

from datetime import timedelta
from typing import Final

import structlog

from tallylight.storage.database_clock import DatabaseClock

log = structlog.get_logger()

FIRST_RETENTION_DELAY: Final = timedelta(minutes=1)
"""Nothing is deleted so shortly after a start."""


class ClockTrust:
    """Tells whether the time of the database is right.

    Args:
        clock: The clock that retention goes by, with what other hosts have told.

    Attributes:
        is_vouched: The operator says that the machine's clock is right.
        has_gap: The newest evidence was more than a day old at some start: after a long pause, or
            by a clock that is ahead.
    """

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock
        self._started_at = clock.boottime()
        self._is_logged = False
        self.is_vouched = False
        self.has_gap = False

    def is_confirmed(self) -> bool:
        """Tell whether other hosts agree with the time, or the operator vouches for it."""
        if self.is_vouched or self._clock.is_own_reference:
            return True
        return self._clock.host_clocks.agree(self._clock.now()) is True

    def is_believed(self) -> bool:
        """Tell whether the time is taken for right: confirmed, or no host has another clock."""
        return self.is_confirmed() or self._clock.host_clocks.has_none

    def may_delete(self) -> bool:
        """Tell whether what is old may be deleted; log once if the clock keeps it waiting."""
        if self._clock.boottime() - self._started_at < FIRST_RETENTION_DELAY.total_seconds():
            return False
        if self.is_confirmed() or (self._clock.host_clocks.has_none and not self.has_gap):
            self._is_logged = False
            return True
        if not self._is_logged:
            self._is_logged = True
            ahead = self._clock.host_clocks.difference(self._clock.now())
            reason = (
                "no other host has told the time"
                if ahead is None
                else "other hosts tell another time"
            )
            seconds = None if ahead is None else round(ahead.total_seconds())
            log.warning("retention.waits", reason=reason, ahead_s=seconds)
        return False
