"""Orders the services of a route for one request: who is asked first, who next, who never.

The order is that of the least expected cost until a video arrives: what an attempt costs in
money, time and trouble, over the probability that it delivers. For attempts made in turn until
one succeeds, the ascending ratio of cost to probability is the cheapest order there is.

Source:
    Mitten, An analytic solution to the least cost testing sequence problem, Journal of Industrial
    Engineering 11 (1960) 17.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tallylight.catalogue.services import Bills
from tallylight.gateway.capability import Fit, Misfit
from tallylight.gateway.presets import WEIGHINGS, Policy, Weighing
from tallylight.gateway.ranking import Bar, Because, Choice, Exclusion, Prospect, Ranking
from tallylight.gateway.routes import Route
from tallylight.terms import NO_SERVICE, Order, ServiceId, Status

__all__ = ["Choice", "Exclusion", "Prospect", "Ranking", "rank"]

_HOUR = 3600.0
_LEAST_DELIVERY = 0.001  # nothing is divided by less

_DOWN: Mapping[Status, Bar] = {
    Status.SUSPENDED: Bar.SUSPENDED,
    Status.MAINTENANCE: Bar.MAINTENANCE,
}


class _Candidate(NamedTuple):
    """A service that can be asked, before it is known how dear the dearest is."""

    prospect: Prospect
    fit: Fit
    place: int

    @property
    def dollars(self) -> float:
        """Return the price of a job as far as it is known."""
        return float(self.fit.cost or 0)


class _Rung(NamedTuple):
    """A choice with what it is sorted by."""

    tier: tuple[bool, bool, bool, bool]
    score: float
    dollars: float
    choice: Choice


_STANDING = itemgetter(0, 1, 2)


def rank(  # noqa: PLR0913  # the facts of one request
    order: Order,
    route: Route,
    prospects: Sequence[Prospect],
    *,
    tried: Collection[ServiceId] = (),
    pinned: ServiceId = NO_SERVICE,
    chosen: Collection[str] = (),
    policy: Policy | None = None,
    left: Decimal | None = None,
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
        left: What the caller may still spend, in USD; None for no limit.
        draw: A number from 0 to 1, by chance, that decides among equals and whether this is one
            of the few requests that try a recovering service; None takes the best of the equals
            and tries nobody, to explain rather than to ask.
    """
    weighing = WEIGHINGS[policy or route.policy]
    places = {id_: place for place, id_ in enumerate(route.services)}
    candidates: list[_Candidate] = []
    excluded: list[Exclusion] = []
    for prospect in prospects:
        id_ = prospect.service.id
        if id_ not in places or pinned not in {NO_SERVICE, id_}:
            continue
        bar = _bar(prospect, weighing, tried, is_pinned=bool(pinned))
        if bar is not None:
            excluded.append(bar)
            continue
        fit = prospect.capability.fit(order, chosen, route.substitutes)
        if isinstance(fit, Misfit):
            excluded.append(Exclusion(id_, Bar.CAPABILITY, fit.param, fit.asked, fit.allowed))
        elif left is not None and fit.cost is not None and fit.cost > left:
            excluded.append(Exclusion(id_, Bar.BUDGET, asked=f"{fit.cost:f}", allowed=f"{left:f}"))
        else:
            candidates.append(_Candidate(prospect, fit, places[id_]))
    excluded.sort(key=attrgetter("service"))
    if not candidates:
        return Ranking((), tuple(excluded))
    is_explicit = route.explicit and policy is None
    choices = _choices(order, candidates, route, weighing, draw, is_explicit=is_explicit)
    return Ranking(choices, tuple(excluded))


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


def _choices(  # noqa: PLR0913  # the facts of one request
    order: Order,
    candidates: Sequence[_Candidate],
    route: Route,
    weighing: Weighing,
    draw: float | None,
    *,
    is_explicit: bool,
) -> tuple[Choice, ...]:
    candidates = sorted(candidates, key=lambda each: each.prospect.service.id)
    admitted, draw = _admitted(candidates, draw)
    dearest = max((each.dollars for each in candidates if each.fit.cost is not None), default=0.0)
    rungs = []
    for each in candidates:
        prospect, fit = each.prospect, each.fit
        tier, why = _tier(prospect, weighing, prospect.service.id in admitted, is_explicit)
        dollars = dearest if fit.cost is None else each.dollars
        choice = Choice(
            prospect.service,
            fit.applied(order),
            fit.substituted,
            fit.cost or Decimal(0),
            prospect.delivery,
            prospect.seconds,
            _score(prospect, dollars, weighing),
            p95_seconds=prospect.p95_seconds,
            why=tuple(why),
            is_priced=fit.cost is not None,
        )
        rungs.append(
            _Rung(tier, float(each.place) if is_explicit else choice.score, dollars, choice)
        )
    rungs.sort(key=_STANDING)
    if is_explicit or draw is None:
        return tuple(rung.choice for rung in rungs)
    return tuple(_spread(rungs, route.weights, weighing.equal_within, draw))


