"""What budgets buy: a rehearsal of the operator's services with typical outages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

from tallylight.catalogue.fit import cheapest_order
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.model.money import BUDGET_WINDOWS, Budget
from tallylight.model.status import Access
from tallylight.rehearsal import baselines
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.catalogue_service import TYPICAL_PACE
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.rules import compare_by_budget
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.rehearsal.score import Score, score_results
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import rehearsed_services
from tallylight.status.advice import AdviceRow

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
"""Free probes ten times less often than by default, or it would take minutes. Hence their findings
come some five minutes later than in reality, for all budgets alike."""
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
    """What matters of a service: no name, no URL, no key; the price is USD of one paid probe."""

    access: Access
    price: Decimal
    has_feed: bool


@dataclass(frozen=True, slots=True)
class BudgetQuestion:
    """The input of a comparison, which determines its result.

    Args:
        services: Services whose probes have a known price.
        unpriced: Number of other services.
        own_budget: USD per day that the operator's budgets allow; None for no limit.
    """

    services: tuple[PricedService, ...]
    unpriced: int
    own_budget: Decimal | None


@dataclass(frozen=True, slots=True)
class BudgetComparison:
    """The results of several budgets.

    Args:
        rows: By budget, ascending; empty if no service has a price.
        plain_script: The result of a paid probe of each service every five minutes.
        outages: Number of their outages over five minutes.
    """

    rows: tuple[AdviceRow, ...]
    plain_script: AdviceRow | None
    days: float
    services: int
    outages: int


def budget_question(services: Iterable[Service], total: Budget) -> BudgetQuestion:
    """Return the question for a catalogue, including services without paid probes."""
    services = tuple(services)
    priced = [(each, price) for each in services if (price := _price(each)) is not None]
    return BudgetQuestion(
        services=tuple(
            PricedService(each.access, price, each.upstream.feed is not None)
            for each, price in priced
        ),
        unpriced=len(services) - len(priced),
        own_budget=_daily_limit([each for each, _ in priced], total),
    )


def compare_budgets(question: BudgetQuestion) -> BudgetComparison:
    """Return what daily budgets buy for these services, with outages typical of their markets.

    This takes some seconds: call it in a worker process. Of many services a sample of a dozen is
    rehearsed, with budgets in proportion.
    """
    services = question.services
    if not services:
        return BudgetComparison((), None, 0.0, 0, 0)
    sample = services[:: -(-len(services) // _MAX_SERVICES)]
    fraction = Decimal(len(sample)) / len(services)
    trace = typical_trace(sample)
    budgets = candidate_budgets(question)
    options = RehearsalOptions(pace=_REHEARSAL_PACE)
    results = compare_by_budget(trace, _SEED, options, [budget * fraction for budget in budgets])
    rows = tuple(
        _outcome(budget, result.score, fraction)
        for budget, result in zip(budgets, results, strict=True)
    )
    script = score_results(
        baselines.plain_script(rehearsed_services(trace, _SEED), trace.days), trace.days
    )
    return BudgetComparison(
        rows, _outcome(None, script, fraction), trace.days, len(sample), script.outages
    )


def typical_trace(services: Sequence[PricedService]) -> Trace:
    """Return a random trace of these services, with outages typical of their markets."""
    groups = {
        f"service-{n}": ServiceGroup(behaviour=_behaviour(each))
        for n, each in enumerate(services, 1)
    }
    days = max(_MIN_DAYS, _SERVICE_DAYS / len(groups))
    return generate_trace(Recipe(days=days, seed=_SEED, groups=groups))


def candidate_budgets(question: BudgetQuestion) -> tuple[Decimal, ...]:
    """Return the budgets to compare: 0, round amounts up to the typical need, and the own one.

    The typical need is the routine paid probes of each service, plus half as many for uncertainty.
    """
    pace = TYPICAL_PACE.generation or _DAY
    need = sum(each.price for each in question.services) * Decimal(_DAY / pace) * Decimal("1.5")
    own = () if question.own_budget is None else (question.own_budget,)
    return tuple(sorted({Decimal(0), *_round_amounts(need), *own}))


def _round_amounts(need: Decimal) -> Sequence[Decimal]:
    """Return the last of 0.01, 0.02, 0.05, 0.10 … up to the first that meets a need."""
    return list(_amounts_up_to(need))[-_BUDGET_COUNT:] if need > 0 else ()


def _amounts_up_to(need: Decimal) -> Iterator[Decimal]:
    scale = _CENT
    while True:
        for step in (1, 2, 5):
            yield step * scale
            if step * scale >= need:
                return
        scale *= 10


def _behaviour(service: PricedService) -> Behaviour:
    update: dict[str, object] = {"price": service.price, "access": service.access}
    if not service.has_feed:
        update["feed_lag_minutes"] = None
    return _TYPICAL_BEHAVIOUR[service.access].model_copy(update=update)


def _outcome(budget: Decimal | None, score: Score, fraction: Decimal) -> AdviceRow:
    return AdviceRow(
        budget=budget,
        spend=score.spend_per_day / float(fraction),
        seen_share=score.seen_share,
        median_delay=score.median_delay,
        wrong_share=score.wrong_share,
    )


def _price(service: Service) -> Decimal | None:
    """Return the price of a paid probe, even if the service has none."""
    if service.probe_order is None:
        service = replace(service, probe_order=cheapest_order(service))
    return probe_cost(service)


def _daily_limit(services: Iterable[Service], total: Budget) -> Decimal | None:
    """Return the USD per day that the total budget and the service budgets allow."""
    by_service = [
        Decimal(0) if service.probe_intervals.generation is None else _per_day(service.budget)
        for service in services
    ]
    limits = [amount for amount in by_service if amount is not None]
    together = sum(limits, Decimal(0)) if len(limits) == len(by_service) else None
    limit = min((x for x in (_per_day(total), together) if x is not None), default=None)
    return None if limit is None else limit.quantize(_CENT, ROUND_DOWN)


def _per_day(budget: Budget) -> Decimal | None:
    seconds = {name: int(window.total_seconds()) for name, window in BUDGET_WINDOWS.items()}
    limits = budget.limits.items()
    return min((limit * _DAY_SECONDS / seconds[name] for name, limit in limits), default=None)
