"""Decides for the board whether failures are our own network's fault."""

import structlog

from tallylight.board.events import BoardEvent, NetworkChange, Subscribers
from tallylight.model.evidence import Evidence, Fault
from tallylight.model.ids import ProviderId
from tallylight.verdicts import own_network
from tallylight.verdicts.own_network import NetworkState

log = structlog.get_logger()


class NetworkWatcher:
    """Follows whether our own network is down and publishes each change."""

    def __init__(self, subscribers: Subscribers[BoardEvent]) -> None:
        self._subscribers = subscribers
        self._state = NetworkState()

    @property
    def is_down(self) -> bool:
        """Tell whether unrelated providers fail together, so that the fault is ours."""
        return self._state.is_down

    def attribute_fault(self, evidence: Evidence, provider: ProviderId) -> Evidence:
        """Return evidence, its fault set to "ours" if our own network failed."""
        is_reached = own_network.was_reached(evidence)
        if is_reached is None:
            return evidence
        was_down = self.is_down
        self._state = own_network.observe_call(
            self._state, provider, evidence.at, transport_failed=not is_reached
        )
        if self.is_down is not was_down:
            log.warning("network.down" if self.is_down else "network.up")
            self._subscribers.publish(NetworkChange(evidence.at, self.is_down))
        return own_network.attribute_fault(self._state, evidence)

    def freezes(self, evidence: Evidence) -> bool:
        """Tell whether this evidence is a failure of our network, during which no time passes."""
        failure = evidence.failure
        return self.is_down and failure is not None and failure.fault is Fault.OURS
