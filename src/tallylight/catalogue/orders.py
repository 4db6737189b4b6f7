"""The order that a paid probe places: the cheapest that a fact sheet allows."""

from tallylight.catalogue.services import FactSheet, Medium
from tallylight.model.money import cost_of
from tallylight.model.order import Order

PROBE_PROMPT = "A paper boat drifts across a calm pond in soft morning light, steady camera."
"""A text that no moderation minds and that moves, so that a frozen picture shows."""


def allowed_orders(sheet: FactSheet) -> tuple[Order, ...]:
    """Return every order of one length and size that a sheet allows; none if it names none."""
    lengths = (0,) if sheet.medium is Medium.IMAGE else sheet.lengths
    return tuple(Order(PROBE_PROMPT, seconds, size) for seconds in lengths for size in sheet.sizes)


def cheapest_order(sheet: FactSheet) -> Order | None:
    """Return the order that costs least, of those the shortest; None if that cannot be told."""
    price = sheet.price
    if price is None:
        return None
    priced = []
    for order in allowed_orders(sheet):
        try:
            priced.append((cost_of(price, order), order.seconds, order))
        except LookupError:
            continue  # a size that the price list has no rate for is no bargain
    return min(priced, key=lambda each: each[:2])[2] if priced else None
