"""Money in virtual time: the ledger's rule over what the rehearsal has spent."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tallylight.model.money import (
    BUDGET_WINDOWS,
    MICROS_PER_USD,
    Budget,
    exceeded_limit,
    to_micro_usd,
)


@dataclass(slots=True)
class BudgetTracker:
    """What was spent under one budget, oldest first; what is refused gives its money back."""

    budget: Budget
    times: list[datetime] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)

    def allows(self, amount: Decimal, at: datetime) -> bool:
        """Tell whether a spending stays within the budget."""
        spent = {name: self._spent_in(name, at) for name in self.budget.limits}
        return exceeded_limit(self.budget, amount, spent) is None

    def spend(self, amount: Decimal, at: datetime) -> None:
        """Count a spending."""
        self.times.append(at)
        self.amounts.append(to_micro_usd(amount))

    @property
    def total_spent(self) -> Decimal:
        """Return all that was ever spent, in USD."""
        return sum(self.amounts) / MICROS_PER_USD

    def _spent_in(self, window: str, at: datetime) -> int:
        first = bisect_right(self.times, at - BUDGET_WINDOWS[window])
        return sum(self.amounts[first:])
