"""The gateway's settings at run time: one object that a reload updates in place."""

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
    """Settings that hold for all callers; a reload replaces the values.

    Args:
        keys: All API keys.
        routes: By name.
        answer_within: How long a create waits for a service to accept it.
        budget: Limit on the cost of all callers' videos together.
        content_retention: How long a video's content is kept.
        allows_anonymous: Requests need no key; only where the server listens on loopback.
        largest_body: Limit of a request body, in bytes.
        poll_after: Shortest poll interval that a client is advised to use.
    """

    keys: KeyRegistry
    routes: Mapping[str, Route] = field(default_factory=dict)
    answer_within: timedelta = timedelta()
    budget: Budget = field(default_factory=Budget)
    content_retention: timedelta = timedelta()
    allows_anonymous: bool = False
    largest_body: int = 64 * 1024 * 1024
    poll_after: timedelta = timedelta(seconds=1)

    async def limits_of_key(self, key: KeyId) -> tuple[SpendingLimit, ...]:
        """Return the spending limits on a key's videos; a deleted key has no budget of its own."""
        found = next((each for each in await self.keys.all() if each.id == key), None)
        budget = Budget() if found is None else found.budget
        return Caller(key=key, budget=budget).spending_limits(self.budget)