def _admitted(
    candidates: Sequence[_Candidate], draw: float | None
) -> tuple[frozenset[ServiceId], float | None]:
    """Return who of the recovering and unknown may be the first choice of this request.

    Where there is nobody to be trusted more, nobody needs to be let in.

    Returns:
        Their ids, and a number by chance that owes nothing to that decision.
    """
    trickles = [(each.prospect.service.id, each.prospect.trickle) for each in candidates]
    if draw is None or all(trickle < 1.0 for _, trickle in trickles):
        return frozenset(), draw
    admitted = []
    for id_, trickle in trickles:
        if not 0.0 < trickle < 1.0:
            continue
        if draw < trickle:
            admitted.append(id_)
            draw /= trickle
        else:
            draw = (draw - trickle) / (1 - trickle)
    return frozenset(admitted), draw


def _tier(
    prospect: Prospect, weighing: Weighing, is_admitted: bool, is_explicit: bool
) -> tuple[tuple[bool, bool, bool, bool], list[Because]]:
    """Return what counts before any score, and the reasons of it; False stands before True."""
    is_unknown = prospect.verdict.status is Status.UNKNOWN
    is_untrusted = prospect.trickle < 1.0 and not is_admitted
    is_last = is_untrusted and (prospect.trickle <= 0.0 or prospect.is_trial)
    if is_explicit:
        why = [Because.EXPLICIT]
        is_second = is_unreliable = False
        is_untrusted = is_untrusted and not is_unknown
    else:
        first = weighing.first
        is_second = first is not None and prospect.service.access not in first
        is_unreliable = prospect.delivery < weighing.least_delivery
        why = [Because.PREFERRED] if first is not None and not is_second else []
        if is_unreliable:
            why.append(Because.UNRELIABLE)
    if is_admitted:
        why.append(Because.TRICKLE)
    elif is_last:
        why.append(Because.FAILING)
    elif is_unknown:
        why.append(Because.UNKNOWN)
    elif is_untrusted:
        why.append(Because.RECOVERING)
    return (is_last, is_second, is_untrusted, is_unreliable), why


def _score(prospect: Prospect, dollars: float, weighing: Weighing) -> float:
    """Return the expected cost until a video arrives, in the policy's dollars."""
    delivery = max(prospect.delivery, _LEAST_DELIVERY)
    trouble = weighing.an_hour * prospect.seconds / _HOUR + weighing.a_failure * (1 - delivery)
    if prospect.service.upstream.bills is Bills.DELIVERIES:
        return weighing.money * dollars + trouble / delivery
    return (weighing.money * dollars + trouble) / delivery


def _spread(
    rungs: Sequence[_Rung], weights: Mapping[ServiceId, float], within: float, draw: float
) -> Iterator[Choice]:
    """Yield the choices, those that are equals in an order drawn by weight."""
    place = 0
    while place < len(rungs):
        equals = _equals(rungs, place, within)
        place += len(equals)
        if len(equals) == 1:
            yield equals[0].choice
            continue
        while equals:
            weigh = [weights.get(rung.choice.service.id, 1.0) for rung in equals]
            index, draw = _drawn(weigh, draw)
            choice = equals.pop(index).choice
            yield replace(choice, why=(*choice.why, Because.EQUAL))


def _equals(rungs: Sequence[_Rung], place: int, within: float) -> list[_Rung]:
    """Return the rungs from a place on that are as good as its own.

    One that differs by a higher price alone is no equal.
    """
    first = rungs[place]
    equals = [first]
    limit = first.score * (1 + within)
    for rung in rungs[place + 1 :]:
        if rung.tier != first.tier or rung.score > limit:
            break
        if any(_is_bargain(each, rung) for each in equals):
            break
        equals.append(rung)
    return equals


def _is_bargain(one: _Rung, other: _Rung) -> bool:
    return one.dollars < other.dollars and (one.choice.delivery, one.choice.seconds) == (
        other.choice.delivery,
        other.choice.seconds,
    )


def _drawn(weights: Sequence[float], draw: float) -> tuple[int, float]:
    """Return an index drawn by weight, and what is left of the chance in the draw."""
    mark = draw * sum(weights)
    for index, weight in enumerate(weights):
        if mark < weight:
            return index, mark / weight
        mark -= weight
    return 0, draw  # nobody has any weight
