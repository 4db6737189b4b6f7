"""Orders the services of a route for one request: who is asked first, who next, who never.

The order is that of the least expected cost until a video arrives: what an attempt costs in
money, time and trouble, over the probability that it delivers. For attempts made in turn until
one succeeds, the ascending ratio of cost to probability is the cheapest order there is.

Source:
    Mitten, An analytic solution to the least cost testing sequence problem, Journal of Industrial
    Engineering 11 (1960) 17.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tallylight.catalogue.services import BillingBasis
from tallylight.gateway.routing.capability import Match, Mismatch, requirements_of
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
from tallylight.model.order import Order
from tallylight.model.status import Access, Status

_HOUR = 3600.0
_MIN_DELIVERY = 0.001  # nothing is divided by less
_ZERO_USD = Decimal(0)
_UNBILLED_ACCESS = Access.SELF_HOSTED  # nobody sends a bill, where its operator names no price

_LAST_RESORT, _NOT_PREFERRED, _UNTRUSTED, _UNRELIABLE = 8, 4, 2, 1
"""What counts before any score: the last resort, the second access, little trust, unreliability."""

_DOWN_REASONS: Mapping[Status, ExclusionReason] = {
    Status.SUSPENDED: ExclusionReason.SUSPENDED,
    Status.MAINTENANCE: ExclusionReason.MAINTENANCE,
}


class _RankedCandidate(NamedTuple):
    """One that can be asked, sorted by what stands first: tier, score, price, name."""

    tier: int
    score: float
    cost_usd: float
    id: ServiceId
    candidate: Candidate
    match: Match
    reasons: tuple[RankingReason, ...]


class _RankingContext(NamedTuple):
    """What one request is ordered by."""

    route: Route
    weights: PolicyWeights
    is_explicit: bool
    admitted: Collection[ServiceId]
    highest_cost_usd: float


def rank(  # noqa: PLR0913  # the facts of one request
    order: Order,
    route: Route,
    candidates: Sequence[Candidate],
    *,
    tried: Collection[ServiceId] = (),
    pinned: ServiceId = NO_SERVICE,
    chosen: Collection[str] = (),
    policy: RoutingPolicy | None = None,
    is_limited: bool = False,
    draw: float | None = None,
) -> Ranking:
    """Return the services of a route in the order in which they are to be asked.

    Args:
        order: What is asked for.
        route: Who can serve it, and how it chooses.
        prospects: What is to be expected of each service; those of other routes do no harm.
        tried: Services that had their attempt.
        pinned: The only service that can do it, for it holds the video that this one builds on.
        chosen: Fields that the caller left out ("seconds", "size"): we choose them.
        policy: In place of the route's own.
        is_limited: There is a limit to what it may cost; who names no price cannot keep to it.
        draw: A number from 0 to 1, by chance, that decides among equals and whether this is one
            of the few requests that try a recovering service; None takes the best of the equals
            and tries nobody, to explain rather than to ask.
    """
    weighing = POLICY_WEIGHTS[policy or route.policy]
    wish = requirements_of(order, chosen, route.substitutes)
    found: list[tuple[ServiceId, Candidate, Match]] = []
    excluded: list[Exclusion] = []
    for prospect in candidates:
        id_ = prospect.service.id
        if id_ not in route.services or pinned not in {NO_SERVICE, id_}:
            continue
        bar = _exclusion(prospect, weighing, tried, is_pinned=bool(pinned))
        if bar is not None:
            excluded.append(bar)
            continue
        fit = prospect.capability.match(wish)
        if isinstance(fit, Mismatch):
            excluded.append(
                Exclusion(id_, ExclusionReason.CAPABILITY, fit.param, fit.requested, fit.allowed)
            )
        elif is_limited and fit.cost is None and prospect.service.access is not _UNBILLED_ACCESS:
            excluded.append(Exclusion(id_, ExclusionReason.BUDGET))
        else:
            found.append((id_, prospect, fit))
    found.sort(key=itemgetter(0))  # no order of theirs counts
    excluded.sort(key=attrgetter("service"))
    admitted, draw = _admit_canaries([prospect for _, prospect, _ in found], draw)
    use = _RankingContext(
        route,
        weighing,
        is_explicit=route.explicit and policy is None,
        admitted=admitted,
        highest_cost_usd=max((fit.cost_usd for _, _, fit in found), default=0.0),
    )
    rungs = sorted(_ranked(each, use) for each in found)
    if not use.is_explicit:
        rungs = _shuffle_ties(rungs, route.weights, weighing.tie_tolerance, draw)
    return Ranking(_choices(rungs, order), tuple(excluded))


def _exclusion(  # noqa: PLR0911  # one return for each bar
    candidate: Candidate, weights: PolicyWeights, tried: Collection[ServiceId], *, is_pinned: bool
) -> Exclusion | None:
    """Return what keeps a service from being asked at all."""
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


def _admit_canaries(
    candidates: Sequence[Candidate], draw: float | None
) -> tuple[Collection[ServiceId], float | None]:
    """Return who of the recovering and unknown may be the first choice of this request.

    Where there is nobody to be trusted more, nobody needs to be let in.

    Returns:
        Their ids, and a number by chance that owes nothing to that decision.
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
    matched: tuple[ServiceId, Candidate, Match], context: _RankingContext
) -> _RankedCandidate:
    id_, prospect, fit = matched
    dollars = context.highest_cost_usd if fit.cost is None else fit.cost_usd
    if context.is_explicit:
        place = float(context.route.services.index(id_))
        tier, why = _explicit_tier(prospect, is_admitted=id_ in context.admitted)
        return _RankedCandidate(tier, place, dollars, id_, prospect, fit, why)
    tier, why = _tier(prospect, context.weights, is_admitted=id_ in context.admitted)
    score = _score(prospect, dollars, context.weights)
    return _RankedCandidate(tier, score, dollars, id_, prospect, fit, why)


