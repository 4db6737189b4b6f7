"""What budgets buy, as the faces take it from whoever computes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol


class AdviceRow(Protocol):
    """What one way of spending buys."""

    @property
    def budget(self) -> Decimal | None:
        """USD a day that may be spent; None without a limit."""
        ...

    @property
    def spend(self) -> float:
        """USD a day that are spent."""
        ...

    @property
    def seen_share(self) -> float:
        """The share of outages over five minutes that are seen before they end."""
        ...

    @property
    def median_delay(self) -> float | None:
        """Minutes until half of those seen are shown; None if none is."""
        ...

    @property
    def wrong_share(self) -> float:
        """The share of time with the wrong lamp."""
        ...


class AdviceState(StrEnum):
    """How far the computing is."""

    COMPUTING = "computing"
    READY = "ready"
    UNPRICED = "unpriced"  # no service's probe has a known price
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Advice:
    """What budgets buy for the services of this catalogue.

    Args:
        state: How far the computing is; all below `unpriced` is known once it is READY.
        own: USD a day that the operator's budgets allow; None if nothing limits them.
        priced: How many services have a probe of known price.
        unpriced: How many others there are; they are left out.
        rows: By budget, the least first.
        script: A plain script that orders a video of each service every five minutes.
        rehearsed: How many services stood for all.
        days: How many days were rehearsed.
        outages: How many outages over five minutes these had, in every row the same.
    """

    state: AdviceState
    own_budget: Decimal | None
    priced: int
    unpriced: int
    rows: Sequence[AdviceRow] = ()
    plain_script: AdviceRow | None = None
    rehearsed_services: int = 0
    days: float = 0.0
    outages: int = 0
