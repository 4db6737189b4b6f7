"""What a budget buys: the operator's own services, priced as they are, in the usual trouble."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from tallylight.catalogue.orders import cheapest_order, probe_cost
from tallylight.catalogue.services import Service
from tallylight.model.money import BUDGET_WINDOWS, Budget
from tallylight.model.status import Access
from tallylight.rehearsal import baselines
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.rules import compare_by_budget
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.rehearsal.score import Score, score_results
from tallylight.rehearsal.setup import TYPICAL_PACE
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import rehearsed_services

_MAX_SERVICES = 12
_SERVICE_DAYS = 80.0
_MIN_DAYS = 4.0
_SEED = 1
_BUDGET_COUNT = 4
_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_CENT = Decimal("0.01")
_REHEARSAL_PACE = replace(
    TYPICAL_PACE, reach=timedelta(minutes=10), credentials=timedelta(minutes=60)
)
"""Free probes ten times rarer than usual, or it would take minutes: what they find is found five
minutes later than it will be, with every budget alike."""
_TYPICAL_BEHAVIOUR = {
    Access.OFFICIAL: Behaviour(days_between_outages=4, outage_minutes=45, partial=0.3, noise=0.02),
    Access.SELF_HOSTED: Behaviour(days_between_outages=4, partial=0.2, feed_lag_minutes=None),
    Access.REVERSE: Behaviour(
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
class PricedService:
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
class BudgetQuestion:
    """What is asked: the same question has the same answer.

    Args:
        services: Those whose probes have a known price.
        unpriced: How many others there are.
        own: USD a day that the operator's budgets allow; None if nothing limits them.
    """

    services: tuple[PricedService, ...]
    unpriced: int
    own_budget: Decimal | None


@dataclass(frozen=True, slots=True)
class BudgetOutcome:
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
    seen_share: float
    median_delay: float | None
    wrong_share: float


@dataclass(frozen=True, slots=True)
class BudgetComparison:
    """What budgets buy.

    Args:
        rows: By budget, the least first; empty if no service has a price.
        script: What the plain script buys: a paid probe of each service every five minutes.
        days: How long the rehearsal lasted.
        services: How many services stood for all.
        outages: How many outages over five minutes they had.
    """

    rows: tuple[BudgetOutcome, ...]
    plain_script: BudgetOutcome | None
    days: float
    services: int
    outages: int


def budget_question(services: Iterable[Service], total: Budget) -> BudgetQuestion:
    """Return what is to be asked of a catalogue; a service that is not probed for money counts."""
    known = tuple(services)
    priced = [(each, price) for each in known if (price := _price(each)) is not None]
    return BudgetQuestion(
        services=tuple(
            PricedService(each.access, price, each.upstream.feed is not None)
            for each, price in priced
        ),
        unpriced=len(known) - len(priced),
        own_budget=_daily_limit([each for each, _ in priced], total),
    )


def compare_budgets(question: BudgetQuestion) -> BudgetComparison:
    """Return what daily budgets buy for these services, in trouble as their market reports it.

    It takes some seconds: hand it to a worker process. Of many services a dozen stand for all;
    their budget shrinks in proportion.
    """
    asked = question.services
    if not asked:
        return BudgetComparison((), None, 0.0, 0, 0)
    sample = asked[:: -(-len(asked) // _MAX_SERVICES)]
    part = Decimal(len(sample)) / len(asked)
    trace = typical_trace(sample)
    budgets = candidate_budgets(question)
    lines = compare_by_budget(
        trace, _SEED, RehearsalOptions(pace=_REHEARSAL_PACE), [amount * part for amount in budgets]
    )
    rows = tuple(
        _outcome(budget, line.score, part) for budget, line in zip(budgets, lines, strict=True)
    )
    script = score_results(
        baselines.plain_script(rehearsed_services(trace, _SEED), trace.days), trace.days
    )
    return BudgetComparison(
        rows, _outcome(None, script, part), trace.days, len(sample), script.outages
    )


def typical_trace(services: Sequence[PricedService]) -> Trace:
    """Return what befalls such services by chance, in the usual measure of their markets."""
    casts = {
        f"service-{n}": ServiceGroup(behaviour=_behaviour(each))
        for n, each in enumerate(services, 1)
    }
    days = max(_MIN_DAYS, _SERVICE_DAYS / len(casts))
    return generate_trace(Recipe(days=days, seed=_SEED, groups=casts))


def candidate_budgets(question: BudgetQuestion) -> tuple[Decimal, ...]:
    """Return the daily budgets to compare: nothing, round sums up to the usual need, and their own.

    The usual need is a paid probe of each service every six hours, and half as many in doubt.
    """
    pace = TYPICAL_PACE.generation or _DAY
    need = sum(each.price for each in question.services) * Decimal(_DAY / pace) * Decimal("1.5")
    own = () if question.own_budget is None else (question.own_budget,)
    return tuple(sorted({Decimal(0), *_round_amounts(need), *own}))


def _round_amounts(need: Decimal) -> Sequence[Decimal]:
    """Return 1, 2, 5, 10 … up to the first that meets a need; none where nothing is needed."""
    if need <= 0:
        return ()
    sums = list(_amounts_up_to(need))
    return sums[-_BUDGET_COUNT:]


def _amounts_up_to(need: Decimal) -> Iterator[Decimal]:
    scale = _CENT
    while True:
        for step in (1, 2, 5):
            yield step * scale
            if step * scale >= need:
                return
        scale *= 10


def _behaviour(service: PricedService) -> Behaviour:
    known: dict[str, object] = {"price": service.price, "access": service.access}
    if not service.has_feed:
        known["feed_lag_minutes"] = None
    return _TYPICAL_BEHAVIOUR[service.access].model_copy(update=known)


def _outcome(budget: Decimal | None, score: Score, fraction: Decimal) -> BudgetOutcome:
    return BudgetOutcome(
        budget=budget,
        spend=score.spend_per_day / float(fraction),
        seen_share=score.seen_share,
        median_delay=score.median_delay,
        wrong_share=score.wrong_share,
    )


def _price(service: Service) -> Decimal | None:
    """Return what a paid probe costs, or would if the service were probed for money."""
    if service.probe_order is None:
        service = replace(service, probe_order=cheapest_order(service.sheet))
    return probe_cost(service)


def _daily_limit(services: Iterable[Service], total: Budget) -> Decimal | None:
    """Return the USD a day that the budgets allow, in all and of each service together."""
    each = [
        Decimal(0) if service.probe_intervals.generation is None else _per_day(service.budget)
        for service in services
    ]
    limits = [amount for amount in each if amount is not None]
    together = sum(limits, Decimal(0)) if len(limits) == len(each) else None
    least = min((x for x in (_per_day(total), together) if x is not None), default=None)
    return None if least is None else least.quantize(_CENT, ROUND_DOWN)


def _per_day(budget: Budget) -> Decimal | None:
    seconds = {name: int(window.total_seconds()) for name, window in BUDGET_WINDOWS.items()}
    limits = budget.limits.items()
    return min((limit * _DAY_SECONDS / seconds[name] for name, limit in limits), default=None)
