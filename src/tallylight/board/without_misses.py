"""The state that a service would have without the answers that it missed last.

It is restored if our own network is found down shortly after the missing answers changed something.
"""

from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Evidence
from tallylight.verdicts.judge import advance_to, judge
from tallylight.verdicts.own_network import RETRACTED_WITHIN, was_reached
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.retraction import Retraction
from tallylight.verdicts.state import ServiceState


@dataclass(frozen=True, slots=True)
class StateWithoutMisses:
    """A state without missing answers, and what these have changed.

    Args:
        count: How many transitions rest on them.
        changed_at: When the first of these was recorded.
    """

    state: ServiceState
    count: int = 0
    changed_at: datetime | None = None

    def is_old(self, now: datetime) -> bool:
        """Tell whether what it is without stands for good."""
        return self.changed_at is not None and now - self.changed_at > RETRACTED_WITHIN

    def retraction(self, now: datetime) -> Retraction | None:
        """Return what is taken back if our own network is down now."""
        if self.changed_at is None or self.is_old(now):
            return None
        return Retraction(self.count, self.state)

    def after(self, evidence: Evidence, policy: Policy) -> "StateWithoutMisses | None":
        """Return it after other evidence; None if no more than missing answers is to be told."""
        if was_reached(evidence) is not None:  # answered, or missed by another process as well
            return None
        state = judge(advance_to(self.state, evidence.at, policy), evidence, policy)
        is_same = state.verdict.status is self.state.verdict.status
        return StateWithoutMisses(state, self.count, self.changed_at) if is_same else None
