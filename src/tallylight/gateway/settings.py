"""Settings of the gateway's core, derived from one configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tallylight.storage.transaction import SpendingLimit


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Settings that apply to all callers.

    Args:
        routes: Routes by name.
        answer_within: How long a create waits for a service to accept it.
        budget: Spending limit of all callers' videos together.
        content_retention: How long the content of a video is kept.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    answer_within: timedelta = timedelta()
    budget: Budget = field(default_factory=Budget)
    content_retention: timedelta = timedelta()

    def limits_for(self, caller: Caller) -> tuple[SpendingLimit, ...]:
        """Return the spending limits of a caller's videos."""
        both = (
            SpendingLimit(caller.budget, caller.key, "of this key"),
            SpendingLimit(self.budget, None, "of the gateway"),
        )
        return tuple(limit for limit in both if limit.budget.limits)


class KeyLimits:
    """Finds the spending limits of a stored key, also for videos of other processes."""

    def __init__(self, keys: KeyRegistry, settings: Callable[[], GatewaySettings]) -> None:
        self._keys = keys
        self._settings = settings

    async def limits_of(self, key: KeyId) -> tuple[SpendingLimit, ...]:
        """Return the spending limits of a key's videos."""
        found = next((each for each in await self._keys.all() if each.id == key), None)
        budget = Budget() if found is None else found.budget
        return self._settings().limits_for(Caller(key=key, budget=budget))
