"""Asks the pure routing which service is next, with what the board and traffic know now."""

from collections.abc import Collection
from datetime import timedelta
from random import Random

from tallylight.gateway.routing.candidates import Prospects
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import policy_of
from tallylight.gateway.routing.ranking import Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.settings import Conditions
from tallylight.gateway.tracked_video import Live
from tallylight.model.ids import ServiceId
from tallylight.model.order import Order
from tallylight.model.video import CreateParams
from tallylight.storage.transaction import SpendingLimit


class Choosing:
    """The shell around `routing.rank`."""

    def __init__(self, prospects: Prospects, conditions: Conditions, chance: Random) -> None:
        self._prospects = prospects
        self._conditions = conditions
        self._chance = chance

    def rank(self, live: Live, limits: Collection[SpendingLimit]) -> Ranking:
        """Return the services that may be asked next for a video, the best first."""
        order = live.video.order()
        return self.first(order, live.video.params, live.route, limits, live.tried)

    def first(
        self,
        order: Order,
        wish: CreateParams,
        route: Route,
        limits: Collection[SpendingLimit],
        tried: Collection[ServiceId] = (),
    ) -> Ranking:
        """Return the services that may be asked for what is ordered, the best first."""
        return rank(
            order,
            route,
            self._prospects.of(route.services),
            tried=tried,
            pinned=wish.pinned_service,
            chosen=wish.defaulted_fields,
            policy=policy_of(wish.policy) if wish.policy else None,
            is_limited=bool(limits),
            draw=self._chance.random(),
        )

    async def is_another(self, live: Live) -> bool:
        """Tell whether there is a service left that could make a video."""
        limits = await self._conditions.limits_of(live.video.key)
        return bool(self.rank(live, limits).choices)

    def p95(self, service: ServiceId) -> timedelta | None:
        """Return within which time nineteen of twenty jobs of a service end; None if unknown."""
        for prospect in self._prospects.of((service,)):  # one, unless it has left the board
            if prospect.p95_seconds is not None:
                return timedelta(seconds=prospect.p95_seconds)
        return None

    def usual(self, service: ServiceId) -> timedelta | None:
        """Return how long jobs of a service take; None if that was not seen yet."""
        for prospect in self._prospects.of((service,)):
            if prospect.p95_seconds is not None:
                return timedelta(seconds=prospect.seconds)
        return None
