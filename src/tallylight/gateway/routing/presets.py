"""What a use of videos asks of its services, in figures; `docs/routing.md` says why these."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tallylight.documents.nearest import unknown_name_message
from tallylight.model.status import Access


class Preset(StrEnum):
    """What videos are made for."""

    PRODUCTION = "production"
    COMMERCIAL = "commercial"
    DEVELOPMENT = "development"
    PERSONAL = "personal"
    HIGH_VOLUME = "high_volume"
    BUDGET = "budget"


class Preference(StrEnum):
    """One wish above all others."""

    OFFICIAL = "official"
    REVERSE = "reverse"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    MOST_RELIABLE = "most_reliable"


RoutingPolicy = Preset | Preference


@dataclass(frozen=True, slots=True)
class PolicyWeights:
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

    per_usd: float = 1.0
    per_hour: float = 0.0
    per_failure: float = 0.0
    preferred_access: frozenset[Access] | None = None
    excluded_access: frozenset[Access] = frozenset()
    min_delivery: float = 0.0
    tie_tolerance: float = 0.03


_REVERSE = frozenset({Access.REVERSE})
_FIRST_PARTY = frozenset({Access.OFFICIAL, Access.SELF_HOSTED})

POLICY_WEIGHTS: Mapping[RoutingPolicy, PolicyWeights] = MappingProxyType(
    {
        Preset.PRODUCTION: PolicyWeights(
            per_hour=30.0, per_failure=2.0, excluded_access=_REVERSE, min_delivery=0.8
        ),
        Preset.COMMERCIAL: PolicyWeights(
            per_hour=12.0, per_failure=0.5, preferred_access=_FIRST_PARTY, min_delivery=0.8
        ),
        Preset.DEVELOPMENT: PolicyWeights(per_hour=6.0, per_failure=0.05),
        Preset.PERSONAL: PolicyWeights(per_hour=2.0, per_failure=0.02),
        Preset.HIGH_VOLUME: PolicyWeights(
            per_hour=0.5, per_failure=0.1, min_delivery=0.5, tie_tolerance=0.15
        ),
        Preset.BUDGET: PolicyWeights(per_hour=0.1),
        Preference.OFFICIAL: PolicyWeights(
            per_hour=12.0, per_failure=0.5, preferred_access=_FIRST_PARTY
        ),
        Preference.REVERSE: PolicyWeights(
            per_hour=6.0, per_failure=0.05, preferred_access=_REVERSE
        ),
        Preference.CHEAPEST: PolicyWeights(tie_tolerance=0.005),
        Preference.FASTEST: PolicyWeights(per_usd=0.0, per_hour=1.0),
        Preference.MOST_RELIABLE: PolicyWeights(per_usd=0.0, per_failure=1.0),
    }
)


def policy_named(name: str) -> RoutingPolicy:
    """Return the preset or the preference of a name.

    Raises:
        ValueError: if there is none, with the nearest name.
    """
    for policy in POLICY_WEIGHTS:
        if policy.value == name:
            return policy
    raise ValueError(unknown_name_message("policy", name, POLICY_WEIGHTS))
