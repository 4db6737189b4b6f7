"""What a paid probe is expected to cost; pure."""

from decimal import Decimal

from tallylight.catalogue.services import Service
from tallylight.model.money import cost_of


def estimated_cost(service: Service) -> Decimal | None:
    """Return the price of a service's probe in USD; None where nothing is known to reckon with."""
    price, order = service.sheet.price, service.probe_order
    if price is None or order is None:
        return None
    try:
        return cost_of(price, order)
    except LookupError:
        return None  # the price list has no rate for this size or length
