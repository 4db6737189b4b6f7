"""How the models of a list are sorted."""

from enum import StrEnum


class SheetOrder(StrEnum):
    """By what models are sorted."""

    COST = "cost"  # usable ones first, then by the cost of the sample
    ENDS = "ends"  # by the day on which they end
    NAME = "name"
