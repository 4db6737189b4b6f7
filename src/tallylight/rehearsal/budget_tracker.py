"""Budgets in virtual time, by the same rule as the ledger's."""

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
    """The amounts spent under one budget, oldest first."""

    budget: Budget
    times: list[datetime] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)

    def allows(self, amount: Decimal, at: datetime) -> bool:
        """Tell whether the budget allows an amount."""
        spent = {name: self._spent_in(name, at) for name in self.budget.limits}
        return exceeded_limit(self.budget, amount, spent) is None

    def spend(self, amount: Decimal, at: datetime) -> None:
        """Record an amount."""
        self.times.append(at)
        self.amounts.append(to_micro_usd(amount))

    @property
    def total_spent(self) -> Decimal:
        """Return the sum of all amounts in USD."""
        return sum(self.amounts) / MICROS_PER_USD

    def _spent_in(self, window: str, at: datetime) -> int:
        first = bisect_right(self.times, at - BUDGET_WINDOWS[window])
        return sum(self.amounts[first:])
