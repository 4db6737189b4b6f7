"""Accepted jobs: their progress, and what the provider charges for them."""

from dataclasses import dataclass
from decimal import Decimal

from tallylight.simulator.outcomes import (
    JobFailure,
    JobOutcome,
    JobProgress,
    JobStatus,
    OutputSpec,
    output_of,
    progress_at,
)
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.scenario import Billing

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """An accepted job.

    Args:
        accepted_at: Scenario second of its acceptance.
        created_at: The same in Unix seconds.
        reading: What the upstream read from the create.
        price: Price of its outputs in USD.
        parent: Id of the video that a remix was made from, "" for none.
        mark: The caller's own id for it, "" for none.
        answered: False if the create was accepted but got no response.
        is_cancelled: The caller deleted the job while it ran; nothing is charged.
    """

    id: str
    service: str
    upstream: str
    reading: OrderReading
    outcome: JobOutcome
    accepted_at: float
    created_at: int
    price: Decimal
    billing: Billing
    parent: str = ""
    mark: str = ""
    key: str = ""
    answered: bool = True
    is_cancelled: bool = False

    @property
    def prompt(self) -> str:
        """Return the prompt that was read."""
        return self.reading.prompt

    @property
    def reference(self) -> str:
        """Return the source of its first input, "" if it has none."""
        return self.reading.inputs[0].source if self.reading.inputs else ""

    @property
    def requested(self) -> OutputSpec:
        """Return the output that was asked for."""
        return output_of(self.reading)

    def progress_at(self, second: float) -> JobProgress:
        """Return its progress at a scenario second."""
        return progress_at(self.outcome, second - self.accepted_at)

    def failure_at(self, second: float) -> JobFailure | None:
        """Return its failure if it has failed by a scenario second."""
        has_failed = self.progress_at(second).status is JobStatus.FAILED
        return self.outcome.failure if has_failed else None

    @property
    def ends_at(self) -> float | None:
        """Return the scenario second of its end, None if it never ends."""
        return None if self.outcome.duration is None else self.accepted_at + self.outcome.duration

    def charged_usd(self, second: float) -> Decimal:
        """Return the amount charged so far, before refunds."""
        is_delivered = self.progress_at(second).status is JobStatus.COMPLETED
        if self.is_cancelled or (self.billing is Billing.BILLS_DELIVERIES and not is_delivered):
            return _NOTHING
        return self.price

    def refunded_usd(self, second: float) -> Decimal:
        """Return the amount refunded so far."""
        has_failed = self.progress_at(second).status is JobStatus.FAILED and not self.is_cancelled
        is_refunded = has_failed and self.billing is Billing.REFUNDS_FAILURES
        return self.price if is_refunded else _NOTHING

    def billed_usd(self, second: float) -> Decimal:
        """Return the amount charged less the amount refunded."""
        return self.charged_usd(second) - self.refunded_usd(second)

    def billing_state(self, second: float) -> str:
        """Return "accepted", "delivered", "failed", "refunded" or "cancelled"."""
        if self.is_cancelled:
            return "cancelled"
        match self.progress_at(second).status:
            case JobStatus.COMPLETED:
                return "delivered"
            case JobStatus.FAILED:
                return "refunded" if self.refunded_usd(second) else "failed"
            case JobStatus.QUEUED | JobStatus.IN_PROGRESS:
                return "accepted"
