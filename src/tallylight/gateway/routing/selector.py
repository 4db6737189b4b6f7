"""Ranks the services of a route for a video, from the current board and traffic."""

from collections.abc import Collection
from datetime import timedelta
from random import Random

from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import policy_named
from tallylight.gateway.routing.ranking import Candidate, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.settings import KeyLimits
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.ledger import SpendingLimit
from tallylight.model.video import CreateParams
from tallylight.model.wish import Wish


class ServiceSelector:
    """Calls the pure `rank` with the current candidates, limits and random draw."""

    def __init__(self, candidates: Candidates, limits: KeyLimits, random: Random) -> None:
        self._candidates = candidates
        self._limits = limits
        self._random = random

    async def rank(self, tracked: TrackedVideo, route: Route) -> Ranking:
        """Return the services that may be tried next for a video, best first."""
        video = tracked.video
        limits = await self.limits_of(video.key)
        return self.rank_wish(video.wish(), video.params, route, limits, tracked.tried_services)

    async def limits_of(self, key: KeyId) -> tuple[SpendingLimit, ...]:
        """Return the spending limits of the videos of a key."""
        return await self._limits.limits_of(key)

    def rank_wish(
        self,
        wish: Wish,
        params: CreateParams,
        route: Route,
        limits: Collection[SpendingLimit],
        tried: Collection[ServiceId] = (),
    ) -> Ranking:
        """Return the services that may be tried for a wish, best first."""
        return rank(
            wish,
            route,
            self._candidates.for_services(route.services),
            tried=tried,
            pinned=params.pinned_service,
            policy=policy_named(params.policy) if params.policy else None,
            is_limited=bool(limits),
            draw=self._random.random(),
        )

    def p95_duration(self, service: ServiceId) -> timedelta | None:
        """Return the 95th percentile of a service's job durations; None if it is not known."""
        candidate = self._timed_candidate(service)
        if candidate is None or candidate.p95_seconds is None:
            return None
        return timedelta(seconds=candidate.p95_seconds)

    def expected_duration(self, service: ServiceId) -> timedelta | None:
        """Return how long a service's jobs usually take; None if no job was timed yet."""
        candidate = self._timed_candidate(service)
        return None if candidate is None else timedelta(seconds=candidate.seconds)

    def _timed_candidate(self, service: ServiceId) -> Candidate | None:
        # The list is empty once the service has left the board.
        for candidate in self._candidates.for_services((service,)):
            if candidate.p95_seconds is not None:
                return candidate
        return None
