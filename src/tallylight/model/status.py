"""The access and the status of a service."""

from collections.abc import Mapping
from enum import StrEnum


class Access(StrEnum):
    """How a service gets access to its model."""

    OFFICIAL = "official"  # 官轉: the maker's API, direct or forwarded
    REVERSE = "reverse"  # 官逆: resold consumer accounts
    SELF_HOSTED = "self_hosted"


class Status(StrEnum):
    """The status of a service, as far as evidence shows it."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"
    UNKNOWN = "unknown"

    @property
    def icon(self) -> str:
        """Return the icon of the status; it is always shown beside the word."""
        return _ICONS[self]

    @property
    def rank(self) -> int:
        """Return the precedence: of two statuses the one with the higher rank is shown."""
        return _RANKS[self]


TROUBLE_STATUSES = frozenset({Status.DEGRADED, Status.RISK_CONTROL, Status.SUSPENDED})
"""The statuses of a service that fails, unannounced: they open an incident."""

_ICONS: Mapping[Status, str] = {
    Status.OPERATIONAL: "🟢",
    Status.DEGRADED: "🟡",
    Status.RISK_CONTROL: "🟡",
    Status.SUSPENDED: "🔴",
    Status.MAINTENANCE: "🟡",
    Status.RETIRED: "⚫",
    Status.UNKNOWN: "⚪",
}

_RANKS: Mapping[Status, int] = {
    Status.OPERATIONAL: 0,
    Status.UNKNOWN: 1,
    Status.DEGRADED: 2,
    Status.RISK_CONTROL: 3,
    Status.SUSPENDED: 4,
    Status.MAINTENANCE: 5,
    Status.RETIRED: 6,
}
