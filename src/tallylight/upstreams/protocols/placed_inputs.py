"""Requests whose pictures are placed by the wording of a model alone."""

from collections.abc import Mapping

from tallylight.catalogue.wording import Wording, wording_for
from tallylight.model.order import Order


def write_with_inputs(wordings: Mapping[str, Wording], order: Order) -> dict[str, object]:
    """Return the members of a request with all inputs of an order.

    Raises:
        LookupError: if the model has no wording, or none for an input: it would be left out without
            a word, and the film paid.
    """
    wording = wording_for(wordings, order.model)
    for each in order.inputs:
        if each.role not in wording.inputs:
            raise LookupError(f"how {order.model} takes a {each.role.value} is not spelled")
    return wording.write(order)
