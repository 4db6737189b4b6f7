"""What a rule showed of one service over a whole trace, and what that cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallylight.model.status import Status
from tallylight.rehearsal.world import RehearsedService


@dataclass(frozen=True, slots=True)
class StatusChange:
    """From here on a status was shown."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One service as a rule saw it.

    Args:
        scene: What it truly was.
        turns: What was shown, oldest first, from the begin of the trace on.
        paid: Paid probes sent.
        spent: What they cost, in USD.
        withheld: How often a budget did not allow one.
    """

    service: RehearsedService
    changes: tuple[StatusChange, ...]
    paid_probes: int = 0
    spent: Decimal = Decimal(0)
    withheld: int = 0
