"""The routing policies and their weights; `docs/routing.md` explains the figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tallylight.documents.nearest import unknown_name_message
from tallylight.model.status import Access


class Preset(StrEnum):
    """A routing policy, named for the use of the videos."""

    PRODUCTION = "production"
    COMMERCIAL = "commercial"
    DEVELOPMENT = "development"
    PERSONAL = "personal"
    HIGH_VOLUME = "high_volume"
    BUDGET = "budget"


class Preference(StrEnum):
    """A routing policy that puts one criterion above all others."""

    OFFICIAL = "official"
    REVERSE = "reverse"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    MOST_RELIABLE = "most_reliable"


RoutingPolicy = Preset | Preference


@dataclass(frozen=True, slots=True)
class PolicyWeights:
    """The weights that a policy gives to money, time and failures.

    Args:
        per_usd: Weight of a dollar spent.
        per_hour: Cost of an hour of waiting, in dollars.
        per_failure: Cost of a failed attempt beside its price and its time, in dollars.
        preferred_access: Services of this access are ranked before all others; None for no
            preference.
        excluded_access: Services of this access are excluded.
        min_delivery: Services with a lower success rate are ranked last.
        tie_tolerance: Scores within this fraction of each other tie.
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
