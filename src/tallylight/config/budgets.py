"""Checks that a budget limits and can pay each paid probe."""

from collections.abc import Mapping
from decimal import Decimal

from tallylight.catalogue.services import Service
from tallylight.config.report import ConfigReport
from tallylight.documents.document import Document
from tallylight.documents.yaml_tree import KeyPath
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget, cost_of


def check_budgets(
    services: Mapping[ServiceId, Service], total: Budget, report: ConfigReport
) -> None:
    """Report paid probes without a budget, and warn of budgets too small for one probe."""
    unlimited = []
    for service in services.values():
        cost = probe_cost(service)
        if service.probe_intervals.generation is None or not cost:
            continue
        limits = [
            limit
            for each in (service.budget, total)
            if (limit := _smallest_limit(each)) is not None
        ]
        if not limits:
            unlimited.append(service.id)
        elif min(limits) < cost:
            report.add_warning(
                ("services", service.id),
                f"its paid probe costs {cost} USD, more than its budget of {min(limits)} USD: "
                "it is never sent",
            )
    if unlimited:
        report.add_error(
            _generation_key_path(unlimited[0], report.document),
            "paid probes need a limit: set budgets.per_day, or budget.per_day of "
            + ", ".join(unlimited),
        )


def probe_cost(service: Service) -> Decimal | None:
    """Return the expected cost of one paid probe in USD, None if its price is unknown."""
    if service.sheet.price is None or service.probe_order is None:
        return None
    return cost_of(service.sheet.price, service.probe_order)


def _smallest_limit(budget: Budget) -> Decimal | None:
    limits = (budget.per_hour, budget.per_day, budget.per_month)
    return min((limit for limit in limits if limit is not None), default=None)


def _generation_key_path(service: ServiceId, document: Document) -> KeyPath:
    service_path = ("services", service, "probes", "generation")
    return service_path if service_path in document.lines else ("probes", "generation")
