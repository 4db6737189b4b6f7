"""What an order costs at a service, and the cheapest order, which a paid probe places."""

from decimal import Decimal

from tallylight.catalogue.services import FactSheet, Medium, Service
from tallylight.model.money import ANY_RESOLUTION, PriceUnit, cost_of
from tallylight.model.order import Order
from tallylight.model.status import Access

PROBE_PROMPT = "A paper boat drifts across a calm pond in soft morning light, steady camera."
"""A prompt that no moderation refuses, with motion, so that a frozen video is noticed."""


def allowed_orders(sheet: FactSheet) -> tuple[Order, ...]:
    """Return one order for each length and size of a sheet; none if the sheet lists none."""
    lengths = (0,) if sheet.medium is Medium.IMAGE else sheet.lengths
    return tuple(Order(PROBE_PROMPT, seconds, size) for seconds in lengths for size in sheet.sizes)


def cheapest_order(sheet: FactSheet) -> Order | None:
    """Return the cheapest order, the shortest of equals; None if the sheet prices none."""
    priced = [
        (cost, order.seconds, order)
        for order in allowed_orders(sheet)
        if (cost := order_cost(sheet, order)) is not None
    ]
    return min(priced, key=lambda each: each[:2])[2] if priced else None


def order_cost(sheet: FactSheet, order: Order, *, input_images: int = 0) -> Decimal | None:
    """Return the price of an order in USD; None if the sheet has no price or rate for it."""
    if sheet.price is None:
        return None
    try:
        return cost_of(sheet.price, order, input_images=input_images)
    except LookupError:
        return None  # the price list has no rate for this size or length


def upload_cost(sheet: FactSheet, seconds: int) -> Decimal | None:
    """Return the price of work on an uploaded film in USD; None if it depends on the film's size.

    Args:
        sheet: The service's facts and price.
        seconds: The seconds that are made; 0 if they are those of the film, which nobody knows.
    """
    price = sheet.price
    if price is None or not (seconds or price.unit is PriceUnit.PER_CALL):
        return None
    tables = (price.rates, price.tokens, *price.blocks.values())
    if any(resolution != ANY_RESOLUTION for table in tables for resolution in table):
        return None
    return order_cost(sheet, Order("", seconds, ""))


def costs_nothing(service: Service) -> bool:
    """Tell whether a service bills nothing: self-hosted without a price, or priced at zero."""
    price = service.sheet.price
    if price is None:
        return service.access is Access.SELF_HOSTED
    tables = (price.rates, *price.blocks.values())
    return not price.per_input_image and not any(any(rates.values()) for rates in tables)


def probe_cost(service: Service) -> Decimal | None:
    """Return the price of a service's generation probe in USD; None if it is not known."""
    return None if service.probe_order is None else order_cost(service.sheet, service.probe_order)
