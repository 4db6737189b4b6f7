"""Decides whether the clock is trusted with deleting what is old.

A clock that is ahead makes everything look old. Right after a start it may not have been set yet,
and one that has jumped far beyond the newest evidence may be wrong.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

from tallylight.clock import Clock

log = structlog.get_logger()

FIRST_RETENTION_DELAY: Final = timedelta(minutes=1)
"""Nothing is deleted so shortly after a start."""

LONGEST_GAP: Final = timedelta(days=1)
"""A start later than this after the newest evidence deletes nothing for as long."""


class RetentionGate:
    """Tells whether retention may run now.

    Args:
        clock: The clock that retention goes by.
        newest_evidence: When the newest evidence was recorded before this process began, None if
            there is none. What this process records follows its own clock, and proves nothing.
    """

    def __init__(self, clock: Clock, newest_evidence: datetime | None) -> None:
        self._clock = clock
        self._started_at = clock.boottime()
        gap = timedelta() if newest_evidence is None else clock.now() - newest_evidence
        self._wait = LONGEST_GAP if gap > LONGEST_GAP else FIRST_RETENTION_DELAY
        self._gap = gap
        self._is_logged = False

    def is_open(self) -> bool:
        """Tell whether the clock is trusted; log once if a gap keeps retention waiting."""
        passed = timedelta(seconds=self._clock.boottime() - self._started_at)
        if passed >= self._wait:
            return True
        if self._wait is LONGEST_GAP and not self._is_logged:
            self._is_logged = True
            log.warning(
                "retention.waits",
                newest_evidence_s_ago=self._gap.total_seconds(),
                hours=self._wait / timedelta(hours=1),
            )
        return False
