"""The options of a budget."""

from pydantic import Field

from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.money import Budget


class BudgetOptions(Section):
    """Hard spending limits in US dollars."""

    per_hour: Money | None = Field(None, description="USD in the last 60 minutes.")
    per_day: Money | None = Field(None, description="USD in the last 24 hours.")
    per_month: Money | None = Field(None, description="USD in the last 30 days.")

    def budget(self) -> Budget:
        """Return the limits as a `Budget`."""
        return Budget(per_hour=self.per_hour, per_day=self.per_day, per_month=self.per_month)
