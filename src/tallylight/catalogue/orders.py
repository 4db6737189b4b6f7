"""What an order costs at a service, and what the order of its paid probe costs."""

from decimal import Decimal

from tallylight.catalogue.services import FactSheet, Service
from tallylight.model.money import cost_of
from tallylight.model.order import Order
from tallylight.model.status import Access


def order_cost(sheet: FactSheet, order: Order) -> Decimal | None:
    """Return the price of an order in USD; None if the sheet has no price or rate for it."""
    if sheet.price is None:
        return None
    try:
        return cost_of(sheet.price, order)
    except LookupError:
        return None  # the price list has no rate for this frame or length


def costs_nothing(service: Service) -> bool:
    """Tell whether a service bills nothing: self-hosted without a price, or priced at zero."""
    price = service.sheet.price
    if price is None:
        return service.access is Access.SELF_HOSTED
    tables = (price.rates, price.silent_rates, *price.blocks.values())
    return not price.per_input_image and not any(any(rates.values()) for rates in tables)


def probe_cost(service: Service) -> Decimal | None:
    """Return the price of a service's generation probe in USD; None if it is not known."""
    return None if service.probe_order is None else order_cost(service.sheet, service.probe_order)
