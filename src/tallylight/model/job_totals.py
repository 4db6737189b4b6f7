"""What the jobs of a service came to over a window: probes and callers' videos together."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class JobTotals:
    """Jobs that ended, and how long those that delivered took.

    Args:
        delivered: The number of jobs that delivered.
        failed: The number of jobs that the upstream failed.
        median: Median time from create to delivery, right within a tenth; None without a delivery.
        p95: The 95th percentile of that time.
    """

    delivered: int = 0
    failed: int = 0
    median: timedelta | None = None
    p95: timedelta | None = None

    @property
    def ended(self) -> int:
        """Return the number of jobs that say something about the service."""
        return self.delivered + self.failed
