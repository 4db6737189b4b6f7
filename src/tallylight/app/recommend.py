"""Recommends services: the ranking of the gateway, with its reasons."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.documents.nearest import unknown_name_message
from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.circuit_breaker import CircuitBreaker
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import POLICY_WEIGHTS, RoutingPolicy, policy_named
from tallylight.gateway.routing.ranking import Choice, Exclusion
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import ServiceId
from tallylight.model.order import Medium
from tallylight.model.status import Status
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.status.recommendation import (
    ExcludedService,
    RankedService,
    Recommendation,
    RecommendationQuery,
)

_ALL_SERVICES = ""
_MOST_ALTERNATIVES = 2


class RouteRecommender:
    """Implements `status.recommendation.Recommender`."""

    def __init__(
        self, board: Board, candidates: Candidates, routes: Callable[[], Mapping[str, Route]]
    ) -> None:
        self._board = board
        self._candidates = candidates
        self._routes = routes

    def policies(self) -> Sequence[str]:
        """Return the names of the presets and preferences."""
        return [policy.value for policy in POLICY_WEIGHTS]

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        return list(self._routes())

    def recommend(self, query: RecommendationQuery) -> Recommendation:
        """Return the services as the gateway would rank them now, without its random share.

        Raises:
            LookupError: if there is no such policy or model; its text names the nearest one.
        """
        route, policy = self._route(query.model), _policy(query.policy)
        ranking = rank(
            self._wish(query, route),
            route,
            self._candidates.for_services(route.services),
            policy=policy,
        )
        is_explicit = route.explicit and policy is None
        policy_name = "" if is_explicit else (policy or route.policy).value
        return Recommendation(
            query=RecommendationQuery(policy_name, query.seconds, query.size, query.model),
            ranked=tuple(map(self._recommended, ranking.choices)),
            excluded=tuple(map(self._excluded, ranking.excluded)),
            success_probability=ranking.delivery,
        )

    def _wish(self, query: RecommendationQuery, route: Route) -> Wish:
        """Return what is asked of a route; images have no length, and the size of the sheet."""
        services = (self._board.find_service(id_) for id_ in route.services)
        if any(each is not None and each.sheet.medium is Medium.IMAGE for each in services):
            return Wish("", medium=Medium.IMAGE)
        return Wish("", measures=WishedMeasures(query.seconds, query.size))

    def _route(self, model: str) -> Route:
        if model == _ALL_SERVICES:
            return Route(model, self._video_services())
        routes = self._routes()
        if model not in routes:
            raise LookupError(unknown_name_message("model", model, routes))
        return routes[model]

    def _video_services(self) -> tuple[ServiceId, ...]:
        services = self._board.services()
        return tuple(each.id for each in services if each.sheet.medium is Medium.VIDEO)

    def _recommended(self, choice: Choice) -> RankedService:
        return RankedService(
            service=choice.service,
            verdict=self._board.verdict(choice.service.id),
            seconds=choice.order.seconds or 0,
            size=choice.order.size,
            cost=choice.cost if choice.is_priced else None,
            expected_cost=choice.expected_cost if choice.is_priced else None,
            job_time=timedelta(seconds=choice.seconds),
            expected_time=timedelta(seconds=choice.expected_seconds),
            success_probability=choice.delivery,
            reason_codes=tuple(each.value for each in choice.reasons),
        )

    def _excluded(self, exclusion: Exclusion) -> ExcludedService:
        id_ = exclusion.service
        return ExcludedService(
            service=self._board.service(id_),
            verdict=self._board.verdict(id_),
            reason=exclusion.reason.value,
            param=exclusion.param,
            requested=exclusion.requested,
            allowed=exclusion.allowed,
        )


def board_recommender(
    board: Board, clock: Clock, configuration: Callable[[], Configuration]
) -> RouteRecommender:
    """Return a recommender that knows the board only, without callers' videos."""
    candidates = Candidates(board, CircuitBreaker(), clock)
    return RouteRecommender(board, candidates, lambda: configuration().routes)


def _policy(name: str) -> RoutingPolicy | None:
    if not name:
        return None
    try:
        return policy_named(name)
    except ValueError as error:
        raise LookupError(str(error)) from None


def alternatives(
    recommender: RouteRecommender, routes: Mapping[str, Route], services: Sequence[ServiceId]
) -> tuple[str, ...]:
    """Return the names of the operational services to use in place of some, the best first.

    They are taken from the routes of the services; without a route from all services for videos.
    """
    avoided = set(services)
    models = [name for name, each in routes.items() if not avoided.isdisjoint(each.services)]
    names: dict[str, None] = {}
    for model in models or [_ALL_SERVICES]:
        for each in recommender.recommend(RecommendationQuery(model=model)).ranked:
            if each.service.id not in avoided and each.verdict.status is Status.OPERATIONAL:
                names[each.service.name] = None
    return tuple(names)[:_MOST_ALTERNATIVES]
