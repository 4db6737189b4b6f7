"""Asks the pure routing which service is next, with what the board and traffic know now."""

from collections.abc import Collection
from datetime import timedelta
from random import Random

from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import policy_named
from tallylight.gateway.routing.ranking import Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.settings import KeyLimits
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.ids import ServiceId
from tallylight.model.order import Order
from tallylight.model.video import CreateParams
from tallylight.storage.transaction import SpendingLimit


class ServiceSelector:
    """The shell around `routing.rank`."""

    def __init__(self, candidates: Candidates, limits: KeyLimits, random: Random) -> None:
        self._candidates = candidates
        self._limits = limits
        self._random = random

    def rank(self, tracked: TrackedVideo, limits: Collection[SpendingLimit]) -> Ranking:
        """Return the services that may be asked next for a video, the best first."""
        order = tracked.video.order()
        return self.rank_order(
            order, tracked.video.params, tracked.route, limits, tracked.tried_services
        )

    def rank_order(
        self,
        order: Order,
        params: CreateParams,
        route: Route,
        limits: Collection[SpendingLimit],
        tried: Collection[ServiceId] = (),
    ) -> Ranking:
        """Return the services that may be asked for what is ordered, the best first."""
        return rank(
            order,
            route,
            self._candidates.for_services(route.services),
            tried=tried,
            pinned=params.pinned_service,
            chosen=params.defaulted_fields,
            policy=policy_named(params.policy) if params.policy else None,
            is_limited=bool(limits),
            draw=self._random.random(),
        )

    async def has_alternative(self, tracked: TrackedVideo) -> bool:
        """Tell whether there is a service left that could make a video."""
        limits = await self._limits.limits_of(tracked.video.key)
        return bool(self.rank(tracked, limits).choices)

    def p95_duration(self, service: ServiceId) -> timedelta | None:
        """Return within which time nineteen of twenty jobs of a service end; None if unknown."""
        for prospect in self._candidates.for_services(
            (service,)
        ):  # one, unless it has left the board
            if prospect.p95_seconds is not None:
                return timedelta(seconds=prospect.p95_seconds)
        return None

    def expected_duration(self, service: ServiceId) -> timedelta | None:
        """Return how long jobs of a service take; None if that was not seen yet."""
        for prospect in self._candidates.for_services((service,)):
            if prospect.p95_seconds is not None:
                return timedelta(seconds=prospect.seconds)
        return None
