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
from tallylight.gateway.routing.capability import Fit, Misfit, wish_of
from tallylight.gateway.routing.presets import WEIGHINGS, Policy, Weighing
from tallylight.gateway.routing.ranking import Bar, Because, Choice, Exclusion, Prospect, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import NO_SERVICE, ServiceId
from tallylight.model.order import Order
from tallylight.model.status import Access, Status

_HOUR = 3600.0
_LEAST_DELIVERY = 0.001  # nothing is divided by less
_NOTHING = Decimal(0)
_FREE = Access.SELF_HOSTED  # nobody sends a bill, where its operator names no price

_LAST, _SECOND, _UNTRUSTED, _UNRELIABLE = 8, 4, 2, 1
"""What counts before any score: the last resort, the second access, little trust, unreliability."""

_DOWN: Mapping[Status, Bar] = {
    Status.SUSPENDED: Bar.SUSPENDED,
    Status.MAINTENANCE: Bar.MAINTENANCE,
}


class _Rung(NamedTuple):
    """One that can be asked, sorted by what stands first: tier, score, price, name."""

    tier: int
    score: float
    dollars: float
    id: ServiceId
    prospect: Prospect
    fit: Fit
    why: tuple[Because, ...]


class _Use(NamedTuple):
    """What one request is ordered by."""

    route: Route
    weighing: Weighing
    is_explicit: bool
    admitted: Collection[ServiceId]
    dearest: float


