"""Orders the services of a route for one request; pure.

Services are ordered by the expected cost until a video arrives: the cost of one attempt in money,
time and failures, divided by the probability that the attempt delivers. For attempts made in turn
until one succeeds, the ascending ratio of cost to probability is the cheapest order.

Source:
    Mitten, An analytic solution to the least cost testing sequence problem, Journal of Industrial
    Engineering 11 (1960) 17.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tallylight.catalogue.choices import Mismatch, Requirements
from tallylight.catalogue.fit import Fitted, requirements_of
from tallylight.catalogue.orders import costs_nothing
from tallylight.catalogue.services import BillingBasis
from tallylight.gateway.routing.measures import (
    UnreckonedMeasure,
    first_measure,
    first_picture,
    first_unreckoned,
    measure_advice,
)
from tallylight.gateway.routing.presets import POLICY_WEIGHTS, PolicyWeights, RoutingPolicy
from tallylight.gateway.routing.ranking import (
    Candidate,
    Choice,
    Exclusion,
    ExclusionReason,
    Ranking,
    RankingReason,
)
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import NO_SERVICE, ServiceId
from tallylight.model.status import Status
from tallylight.model.wish import Wish

_HOUR = 3600.0
_MIN_DELIVERY = 0.001  # avoids a division by zero
_ZERO_USD = Decimal(0)

_LAST_RESORT, _NOT_PREFERRED, _UNTRUSTED, _UNRELIABLE = 8, 4, 2, 1
"""Weights of the tier, which is compared before the score. Powers of two: reasons add up."""

_DOWN_REASONS: Mapping[Status, ExclusionReason] = {
    Status.SUSPENDED: ExclusionReason.SUSPENDED,
    Status.MAINTENANCE: ExclusionReason.MAINTENANCE,
}


class _RankedCandidate(NamedTuple):
    """A candidate that can serve the request; sorts by tier, score, price and id."""

    tier: int
    score: float
    cost_usd: float
    id: ServiceId
    candidate: Candidate
    fitted: Fitted
    reasons: tuple[RankingReason, ...]


class _RankingContext(NamedTuple):
    """The facts of one request that order its candidates."""

    route: Route
    weights: PolicyWeights
    is_explicit: bool
    admitted: Collection[ServiceId]
    highest_cost_usd: float


class _RankedWish(NamedTuple):
    """A wish, and what of it holds for all services.

    Args:
        wish: The wish.
        requirements: What it requires of a service.
        measure: What a service may bill and no price is computed from.
        picture: The same where each picture is billed.
        is_limited: A spending limit applies.
    """

    wish: Wish
    requirements: Requirements
    measure: UnreckonedMeasure | None
    picture: UnreckonedMeasure | None
    is_limited: bool


def rank(  # noqa: PLR0913  # each is a fact of the request
    wish: Wish,
    route: Route,
    candidates: Sequence[Candidate],
    *,
    tried: Collection[ServiceId] = (),
    pinned: ServiceId = NO_SERVICE,
    policy: RoutingPolicy | None = None,
    is_limited: bool = False,
    draw: float | None = None,
) -> Ranking:
    """Return the services of a route in the order in which to submit the request to them.

    Args:
        wish: What the caller requested.
        route: The services and their policy.
        candidates: What is expected of each service; services of other routes are ignored.
        tried: Services that had their attempt.
        pinned: The only service that can serve the request, as it holds the source video.
        policy: A policy in place of the route's own.
        is_limited: A spending limit applies; services without a known price are excluded.
        draw: A random number in [0, 1). It decides among ties, and whether this request is one
            of the few that try a recovering service. None ranks without chance and tries no
            recovering service, to explain an order.
    """
    weights = POLICY_WEIGHTS[policy or route.policy]
    wanted = _ranked_wish(wish, route, is_limited=is_limited)
    fitting: list[tuple[ServiceId, Candidate, Fitted]] = []
    excluded: list[Exclusion] = []
    for candidate in candidates:
        id_ = candidate.service.id
        if id_ not in route.services or pinned not in {NO_SERVICE, id_}:
            continue
        exclusion = _exclusion(candidate, weights, tried, is_pinned=bool(pinned))
        if exclusion is None:
            found = _fitted(candidate, wanted)
            if isinstance(found, Fitted):
                fitting.append((id_, candidate, found))
                continue
            exclusion = found
        excluded.append(exclusion)
    # Sorted, so that the order of the candidates never matters.
    fitting.sort(key=itemgetter(0))
    excluded.sort(key=attrgetter("service"))
    admitted, draw = _admit_canaries([candidate for _, candidate, _ in fitting], draw)
    context = _RankingContext(
        route,
        weights,
        is_explicit=route.explicit and policy is None,
        admitted=admitted,
        highest_cost_usd=max((fitted.cost_usd for _, _, fitted in fitting), default=0.0),
    )
    ranked = sorted(_ranked(each, context) for each in fitting)
    if not context.is_explicit:
        ranked = _shuffle_ties(ranked, route.weights, weights.tie_tolerance, draw)
    return Ranking(_choices(ranked, wish), tuple(excluded))


def _ranked_wish(wish: Wish, route: Route, *, is_limited: bool) -> _RankedWish:
    return _RankedWish(
        wish,
        requirements_of(wish, route.substitutes),
        first_measure(wish.prompt, wish.extras),
        first_picture(wish.extras),
        is_limited,
    )


def _exclusion(  # noqa: PLR0911  # one return for each reason
    candidate: Candidate, weights: PolicyWeights, tried: Collection[ServiceId], *, is_pinned: bool
) -> Exclusion | None:
    """Return why a service must not be used at all; None if it may be."""
    service, verdict = candidate.service, candidate.verdict
    id_ = service.id
    if id_ in tried:
        return Exclusion(id_, ExclusionReason.TRIED)
    if verdict.status is Status.RETIRED:
        return Exclusion(id_, ExclusionReason.RETIRED)
    if not candidate.is_trial:
        if verdict.blocked is not None:
            return Exclusion(id_, ExclusionReason.BLOCKED, requested=verdict.blocked.value)
        if verdict.status in _DOWN_REASONS:
            return Exclusion(id_, _DOWN_REASONS[verdict.status])
    if candidate.wait is not None:
        return Exclusion(id_, ExclusionReason.CIRCUIT_OPEN, wait=candidate.wait)
    if service.access in weights.excluded_access and not is_pinned:
        return Exclusion(id_, ExclusionReason.POLICY, requested=service.access.value)
    return None


def _fitted(candidate: Candidate, wanted: _RankedWish) -> Fitted | Exclusion:
    """Return how the service serves the request, or why it cannot."""
    id_, service = candidate.service.id, candidate.service
    found = candidate.fitter.fit(wanted.requirements, len(wanted.wish.prompt))
    if isinstance(found, Mismatch):
        reason = ExclusionReason.CAPABILITY
        return Exclusion(id_, reason, found.param, found.requested, found.allowed)
    # Without a price there is none to change, and a limit excludes a service that may cost.
    price = service.sheet.price
    if price is not None and (measure := _unreckoned(candidate, wanted)) is not None:
        return _unpriced(id_, measure)
    if price is not None and price.per_input_image and wanted.picture is not None:
        return _unpriced(id_, wanted.picture)
    if wanted.is_limited and found.cost is None and not costs_nothing(service):
        return Exclusion(id_, ExclusionReason.BUDGET)
    return found


def _unreckoned(candidate: Candidate, wanted: _RankedWish) -> UnreckonedMeasure | None:
    """Return what the service may bill and no price is computed from."""
    wording, extras = candidate.fitter.wording, wanted.wish.extras
    if not wording.knows_extras or not extras:
        return wanted.measure
    if wanted.measure is not None and wanted.measure.path == "prompt":
        return wanted.measure
    if (found := first_unreckoned(extras, wording.passes, wording.priced)) is not None:
        return found
    unknown = next((name for name in extras if name not in wording.passes), None)
    # What the wording does not know may cost something.
    return UnreckonedMeasure(unknown, "", None) if unknown and wanted.is_limited else None


def _unpriced(id_: ServiceId, measure: UnreckonedMeasure) -> Exclusion:
    where = f"'{measure.flag}' in '{measure.path}'" if measure.flag else f"'{measure.path}'"
    advice = measure_advice(measure)
    return Exclusion(id_, ExclusionReason.UNPRICED, measure.path, where, advice)


def _admit_canaries(
    candidates: Sequence[Candidate], draw: float | None
) -> tuple[Collection[ServiceId], float | None]:
    """Return which recovering and unknown services may be the first choice of this request.

    If every service is recovering or unknown, all of them compete anyway and none is admitted.

    Returns:
        Their ids, and the rest of the random number, independent of this decision.
    """
    untrusted = [each for each in candidates if each.traffic_share < 1.0]
    if draw is None or len(untrusted) in {0, len(candidates)}:
        return (), draw
    admitted = []
    for each in untrusted:
        if each.traffic_share <= 0.0:
            continue
        if draw < each.traffic_share:
            admitted.append(each.service.id)
            draw /= each.traffic_share
        else:
            draw = (draw - each.traffic_share) / (1 - each.traffic_share)
    return admitted, draw


def _ranked(
    fitting: tuple[ServiceId, Candidate, Fitted], context: _RankingContext
) -> _RankedCandidate:
    id_, candidate, fitted = fitting
    is_admitted = id_ in context.admitted
    # An unknown price is taken as the highest of the known ones.
    cost_usd = context.highest_cost_usd if fitted.cost is None else fitted.cost_usd
    if context.is_explicit:
        score = float(context.route.services.index(id_))
        tier, reasons = _explicit_tier(candidate, is_admitted=is_admitted)
    else:
        score = _score(candidate, cost_usd, context.weights)
        tier, reasons = _tier(candidate, context.weights, is_admitted=is_admitted)
    return _RankedCandidate(tier, score, cost_usd, id_, candidate, fitted, reasons)


def _explicit_tier(
    candidate: Candidate, *, is_admitted: bool
) -> tuple[int, tuple[RankingReason, ...]]:
    """Return the tier in an explicit order; only failures in callers' traffic change it."""
    tier, reason = _trust_tier(candidate, is_admitted=is_admitted)
    if reason is RankingReason.UNKNOWN:
        tier = 0
    return tier, (RankingReason.EXPLICIT,) if reason is None else (RankingReason.EXPLICIT, reason)


