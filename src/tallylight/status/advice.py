"""The values that describe what budgets buy."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class AdviceRow:
    """The result of one budget.

    Args:
        budget: Limit in USD a day for all services; None for the plain script, which has none.
        spend: Spending in USD a day.
        seen_share: Share of outages over five minutes that are detected before they end.
        median_delay: Median delay of detection in minutes; None if no outage is detected.
        wrong_share: Share of time in which the wrong status is shown.
    """

    budget: Decimal | None
    spend: float
    seen_share: float
    median_delay: float | None
    wrong_share: float


class AdviceState(StrEnum):
    """State of the computation."""

    COMPUTING = "computing"
    READY = "ready"
    UNPRICED = "unpriced"  # no service has a probe of known price
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Advice:
    """What budgets buy for the services of this catalogue.

    Args:
        state: State of the computation; the fields after `unpriced` are set once it is READY.
        own_budget: USD a day that the operator's budgets allow; None without a limit.
        priced: Number of services that have a probe of known price.
        unpriced: Number of the other services, which are left out.
        rows: One for each budget, the smallest first.
        plain_script: A script that orders a video of each service every five minutes.
        rehearsed_services: Number of services rehearsed, as a sample of all.
        outages: Number of outages over five minutes in them, the same in every row.
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
