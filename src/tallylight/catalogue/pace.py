"""The pace of a service's paid probes that is in force, and how much it sees."""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.catalogue.services import PaceBasis

_CONFIRMED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class PaceInForce:
    """How often paid probes of a service are sent while its jobs succeed.

    Args:
        basis: What the configured interval means.
        configured: The configured interval.
        interval: The mean interval that the budget and the learned outages give.
    """

    basis: PaceBasis
    configured: timedelta
    interval: timedelta

    def share_seen(self, length: timedelta) -> float:
        """Return the share of outages of a length that routine probes see and confirm."""
        return min(1.0, max(timedelta(0), length - _CONFIRMED_AFTER) / self.interval)
