"""What a budget buys: the operator's own services, priced as they are, in the usual trouble."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from tallylight.catalogue.orders import cheapest_order
from tallylight.catalogue.services import Service
from tallylight.model.money import BUDGET_WINDOWS, Budget
from tallylight.model.status import Access
from tallylight.probes.estimates import estimated_cost
from tallylight.rehearsal import baselines
from tallylight.rehearsal.behaviour import Cast, Habits, Recipe
from tallylight.rehearsal.generate import generated
from tallylight.rehearsal.rules import by_budget
from tallylight.rehearsal.run import Means
from tallylight.rehearsal.score import Score, score
from tallylight.rehearsal.setup import USUAL_PACE
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import scenes

_MOST_SERVICES = 12
_SERVICE_DAYS = 80.0
_LEAST_DAYS = 4.0
_SEED = 1
_STEPS = 4
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_CENT = Decimal("0.01")
_PACE = replace(USUAL_PACE, reach=timedelta(minutes=10), credentials=timedelta(minutes=60))
"""Free probes ten times rarer than usual, or it would take minutes: what they find is found five
minutes later than it will be, with every budget alike."""
_USUAL = {
    Access.OFFICIAL: Habits(days_between_outages=4, outage_minutes=45, partial=0.3, noise=0.02),
    Access.SELF_HOSTED: Habits(days_between_outages=4, partial=0.2, feed_lag_minutes=None),
    Access.REVERSE: Habits(
        access=Access.REVERSE,
        days_between_outages=6,
        partial=0.3,
        noise=0.05,
        risk_weekly=2,
        suspended_weekly=0.3,
        feed_lag_minutes=None,
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One service as far as the question is about it: no name, no address, no key.

    Args:
        access: Official, reverse or self-hosted.
        price: USD of one paid probe.
        has_feed: Whether its status page is read.
    """

    access: Access
    price: Decimal
    has_feed: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the same question has the same answer.

    Args:
        services: Those whose probes have a known price.
        unpriced: How many others there are.
        own: USD a day that the operator's budgets allow; None if nothing limits them.
    """

    services: tuple[Asked, ...]
    unpriced: int
    own: Decimal | None


@dataclass(frozen=True, slots=True)
class Bought:
    """What one daily budget buys.

    Args:
        budget: USD a day for all services; None for the plain script, which has no budget.
        spend: What is really spent of it.
        seen: The share of outages over five minutes that are seen before they end.
        median_delay: Minutes until half of those are shown; None if none is.
        wrong: The share of time with the wrong lamp.
    """

    budget: Decimal | None
    spend: float
    seen: float
    median_delay: float | None
    wrong: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What budgets buy.

    Args:
        rows: By budget, the least first; empty if no service has a price.
        script: What the plain script buys: a paid probe of each service every five minutes.
        days: How long the rehearsal lasted.
        services: How many services stood for all.
        outages: How many outages over five minutes they had.
    """

    rows: tuple[Bought, ...]
    script: Bought | None
    days: float
    services: int
    outages: int


def question_of(services: Iterable[Service], total: Budget) -> Question:
    """Return what is to be asked of a catalogue; a service that is not probed for money counts."""
    known = tuple(services)
    priced = [(each, price) for each in known if (price := _price(each)) is not None]
    return Question(
        services=tuple(
            Asked(each.access, price, each.upstream.feed is not None) for each, price in priced
        ),
        unpriced=len(known) - len(priced),
        own=_allowed([each for each, _ in priced], total),
    )


def what_budget_buys(question: Question) -> Answer:
    """Return what daily budgets buy for these services, in trouble as their market reports it.

    It takes some seconds: hand it to a worker process. Of many services a dozen stand for all;
    their budget shrinks in proportion.
    """
    asked = question.services
    if not asked:
        return Answer((), None, 0.0, 0, 0)
    sample = asked[:: -(-len(asked) // _MOST_SERVICES)]
    part = Decimal(len(sample)) / len(asked)
    trace = usual_trouble(sample)
    budgets = budgets_for(question)
    lines = by_budget(trace, _SEED, Means(pace=_PACE), [amount * part for amount in budgets])
    rows = tuple(
        _bought(budget, line.score, part) for budget, line in zip(budgets, lines, strict=True)
    )
    script = score(baselines.plain_script(scenes(trace, _SEED), trace.days), trace.days)
    return Answer(rows, _bought(None, script, part), trace.days, len(sample), script.outages)


def usual_trouble(services: Sequence[Asked]) -> Trace:
    """Return what befalls such services by chance, in the usual measure of their markets."""
    casts = {f"service-{n}": Cast(habits=_habits(each)) for n, each in enumerate(services, 1)}
    days = max(_LEAST_DAYS, _SERVICE_DAYS / len(casts))
    return generated(Recipe(days=days, seed=_SEED, casts=casts))


def budgets_for(question: Question) -> tuple[Decimal, ...]:
    """Return the daily budgets to compare: nothing, round sums up to the usual need, and their own.

    The usual need is a paid probe of each service every six hours, and half as many in doubt.
    """
    pace = USUAL_PACE.generation or _DAY
    need = sum(each.price for each in question.services) * Decimal(_DAY / pace) * Decimal("1.5")
    own = () if question.own is None else (question.own,)
    return tuple(sorted({Decimal(0), *_round_sums(need), *own}))


def _round_sums(need: Decimal) -> Sequence[Decimal]:
    """Return 1, 2, 5, 10 … up to the first that meets a need; none where nothing is needed."""
    if need <= 0:
        return ()
    sums = list(_sums_up_to(need))
    return sums[-_STEPS:]


def _sums_up_to(need: Decimal) -> Iterator[Decimal]:
    scale = _CENT
    while True:
        for step in (1, 2, 5):
            yield step * scale
            if step * scale >= need:
                return
        scale *= 10


def _habits(asked: Asked) -> Habits:
    known: dict[str, object] = {"price": asked.price, "access": asked.access}
    if not asked.has_feed:
        known["feed_lag_minutes"] = None
    return _USUAL[asked.access].model_copy(update=known)


def _bought(budget: Decimal | None, found: Score, part: Decimal) -> Bought:
    return Bought(
        budget=budget,
        spend=found.spend / float(part),
        seen=found.seen_share,
        median_delay=found.median_delay,
        wrong=found.wrong,
    )


def _price(service: Service) -> Decimal | None:
    """Return what a paid probe costs, or would if the service were probed for money."""
    if service.probe_order is None:
        service = replace(service, probe_order=cheapest_order(service.sheet))
    return estimated_cost(service)


def _allowed(services: Iterable[Service], total: Budget) -> Decimal | None:
    """Return the USD a day that the budgets allow, in all and of each service together."""
    each = [
        Decimal(0) if service.probe_intervals.generation is None else _a_day(service.budget)
        for service in services
    ]
    limits = [amount for amount in each if amount is not None]
    together = sum(limits, Decimal(0)) if len(limits) == len(each) else None
    least = min((x for x in (_a_day(total), together) if x is not None), default=None)
    return None if least is None else least.quantize(_CENT, ROUND_DOWN)


def _a_day(budget: Budget) -> Decimal | None:
    seconds = {name: int(window.total_seconds()) for name, window in BUDGET_WINDOWS.items()}
    limits = budget.limits.items()
    return min((limit * _DAY_SECONDS / seconds[name] for name, limit in limits), default=None)
