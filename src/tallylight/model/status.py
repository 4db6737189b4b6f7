"""How a service reaches its model, and the status that it is shown with."""

from collections.abc import Mapping
from enum import StrEnum


class Access(StrEnum):
    """How a service reaches its model."""

    OFFICIAL = "official"  # 官轉: the maker's API, direct or forwarded
    REVERSE = "reverse"  # 官逆: resold consumer accounts
    SELF_HOSTED = "self_hosted"


class Status(StrEnum):
    """What a service is, as far as anybody can tell."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"
    UNKNOWN = "unknown"

    @property
    def icon(self) -> str:
        """Return the lamp that the status lights; always shown beside its word."""
        return _ICONS[self]


_ICONS: Mapping[Status, str] = {
    Status.OPERATIONAL: "🟢",
    Status.DEGRADED: "🟡",
    Status.RISK_CONTROL: "🟡",
    Status.SUSPENDED: "🔴",
    Status.MAINTENANCE: "🟡",
    Status.RETIRED: "⚫",
    Status.UNKNOWN: "⚪",
}
