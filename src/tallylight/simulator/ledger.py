"""What each simulated provider charged: the ground truth about double payment."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypedDict

from tallylight.simulator.outcomes import JobOutcome, JobStatus, progress_at
from tallylight.simulator.scenario import Billing

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class BilledJob:
    """One accepted job and its price.

    Args:
        service: Id of the service that accepted the job.
        upstream: Id of its upstream.
        job: The job's id on the wire.
        prompt: Prompt of the request; "" for an operation without one.
        price: Price of a delivered video in USD.
        billing: What the provider charges for.
        outcome: How the job ends.
        accepted_at: Scenario second of the acceptance.
        accepted_at_unix: The same in Unix seconds.
        answered: False if the create was accepted but got no response.
        is_cancelled: The caller deleted the job while it ran; nothing is charged.
    """

    service: str
    upstream: str
    job: str
    prompt: str
    price: Decimal
    billing: Billing
    outcome: JobOutcome
    accepted_at: float
    accepted_at_unix: int
    answered: bool = True
    is_cancelled: bool = False

    def job_status(self, second: float) -> JobStatus:
        """Return the job's status at a scenario second."""
        return progress_at(self.outcome, second - self.accepted_at).status

    def charged_usd(self, second: float) -> Decimal:
        """Return the amount charged so far, before refunds."""
        if self.is_cancelled:
            return _NOTHING
        if (
            self.billing is Billing.BILLS_DELIVERIES
            and self.job_status(second) is not JobStatus.COMPLETED
        ):
            return _NOTHING
        return self.price

    def refunded_usd(self, second: float) -> Decimal:
        """Return the amount refunded so far."""
        failed = self.job_status(second) is JobStatus.FAILED and not self.is_cancelled
        return self.price if failed and self.billing is Billing.REFUNDS_FAILURES else _NOTHING

    def billed_usd(self, second: float) -> Decimal:
        """Return the amount charged less the amount refunded."""
        return self.charged_usd(second) - self.refunded_usd(second)

    def billing_state(self, second: float) -> str:
        """Return "accepted", "delivered", "failed", "refunded" or "cancelled"."""
        if self.is_cancelled:
            return "cancelled"
        match self.job_status(second):
            case JobStatus.COMPLETED:
                return "delivered"
            case JobStatus.FAILED:
                return "refunded" if self.refunded_usd(second) else "failed"
            case JobStatus.QUEUED | JobStatus.IN_PROGRESS:
                return "accepted"


class BillingTotal(TypedDict):
    """Sums over a group of jobs."""

    jobs: int
    delivered: int
    billed_usd: float


class BilledJobJson(TypedDict):
    """One job in the JSON of the live control."""

    service: str
    upstream: str
    job: str
    prompt: str
    state: str
    charged_usd: float
    refunded_usd: float
    billed_usd: float
    answered: bool
    at: int


class LedgerJson(TypedDict):
    """The ledger in the JSON of the live control."""

    entries: list[BilledJobJson]
    by_service: dict[str, BillingTotal]
    by_prompt: dict[str, BillingTotal]
    total: BillingTotal


class SimulatedLedger:
    """All accepted jobs, in order of acceptance."""

    def __init__(self) -> None:
        self._entries: list[BilledJob] = []

    def record(self, entry: BilledJob) -> None:
        """Add an accepted job."""
        self._entries.append(entry)

    def cancel(self, job: str) -> None:
        """Mark a job as cancelled."""
        self._entries = [
            replace(one, is_cancelled=True) if one.job == job else one for one in self._entries
        ]

    @property
    def entries(self) -> tuple[BilledJob, ...]:
        """Return all jobs, oldest first."""
        return tuple(self._entries)

    def as_json(self, second: float) -> LedgerJson:
        """Return the ledger at a scenario second."""
        by_service: dict[str, list[BilledJob]] = defaultdict(list)
        by_prompt: dict[str, list[BilledJob]] = defaultdict(list)
        for entry in self._entries:
            by_service[entry.service].append(entry)
            by_prompt[entry.prompt].append(entry)
        return {
            "entries": [_job_json(entry, second) for entry in self._entries],
            "by_service": {name: _total(group, second) for name, group in by_service.items()},
            "by_prompt": {prompt: _total(group, second) for prompt, group in by_prompt.items()},
            "total": _total(self._entries, second),
        }


def _job_json(entry: BilledJob, second: float) -> BilledJobJson:
    return {
        "service": entry.service,
        "upstream": entry.upstream,
        "job": entry.job,
        "prompt": entry.prompt,
        "state": entry.billing_state(second),
        "charged_usd": float(entry.charged_usd(second)),
        "refunded_usd": float(entry.refunded_usd(second)),
        "billed_usd": float(entry.billed_usd(second)),
        "answered": entry.answered,
        "at": entry.accepted_at_unix,
    }


def _total(entries: Iterable[BilledJob], second: float) -> BillingTotal:
    group = tuple(entries)
    return {
        "jobs": len(group),
        "delivered": sum(entry.billing_state(second) == "delivered" for entry in group),
        "billed_usd": float(sum((entry.billed_usd(second) for entry in group), _NOTHING)),
    }
