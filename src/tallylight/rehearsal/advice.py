"""What a budget buys: the operator's own services, priced as they are, in the usual trouble."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from tallylight.catalogue.services import Service
from tallylight.probes.estimates import estimate
from tallylight.rehearsal.generate import generated
from tallylight.rehearsal.habits import Cast, Habits, Recipe
from tallylight.rehearsal.rules import by_budget
from tallylight.rehearsal.run import Means
from tallylight.rehearsal.stage import USUAL_PACE
from tallylight.terms import Access

BUDGETS = tuple(map(Decimal, ("0", "0.5", "1", "2", "5", "10")))
"""USD a day."""

_MOST_SERVICES = 12
_SERVICE_DAYS = 60.0
_PACE = replace(USUAL_PACE, reach=timedelta(minutes=5), credentials=timedelta(minutes=30))
"""Free probes five times rarer than usual, or it would take a minute: what they find is found two
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
class Bought:
    """What one daily budget buys.

    Args:
        budget: USD a day for all services.
        spend: What is really spent of it.
        seen: The share of outages over five minutes that are seen before they end.
        median_delay: Minutes until half of those are shown; None if none is.
        wrong: The share of time with the wrong lamp.
    """

    budget: Decimal
    spend: float
    seen: float
    median_delay: float | None
    wrong: float


def what_budget_buys(
    services: Iterable[Service], budgets: Sequence[Decimal] = BUDGETS
) -> tuple[Bought, ...]:
    """Return what daily budgets buy for these services, in trouble as their market reports it.

    It takes some seconds: hand it to a worker process. Of many services a dozen stand for all;
    their budget shrinks in proportion.
    """
    priced = [(service, price) for service in services if (price := estimate(service)) is not None]
    if not priced:
        return ()
    sample = priced[:: max(1, -(-len(priced) // _MOST_SERVICES))]
    casts = {
        str(service.id): Cast(
            habits=_USUAL[service.access].model_copy(
                update=_feed(service) | {"price": price, "access": service.access}
            )
        )
        for service, price in sample
    }
    trace = generated(Recipe(days=max(4.0, _SERVICE_DAYS / len(sample)), seed=1, casts=casts))
    part = Decimal(len(sample)) / len(priced)
    lines = by_budget(trace, 0, Means(pace=_PACE), [amount * part for amount in budgets])
    return tuple(
        Bought(
            budget,
            line.score.spend / float(part),
            line.score.seen_share,
            line.score.median_delay,
            line.score.wrong,
        )
        for budget, line in zip(budgets, lines, strict=True)
    )


def _feed(service: Service) -> dict[str, object]:
    return {} if service.upstream.feed is not None else {"feed_lag_minutes": None}
