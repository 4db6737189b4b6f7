"""Counts notifications by receiver, for Prometheus."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class AlertOutcome(StrEnum):
    """What became of an attempt to notify a receiver."""

    DELIVERED = "delivered"
    FAILED = "failed"  # will be tried again
    DROPPED = "dropped"


class AlertMetrics:
    """Metrics of all receivers of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = Counter(
            "tallylight_alerts",
            "Notifications by receiver: delivered, failed attempts, dropped for good.",
            ("receiver", "outcome"),
            registry=registry,
        )
        self._waiting = Gauge(
            "tallylight_alerts_waiting",
            "Notifications that wait for a receiver.",
            ("receiver",),
            registry=registry,
        )
        self._receivers: frozenset[str] = frozenset()

    def set_receivers(self, receivers: Collection[str]) -> None:
        """Show these receivers, with zeros at first, and no others."""
        for name in self._receivers.difference(receivers):
            self._waiting.remove(name)
            for outcome in AlertOutcome:
                self._counts.remove(name, outcome.value)
        for name in receivers:
            self._waiting.labels(name)
            for outcome in AlertOutcome:
                self._counts.labels(name, outcome.value)
        self._receivers = frozenset(receivers)

    def count(self, receiver: str, outcome: AlertOutcome) -> None:
        """Count what became of an attempt."""
        if receiver in self._receivers:
            self._counts.labels(receiver, outcome.value).inc()

    def set_waiting(self, waiting: Mapping[str, int]) -> None:
        """Show how many notifications wait for each receiver."""
        for name in self._receivers:
            self._waiting.labels(name).set(waiting.get(name, 0))
