"""The comparison of budgets, and the chart."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from tallylight.catalogue.services import Service
from tallylight.model.money import Budget
from tallylight.model.status import Access
from tallylight.rehearsal.advice import (
    BudgetComparison,
    BudgetQuestion,
    PricedService,
    budget_question,
    candidate_budgets,
    compare_budgets,
)
from tallylight.rehearsal.catalogue_service import TYPICAL_PACE, catalogue_service
from tallylight.rehearsal.chart import render_chart
from tallylight.rehearsal.rules import compare_rules
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import rehearsed_services

HOUR = 3600
HIDDEN = {"from": 4 * HOUR, "to": 9 * HOUR, "status": "suspended", "deliver": 0, "accept": 1}


OFFICIAL = PricedService(Access.OFFICIAL, Decimal("0.40"), has_feed=True)
REVERSE = PricedService(Access.REVERSE, Decimal("0.10"), has_feed=False)


def _named(service: Service, generation: timedelta | None, **budget: Decimal) -> Service:
    pace = replace(service.probe_intervals, generation=generation)
    return replace(service, probe_intervals=pace, budget=Budget(**budget))


@pytest.fixture
def service(make_trace: Callable[..., Trace]) -> Service:
    """Return a service whose paid probe costs ten cents."""
    return catalogue_service(
        rehearsed_services(make_trace(price=0.1), 0)[0], TYPICAL_PACE, Budget()
    )


@pytest.fixture(scope="session")
def comparison() -> BudgetComparison:
    """Return the comparison for one reverse service."""
    return compare_budgets(BudgetQuestion((REVERSE,), 0, Decimal("0.30")))


def test_a_larger_budget_detects_more_and_is_never_exceeded(comparison: BudgetComparison) -> None:
    nothing, *_, most = comparison.rows

    assert nothing.budget == Decimal(0)
    assert nothing.spend == 0
    assert 0 < most.spend <= (most.budget or 0)
    assert most.seen_share > nothing.seen_share
    assert most.wrong_share < nothing.wrong_share
    assert all(row.spend <= float(row.budget or 0) for row in comparison.rows)


def test_the_operators_budget_is_among_those_compared(comparison: BudgetComparison) -> None:
    budgets = [row.budget for row in comparison.rows]

    assert Decimal("0.30") in budgets
    assert budgets == sorted(budgets, key=lambda each: each or Decimal(0))


def test_the_plain_script_pays_for_a_probe_every_five_minutes(comparison: BudgetComparison) -> None:
    script = comparison.plain_script

    assert script is not None
    assert script.budget is None
    assert script.spend == pytest.approx(288 * 0.10, rel=0.3)  # refused creates cost nothing
    assert script.spend > 10 * comparison.rows[-1].spend


def test_services_without_a_price_have_no_comparison() -> None:
    assert compare_budgets(BudgetQuestion((), 3, None)).rows == ()


def test_the_compared_budgets_reach_the_typical_need() -> None:
    one = candidate_budgets(BudgetQuestion((OFFICIAL,), 0, None))
    many = candidate_budgets(BudgetQuestion((OFFICIAL,) * 100, 0, Decimal("3.21")))

    assert one == tuple(map(Decimal, ("0", "0.50", "1", "2", "5")))
    assert many == tuple(map(Decimal, ("0", "3.21", "50", "100", "200", "500")))


def test_free_services_need_no_budget() -> None:
    free = PricedService(Access.SELF_HOSTED, Decimal(0), has_feed=False)

    assert candidate_budgets(BudgetQuestion((free,), 0, None)) == (Decimal(0),)


def test_the_question_has_price_access_and_budget_only(service: Service) -> None:
    unpriced = replace(service, sheet=replace(service.sheet, price=None), probe_order=None)

    question = budget_question(
        [service, unpriced], Budget(per_hour=Decimal("0.50"), per_day=Decimal(3))
    )

    assert question == BudgetQuestion(
        (PricedService(Access.OFFICIAL, Decimal("0.1"), has_feed=False),), 1, Decimal(3)
    )


def test_a_service_without_paid_probes_has_a_price(service: Service) -> None:
    question = budget_question([replace(_named(service, None), probe_order=None)], Budget())

    assert [each.price for each in question.services] == [Decimal("0.1")]
    assert question.own_budget == 0


@pytest.mark.parametrize(
    ("each", "total", "own"),
    [
        ({"per_day": Decimal(1)}, {}, Decimal(2)),
        ({"per_day": Decimal(1)}, {"per_month": Decimal(30)}, Decimal(1)),
        ({"per_hour": Decimal("0.10")}, {"per_day": Decimal(9)}, Decimal("4.80")),
        ({}, {"per_month": Decimal(10)}, Decimal("0.33")),
        ({}, {}, None),
    ],
)
def test_the_smallest_limit_is_the_own_budget(
    service: Service,
    each: Mapping[str, Decimal],
    total: Mapping[str, Decimal],
    own: Decimal | None,
) -> None:
    named = _named(service, timedelta(hours=6), **each)

    assert budget_question([named, named], Budget(**total)).own_budget == own


def test_the_chart_is_well_formed_and_has_a_description(
    make_trace: Callable[..., Trace],
) -> None:
    results = list(compare_rules(make_trace(HIDDEN, days=0.5), 0, RehearsalOptions()))

    root = ET.fromstring(render_chart(results, "a <test>"))  # noqa: S314  # our own text

    name = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{name}title") == "a <test>"
    description = root.findtext(f"{name}desc") or ""
    assert all(result.rule in description for result in results)
    assert len(results) == 8