def _tier(
    candidate: Candidate, weights: PolicyWeights, *, is_admitted: bool
) -> tuple[int, tuple[RankingReason, ...]]:
    """Return the tier, lowest first, and the reasons for it."""
    tier, reason = _trust_tier(candidate, is_admitted=is_admitted)
    reasons = () if reason is None else (reason,)
    if weights.preferred_access is not None:
        if candidate.service.access in weights.preferred_access:
            reasons = (RankingReason.PREFERRED, *reasons)
        else:
            tier += _NOT_PREFERRED
    if candidate.delivery < weights.min_delivery:
        tier += _UNRELIABLE
        reasons = (*reasons, RankingReason.UNRELIABLE)
    return tier, reasons


def _trust_tier(candidate: Candidate, *, is_admitted: bool) -> tuple[int, RankingReason | None]:
    if candidate.traffic_share >= 1.0:
        return 0, None
    if is_admitted:
        return 0, RankingReason.CANARY
    if candidate.traffic_share <= 0.0 or candidate.is_trial:
        return _LAST_RESORT, RankingReason.FAILING
    is_unknown = candidate.verdict.status is Status.UNKNOWN
    return _UNTRUSTED, RankingReason.UNKNOWN if is_unknown else RankingReason.RECOVERING


def _score(candidate: Candidate, cost_usd: float, weights: PolicyWeights) -> float:
    """Return the expected cost until a video arrives, in the policy's weighted dollars."""
    delivery = max(candidate.delivery, _MIN_DELIVERY)
    price = weights.per_usd * cost_usd
    effort = weights.per_hour * candidate.seconds / _HOUR + weights.per_failure * (1 - delivery)
    if candidate.service.upstream.bills is BillingBasis.DELIVERIES:
        return price + effort / delivery  # the price is paid once, for the video that arrives
    return (price + effort) / delivery


