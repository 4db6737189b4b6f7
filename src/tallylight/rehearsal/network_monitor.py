"""Our own network as the board watches it, at less cost.

Successes are folded in only once a failure makes them matter: of each provider the newest is
enough, so what comes out is the same.
"""

from typing import TYPE_CHECKING

from tallylight.model.evidence import Evidence
from tallylight.model.ids import ProviderId
from tallylight.verdicts.own_network import NetworkState, attribute_fault, observe_call, was_reached

if TYPE_CHECKING:
    from datetime import datetime


class NetworkMonitor:
    """What the transport met lately; in a trace every service is its own provider's."""

    def __init__(self) -> None:
        self._watch = NetworkState()
        self._pending_successes: dict[ProviderId, datetime] = {}
        self._has_failures = False

    @property
    def is_down(self) -> bool:
        """Tell whether it is our own network that is away."""
        return self._has_failures and self._watch.is_down

    def attribute_fault(self, evidence: Evidence) -> Evidence:
        """Observe evidence; return it with the fault ours where it is."""
        is_reached = was_reached(evidence)
        if is_reached is None:
            return evidence
        provider = ProviderId(evidence.service)
        if is_reached and not self._has_failures:
            self._pending_successes[provider] = evidence.at
            return evidence
        for former, at in sorted(self._pending_successes.items(), key=lambda item: item[1]):
            self._watch = observe_call(self._watch, former, at, transport_failed=False)
        self._pending_successes.clear()
        self._watch = observe_call(
            self._watch, provider, evidence.at, transport_failed=not is_reached
        )
        self._has_failures = any(seen.is_failure for seen in self._watch.latest)
        return attribute_fault(self._watch, evidence)
