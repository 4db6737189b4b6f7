"""Detection of failures of our own network, as on the board but with less work.

Successes are passed to the detector only when a failure follows. The newest success of each
provider suffices, so the result is the same.
"""

from typing import TYPE_CHECKING

from tallylight.model.evidence import Evidence
from tallylight.model.ids import ProviderId
from tallylight.verdicts.own_network import NetworkState, attribute_fault, observe_call, was_reached

if TYPE_CHECKING:
    from datetime import datetime


class NetworkMonitor:
    """Tracks recent calls by provider; in a trace each service is its own provider."""

    def __init__(self) -> None:
        self._network = NetworkState()
        self._pending_successes: dict[ProviderId, datetime] = {}
        self._has_failures = False

    @property
    def is_down(self) -> bool:
        """Tell whether our own network is down."""
        return self._has_failures and self._network.is_down

    def attribute_fault(self, evidence: Evidence) -> Evidence:
        """Observe evidence; return it, with fault `ours` if our network caused the failure."""
        is_reached = was_reached(evidence)
        if is_reached is None:
            return evidence
        provider = ProviderId(evidence.service)
        if is_reached and not self._has_failures:
            self._pending_successes[provider] = evidence.at
            return evidence
        for former, at in sorted(self._pending_successes.items(), key=lambda item: item[1]):
            self._network = observe_call(self._network, former, at, transport_failed=False)
        self._pending_successes.clear()
        self._network = observe_call(
            self._network, provider, evidence.at, transport_failed=not is_reached
        )
        self._has_failures = any(call.is_failure for call in self._network.latest)
        return attribute_fault(self._network, evidence)
