"""Settings of the gateway and its HTTP layer, derived from one configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import KeyId
from tallylight.model.ledger import SpendingLimit
from tallylight.model.money import Budget


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Settings that apply to all callers.

    Args:
        routes: Routes by name.
        answer_within: How long a create waits for a service to accept it.
        budget: Spending limit of all callers' videos together.
        allows_anonymous: Requests need no key; allowed on a loopback address only.
        allowed_origins: Origins of the web pages that may call the API; "*" stands for all.
        largest_body: Maximum size of a request, in bytes.
        poll_after: Minimum time between two polls that clients are told to keep.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    answer_within: timedelta = timedelta()
    budget: Budget = field(default_factory=Budget)
    allows_anonymous: bool = False
    allowed_origins: frozenset[str] = frozenset()
    largest_body: int = 64 * 1024 * 1024
    poll_after: timedelta = timedelta(seconds=1)


class KeyLimits:
    """Finds the spending limits of a stored key, also for videos of other processes."""

    def __init__(self, keys: KeyRegistry, settings: Callable[[], GatewaySettings]) -> None:
        self._keys = keys
        self._settings = settings

    async def limits_of(self, key: KeyId) -> tuple[SpendingLimit, ...]:
        """Return the spending limits of a key's videos."""
        found = next((each for each in await self._keys.all() if each.id == key), None)
        budget = Budget() if found is None else found.budget
        return Caller(key=key, budget=budget).spending_limits(self._settings().budget)
