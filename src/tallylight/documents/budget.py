"""How a budget is written in our files."""

from pydantic import Field

from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.money import Budget


class BudgetOptions(Section):
    """Hard limits of spending, in US dollars."""

    per_hour: Money | None = Field(None, description="USD in the last 60 minutes.")
    per_day: Money | None = Field(None, description="USD in the last 24 hours.")
    per_month: Money | None = Field(None, description="USD in the last 30 days.")

    def budget(self) -> Budget:
        """Return the limits in our own words."""
        return Budget(per_hour=self.per_hour, per_day=self.per_day, per_month=self.per_month)
