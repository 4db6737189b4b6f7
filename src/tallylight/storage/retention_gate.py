"""Decides whether the clock is trusted with deleting what is old.

A clock that is ahead makes everything look old, and evidence that it has dated itself proves
nothing. So another clock has to agree with it: the times that upstreams and status pages tell with
their answers. A machine that was off for a month deletes as soon as they have answered; a machine
with a wrong clock never does.
"""

from datetime import timedelta
from typing import Final

import structlog

from tallylight.storage.database_clock import DatabaseClock
from tallylight.storage.host_clocks import HostClocks

log = structlog.get_logger()

FIRST_RETENTION_DELAY: Final = timedelta(minutes=1)
"""Nothing is deleted so shortly after a start."""

MOST_DIFFERENCE: Final = timedelta(days=1)
"""A clock that differs by more from the others deletes nothing."""


class RetentionGate:
    """Tells whether what is old may be deleted now.

    Args:
        clock: The clock that retention goes by.
        host_clocks: The clocks of other hosts.
    """

    def __init__(self, clock: DatabaseClock, host_clocks: HostClocks) -> None:
        self._clock = clock
        self._host_clocks = host_clocks
        self._started_at = clock.boottime()
        self._is_logged = False

    def is_open(self, *, is_clock_trusted: bool = False) -> bool:
        """Tell whether deleting is allowed; log once if the clock keeps it waiting.

        Args:
            is_clock_trusted: The operator says that the clock is right.
        """
        if self._clock.boottime() - self._started_at < FIRST_RETENTION_DELAY.total_seconds():
            return False
        difference = self._host_clocks.difference()
        is_confirmed = difference is not None and abs(difference) <= MOST_DIFFERENCE
        if is_confirmed or is_clock_trusted or self._clock.is_own_reference:
            self._is_logged = False
            return True
        if not self._is_logged:
            self._is_logged = True
            log.warning(
                "retention.waits",
                reason="no other host has told the time"
                if difference is None
                else "other hosts tell another time",
                ahead_s=None if difference is None else round(difference.total_seconds()),
            )
        return False
