"""How much the troubles of single services weigh together: the page's impact, and its indicator.

A paused reseller is no outage of the whole, so reverse access weighs a quarter of the rest, unless
the operator says otherwise (`services.<id>.status.weight`).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from tallylight.catalogue.services import Service
from tallylight.model.status import Access, Status


class Impact(StrEnum):
    """The impact of all troubles together, in the words of Statuspage's indicator."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"


class WeighedStatus(NamedTuple):
    """The status of one service, and its share in the whole.

    Args:
        is_principal: Its trouble is at least a minor one of the whole, and only the trouble of such
            services is more than that.
    """

    status: Status
    weight: float
    is_principal: bool


_BADNESS: Mapping[Status, float] = {
    Status.SUSPENDED: 1.0,
    Status.RISK_CONTROL: 0.6,
    Status.DEGRADED: 0.3,
}
_LIMITS = ((0.05, Impact.NONE), (0.30, Impact.MINOR), (0.75, Impact.MAJOR))
"""The share of trouble below which the impact is this one."""

#: A retired service will never be back, and of an unknown one there is nothing to tell.
_NOT_COUNTED = frozenset({Status.RETIRED, Status.UNKNOWN})
_FULL_WEIGHT = 1.0


def weighed_status(service: Service, status: Status) -> WeighedStatus:
    """Return the status of a service with its weight; one of full weight counts as official."""
    weight = service.status_weight
    is_principal = service.access is not Access.REVERSE or weight >= _FULL_WEIGHT
    return WeighedStatus(status, weight, is_principal and weight > 0)


def overall_impact(services: Sequence[WeighedStatus]) -> Impact:
    """Return the impact of the troubles of all services.

    Where nothing at all is known, that is MINOR: it must read neither as up nor as an outage.
    """
    counted = [each for each in services if each.status not in _NOT_COUNTED and each.weight > 0]
    if not counted:
        is_unknown = any(each.status is Status.UNKNOWN for each in services)
        return Impact.MINOR if is_unknown else Impact.NONE
    trouble = sum(each.weight * _BADNESS.get(each.status, 0.0) for each in counted)
    share = trouble / sum(each.weight for each in counted)
    impact = next((found for limit, found in _LIMITS if share < limit), Impact.CRITICAL)
    if any(each.is_principal and each.status in _BADNESS for each in counted):
        return Impact.MINOR if impact is Impact.NONE else impact
    if impact is not Impact.NONE:
        return Impact.MINOR
    is_maintained = any(each.status is Status.MAINTENANCE for each in counted)
    return Impact.MAINTENANCE if is_maintained else Impact.NONE
