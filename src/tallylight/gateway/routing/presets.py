"""What a use of videos asks of its services, in figures; `docs/routing.md` says why these."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tallylight.model.status import Access


class Preset(StrEnum):
    """What videos are made for."""

    PRODUCTION = "production"
    COMMERCIAL = "commercial"
    DEVELOPMENT = "development"
    PERSONAL = "personal"
    HIGH_VOLUME = "high_volume"
    BUDGET = "budget"


class Prefer(StrEnum):
    """One wish above all others."""

    OFFICIAL = "official"
    REVERSE = "reverse"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    MOST_RELIABLE = "most_reliable"


Policy = Preset | Prefer


@dataclass(frozen=True, slots=True)
class Weighing:
    """How a policy weighs money, time and failures against each other.

    Args:
        money: What a dollar spent counts.
        an_hour: What an hour of waiting counts, in dollars.
        a_failure: What an attempt that fails counts beside its price and its time, in dollars.
        first: Services of this access stand before all others; None makes no difference.
        refuses: Services of this access are left out.
        least_delivery: Services that deliver a smaller share stand behind those that do not.
        equal_within: Services whose scores differ by so much at most are equals.
    """

    money: float = 1.0
    an_hour: float = 0.0
    a_failure: float = 0.0
    first: frozenset[Access] | None = None
    refuses: frozenset[Access] = frozenset()
    least_delivery: float = 0.0
    equal_within: float = 0.03


_REVERSE = frozenset({Access.REVERSE})
_MAKERS = frozenset({Access.OFFICIAL, Access.SELF_HOSTED})

WEIGHINGS: Mapping[Policy, Weighing] = MappingProxyType(
    {
        Preset.PRODUCTION: Weighing(
            an_hour=30.0, a_failure=2.0, refuses=_REVERSE, least_delivery=0.8
        ),
        Preset.COMMERCIAL: Weighing(an_hour=12.0, a_failure=0.5, first=_MAKERS, least_delivery=0.8),
        Preset.DEVELOPMENT: Weighing(an_hour=6.0, a_failure=0.05),
        Preset.PERSONAL: Weighing(an_hour=2.0, a_failure=0.02),
        Preset.HIGH_VOLUME: Weighing(
            an_hour=0.5, a_failure=0.1, least_delivery=0.5, equal_within=0.15
        ),
        Preset.BUDGET: Weighing(an_hour=0.1),
        Prefer.OFFICIAL: Weighing(an_hour=12.0, a_failure=0.5, first=_MAKERS),
        Prefer.REVERSE: Weighing(an_hour=6.0, a_failure=0.05, first=_REVERSE),
        Prefer.CHEAPEST: Weighing(equal_within=0.005),
        Prefer.FASTEST: Weighing(money=0.0, an_hour=1.0),
        Prefer.MOST_RELIABLE: Weighing(money=0.0, a_failure=1.0),
    }
)


def policy_of(name: str) -> Policy:
    """Return the preset or the preference of a name.

    Raises:
        ValueError: naming those that there are.
    """
    for policy in WEIGHINGS:
        if policy.value == name:
            return policy
    raise ValueError(f"'{name}' is no policy; there are {', '.join(WEIGHINGS)}")