def _explicit_tier(
    candidate: Candidate, *, is_admitted: bool
) -> tuple[int, tuple[RankingReason, ...]]:
    """Return what moves a service back in an order that is written: failures that callers saw."""
    trust, told = _trust_tier(candidate, is_admitted=is_admitted)
    if told is RankingReason.UNKNOWN:
        trust = 0
    return trust, (RankingReason.EXPLICIT,) if told is None else (RankingReason.EXPLICIT, told)


def _tier(
    candidate: Candidate, weights: PolicyWeights, *, is_admitted: bool
) -> tuple[int, tuple[RankingReason, ...]]:
    """Return what counts before any score, the least first, and the reasons of it."""
    tier, told = _trust_tier(candidate, is_admitted=is_admitted)
    why = () if told is None else (told,)
    if weights.preferred_access is not None:
        if candidate.service.access in weights.preferred_access:
            why = (RankingReason.PREFERRED, *why)
        else:
            tier += _NOT_PREFERRED
    if candidate.delivery < weights.min_delivery:
        tier += _UNRELIABLE
        why = (*why, RankingReason.UNRELIABLE)
    return tier, why


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
    """Return the expected cost until a video arrives, in the policy's dollars."""
    delivery = max(candidate.delivery, _MIN_DELIVERY)
    trouble = weights.per_hour * candidate.seconds / _HOUR + weights.per_failure * (1 - delivery)
    if candidate.service.upstream.bills is BillingBasis.DELIVERIES:
        return weights.per_usd * cost_usd + trouble / delivery
    return (weights.per_usd * cost_usd + trouble) / delivery


def _shuffle_ties(
    ranked: Sequence[_RankedCandidate],
    weights: Mapping[ServiceId, float],
    tolerance: float,
    draw: float | None,
) -> list[_RankedCandidate]:
    """Return the same, those that are equals in an order drawn by weight, or as they were."""
    drawn: list[_RankedCandidate] = []
    while len(drawn) < len(ranked):
        equals = _ties(ranked, len(drawn), tolerance)
        if len(equals) == 1:
            drawn += equals
            continue
        while equals:
            index = 0
            if draw is not None:
                index, draw = _weighted_draw([weights.get(rung.id, 1.0) for rung in equals], draw)
            rung = equals.pop(index)
            drawn.append(_RankedCandidate._make((*rung[:-1], (*rung.reasons, RankingReason.TIE))))
    return drawn


def _ties(
    ranked: Sequence[_RankedCandidate], place: int, tolerance: float
) -> list[_RankedCandidate]:
    """Return the rungs from a place on that are as good as its own.

    One that differs by a higher price alone is no equal.
    """
    first = ranked[place]
    equals = [first]
    limit = first.score * (1 + tolerance)
    cheapest = {(first.candidate.delivery, first.candidate.seconds): first.cost_usd}
    for index in range(place + 1, len(ranked)):
        rung = ranked[index]
        if rung.tier != first.tier or rung.score > limit:
            break
        alike = (rung.candidate.delivery, rung.candidate.seconds)
        if cheapest.setdefault(alike, rung.cost_usd) < rung.cost_usd:
            break
        equals.append(rung)
    return equals


def _weighted_draw(weights: Sequence[float], draw: float) -> tuple[int, float]:
    """Return an index drawn by weight, and what is left of the chance in the draw."""
    mark = draw * sum(weights)
    for index, weight in enumerate(weights):
        if mark < weight:
            return index, mark / weight
        mark -= weight
    return 0, draw  # nobody has any weight


def _choices(ranked: Sequence[_RankedCandidate], order: Order) -> tuple[Choice, ...]:
    orders = {(order.seconds, order.size): order}
    choices = []
    for rung in ranked:
        prospect, fit = rung.candidate, rung.match
        measures = (fit.seconds, fit.size)
        fitting = orders.get(measures)
        if fitting is None:
            fitting = orders[measures] = replace(order, seconds=fit.seconds, size=fit.size)
        choices.append(
            Choice(
                prospect.service,
                fitting,
                fit.substituted,
                fit.cost or _ZERO_USD,
                prospect.delivery,
                prospect.seconds,
                rung.score,
                prospect.p95_seconds,
                rung.reasons,
                fit.cost is not None,
            )
        )
    return tuple(choices)
