"""What the operator decided of the gateway, in one place that a reload changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tallylight.storage.transaction import SpendingLimit


@dataclass(slots=True)
class GatewaySettings:
    """What holds for all callers; its values are replaced when the configuration is.

    Args:
        keys: Who may ask.
        routes: By their names.
        answer_within: How long a create waits to be accepted.
        budget: What all callers' videos together may cost.
        keep: How long a video's content is kept.
    """

    keys: KeyRegistry
    routes: Mapping[str, Route] = field(default_factory=dict)
    answer_within: timedelta = timedelta()
    budget: Budget = field(default_factory=Budget)
    content_retention: timedelta = timedelta()

    def limits_for(self, caller: Caller) -> tuple[SpendingLimit, ...]:
        """Return what a caller's videos may cost."""
        both = (
            SpendingLimit(caller.budget, caller.key, "of this key"),
            SpendingLimit(self.budget, None, "of the gateway"),
        )
        return tuple(limit for limit in both if limit.budget.limits)

    async def limits_of_key(self, key: KeyId) -> tuple[SpendingLimit, ...]:
        """Return what the videos of a key may cost, whoever follows them."""
        found = next((each for each in await self.keys.all() if each.id == key), None)
        budget = Budget() if found is None else found.budget
        return self.limits_for(Caller(key=key, budget=budget))