def rank(  # noqa: PLR0913  # the facts of one request
    order: Order,
    route: Route,
    prospects: Sequence[Prospect],
    *,
    tried: Collection[ServiceId] = (),
    pinned: ServiceId = NO_SERVICE,
    chosen: Collection[str] = (),
    policy: Policy | None = None,
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
    weighing = WEIGHINGS[policy or route.policy]
    wish = wish_of(order, chosen, route.substitutes)
    found: list[tuple[ServiceId, Prospect, Fit]] = []
    excluded: list[Exclusion] = []
    for prospect in prospects:
        id_ = prospect.service.id
        if id_ not in route.services or pinned not in {NO_SERVICE, id_}:
            continue
        bar = _bar(prospect, weighing, tried, is_pinned=bool(pinned))
        if bar is not None:
            excluded.append(bar)
            continue
        fit = prospect.capability.fit(wish)
        if isinstance(fit, Misfit):
            excluded.append(Exclusion(id_, Bar.CAPABILITY, fit.param, fit.asked, fit.allowed))
        elif is_limited and fit.cost is None and prospect.service.access is not _FREE:
            excluded.append(Exclusion(id_, Bar.BUDGET))
        else:
            found.append((id_, prospect, fit))
    found.sort(key=itemgetter(0))  # no order of theirs counts
    excluded.sort(key=attrgetter("service"))
    admitted, draw = _admitted([prospect for _, prospect, _ in found], draw)
    use = _Use(
        route,
        weighing,
        is_explicit=route.explicit and policy is None,
        admitted=admitted,
        dearest=max((fit.dollars for _, _, fit in found), default=0.0),
    )
    rungs = sorted(_rung(each, use) for each in found)
    if not use.is_explicit:
        rungs = _spread(rungs, route.weights, weighing.equal_within, draw)
    return Ranking(_choices(rungs, order), tuple(excluded))


def _bar(  # noqa: PLR0911  # one return for each bar
    prospect: Prospect, weighing: Weighing, tried: Collection[ServiceId], *, is_pinned: bool
) -> Exclusion | None:
    """Return what keeps a service from being asked at all."""
    service, verdict = prospect.service, prospect.verdict
    id_ = service.id
    if id_ in tried:
        return Exclusion(id_, Bar.TRIED)
    if verdict.status is Status.RETIRED:
        return Exclusion(id_, Bar.RETIRED)
    if not prospect.is_trial:
        if verdict.blocked is not None:
            return Exclusion(id_, Bar.BLOCKED, asked=verdict.blocked.value)
        if verdict.status in _DOWN:
            return Exclusion(id_, _DOWN[verdict.status])
    if prospect.wait is not None:
        return Exclusion(id_, Bar.CIRCUIT, wait=prospect.wait)
    if service.access in weighing.refuses and not is_pinned:
        return Exclusion(id_, Bar.POLICY, asked=service.access.value)
    return None


def _admitted(
    prospects: Sequence[Prospect], draw: float | None
) -> tuple[Collection[ServiceId], float | None]:
    """Return who of the recovering and unknown may be the first choice of this request.

    Where there is nobody to be trusted more, nobody needs to be let in.

    Returns:
        Their ids, and a number by chance that owes nothing to that decision.
    """
    untrusted = [each for each in prospects if each.trickle < 1.0]
    if draw is None or len(untrusted) in {0, len(prospects)}:
        return (), draw
    admitted = []
    for each in untrusted:
        if each.trickle <= 0.0:
            continue
        if draw < each.trickle:
            admitted.append(each.service.id)
            draw /= each.trickle
        else:
            draw = (draw - each.trickle) / (1 - each.trickle)
    return admitted, draw


def _rung(found: tuple[ServiceId, Prospect, Fit], use: _Use) -> _Rung:
    id_, prospect, fit = found
    dollars = use.dearest if fit.cost is None else fit.dollars
    if use.is_explicit:
        place = float(use.route.services.index(id_))
        tier, why = _explicit_tier(prospect, is_admitted=id_ in use.admitted)
        return _Rung(tier, place, dollars, id_, prospect, fit, why)
    tier, why = _tier(prospect, use.weighing, is_admitted=id_ in use.admitted)
    score = _score(prospect, dollars, use.weighing)
    return _Rung(tier, score, dollars, id_, prospect, fit, why)


def _explicit_tier(prospect: Prospect, *, is_admitted: bool) -> tuple[int, tuple[Because, ...]]:
    """Return what moves a service back in an order that is written: failures that callers saw."""
    trust, told = _trust(prospect, is_admitted=is_admitted)
    if told is Because.UNKNOWN:
        trust = 0
    return trust, (Because.EXPLICIT,) if told is None else (Because.EXPLICIT, told)


def _tier(
    prospect: Prospect, weighing: Weighing, *, is_admitted: bool
) -> tuple[int, tuple[Because, ...]]:
    """Return what counts before any score, the least first, and the reasons of it."""
    tier, told = _trust(prospect, is_admitted=is_admitted)
    why = () if told is None else (told,)
    if weighing.first is not None:
        if prospect.service.access in weighing.first:
            why = (Because.PREFERRED, *why)
        else:
            tier += _SECOND
    if prospect.delivery < weighing.least_delivery:
        tier += _UNRELIABLE
        why = (*why, Because.UNRELIABLE)
    return tier, why


def _trust(prospect: Prospect, *, is_admitted: bool) -> tuple[int, Because | None]:
    if prospect.trickle >= 1.0:
        return 0, None
    if is_admitted:
        return 0, Because.TRICKLE
    if prospect.trickle <= 0.0 or prospect.is_trial:
        return _LAST, Because.FAILING
    is_unknown = prospect.verdict.status is Status.UNKNOWN
    return _UNTRUSTED, Because.UNKNOWN if is_unknown else Because.RECOVERING


def _score(prospect: Prospect, dollars: float, weighing: Weighing) -> float:
    """Return the expected cost until a video arrives, in the policy's dollars."""
    delivery = max(prospect.delivery, _LEAST_DELIVERY)
    trouble = weighing.an_hour * prospect.seconds / _HOUR + weighing.a_failure * (1 - delivery)
    if prospect.service.upstream.bills is BillingBasis.DELIVERIES:
        return weighing.money * dollars + trouble / delivery
    return (weighing.money * dollars + trouble) / delivery


def _spread(
    rungs: Sequence[_Rung], weights: Mapping[ServiceId, float], within: float, draw: float | None
) -> list[_Rung]:
    """Return the same, those that are equals in an order drawn by weight, or as they were."""
    drawn: list[_Rung] = []
    while len(drawn) < len(rungs):
        equals = _equals(rungs, len(drawn), within)
        if len(equals) == 1:
            drawn += equals
            continue
        while equals:
            index = 0
            if draw is not None:
                index, draw = _drawn([weights.get(rung.id, 1.0) for rung in equals], draw)
            rung = equals.pop(index)
            drawn.append(_Rung._make((*rung[:-1], (*rung.why, Because.EQUAL))))
    return drawn


def _equals(rungs: Sequence[_Rung], place: int, within: float) -> list[_Rung]:
    """Return the rungs from a place on that are as good as its own.

    One that differs by a higher price alone is no equal.
    """
    first = rungs[place]
    equals = [first]
    limit = first.score * (1 + within)
    cheapest = {(first.prospect.delivery, first.prospect.seconds): first.dollars}
    for index in range(place + 1, len(rungs)):
        rung = rungs[index]
        if rung.tier != first.tier or rung.score > limit:
            break
        alike = (rung.prospect.delivery, rung.prospect.seconds)
        if cheapest.setdefault(alike, rung.dollars) < rung.dollars:
            break
        equals.append(rung)
    return equals


def _drawn(weights: Sequence[float], draw: float) -> tuple[int, float]:
    """Return an index drawn by weight, and what is left of the chance in the draw."""
    mark = draw * sum(weights)
    for index, weight in enumerate(weights):
        if mark < weight:
            return index, mark / weight
        mark -= weight
    return 0, draw  # nobody has any weight


def _choices(rungs: Sequence[_Rung], order: Order) -> tuple[Choice, ...]:
    orders = {(order.seconds, order.size): order}
    choices = []
    for rung in rungs:
        prospect, fit = rung.prospect, rung.fit
        measures = (fit.seconds, fit.size)
        fitting = orders.get(measures)
        if fitting is None:
            fitting = orders[measures] = replace(order, seconds=fit.seconds, size=fit.size)
        choices.append(
            Choice(
                prospect.service,
                fitting,
                fit.substituted,
                fit.cost or _NOTHING,
                prospect.delivery,
                prospect.seconds,
                rung.score,
                prospect.p95_seconds,
                rung.why,
                fit.cost is not None,
            )
        )
    return tuple(choices)