def _shuffle_ties(
    ranked: Sequence[_RankedCandidate],
    weights: Mapping[ServiceId, float],
    tolerance: float,
    draw: float | None,
) -> list[_RankedCandidate]:
    """Return the candidates with each group of ties in an order drawn by weight.

    Without a draw, ties keep their order.
    """
    drawn: list[_RankedCandidate] = []
    while len(drawn) < len(ranked):
        ties = _ties(ranked, len(drawn), tolerance)
        if len(ties) == 1:
            drawn += ties
            continue
        while ties:
            index = 0
            if draw is not None:
                index, draw = _weighted_draw([weights.get(each.id, 1.0) for each in ties], draw)
            each = ties.pop(index)
            drawn.append(_RankedCandidate._make((*each[:-1], (*each.reasons, RankingReason.TIE))))
    return drawn


def _ties(
    ranked: Sequence[_RankedCandidate], place: int, tolerance: float
) -> list[_RankedCandidate]:
    """Return the candidates from a place on that tie with the one at that place.

    A candidate that differs from another only by a higher price is no tie.
    """
    first = ranked[place]
    ties = [first]
    limit = first.score * (1 + tolerance)
    cheapest = {(first.candidate.delivery, first.candidate.seconds): first.cost_usd}
    for index in range(place + 1, len(ranked)):
        each = ranked[index]
        if each.tier != first.tier or each.score > limit:
            break
        quality = (each.candidate.delivery, each.candidate.seconds)
        if cheapest.setdefault(quality, each.cost_usd) < each.cost_usd:
            break
        ties.append(each)
    return ties


def _weighted_draw(weights: Sequence[float], draw: float) -> tuple[int, float]:
    """Return an index drawn by weight, and the rest of the random number, again in [0, 1)."""
    mark = draw * sum(weights)
    for index, weight in enumerate(weights):
        if mark < weight:
            return index, mark / weight
        mark -= weight
    return 0, draw  # all weights are zero


def _choices(ranked: Sequence[_RankedCandidate], wish: Wish) -> tuple[Choice, ...]:
    choices = []
    for each in ranked:
        candidate, fitted = each.candidate, each.fitted
        choices.append(
            Choice(
                candidate.service,
                wish,
                fitted.order,
                fitted.cost or _ZERO_USD,
                candidate.delivery,
                candidate.seconds,
                each.score,
                candidate.p95_seconds,
                each.reasons,
                fitted.cost is not None,
            )
        )
    return tuple(choices)
