"""What each simulated provider charged: the ground truth about double payment."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from decimal import Decimal
from typing import TypedDict

from tallylight.simulator.jobs import SimulatedJob


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
    mark: str
    read: dict[str, object]


class LedgerJson(TypedDict):
    """The ledger in the JSON of the live control."""

    entries: list[BilledJobJson]
    by_service: dict[str, BillingTotal]
    by_prompt: dict[str, BillingTotal]
    total: BillingTotal


class SimulatedLedger:
    """All accepted jobs, in order of acceptance."""

    def __init__(self) -> None:
        self._entries: list[SimulatedJob] = []

    def record(self, entry: SimulatedJob) -> None:
        """Add an accepted job."""
        self._entries.append(entry)

    def cancel(self, job: str) -> None:
        """Mark a job as cancelled."""
        self._entries = [
            replace(one, is_cancelled=True) if one.id == job else one for one in self._entries
        ]

    @property
    def entries(self) -> tuple[SimulatedJob, ...]:
        """Return all jobs, oldest first."""
        return tuple(self._entries)

    def as_json(self, second: float) -> LedgerJson:
        """Return the ledger at a scenario second."""
        by_service: dict[str, list[SimulatedJob]] = defaultdict(list)
        by_prompt: dict[str, list[SimulatedJob]] = defaultdict(list)
        for entry in self._entries:
            by_service[entry.service].append(entry)
            by_prompt[entry.prompt].append(entry)
        return {
            "entries": [_job_json(entry, second) for entry in self._entries],
            "by_service": {name: _total(group, second) for name, group in by_service.items()},
            "by_prompt": {prompt: _total(group, second) for prompt, group in by_prompt.items()},
            "total": _total(self._entries, second),
        }


def _job_json(entry: SimulatedJob, second: float) -> BilledJobJson:
    return {
        "service": entry.service,
        "upstream": entry.upstream,
        "job": entry.id,
        "prompt": entry.prompt,
        "state": entry.billing_state(second),
        "charged_usd": float(entry.charged_usd(second)),
        "refunded_usd": float(entry.refunded_usd(second)),
        "billed_usd": float(entry.billed_usd(second)),
        "answered": entry.answered,
        "at": entry.created_at,
        "mark": entry.mark,
        "read": asdict(entry.reading),
    }


def _total(entries: Iterable[SimulatedJob], second: float) -> BillingTotal:
    group = tuple(entries)
    return {
        "jobs": len(group),
        "delivered": sum(entry.billing_state(second) == "delivered" for entry in group),
        "billed_usd": float(sum((entry.billed_usd(second) for entry in group), Decimal(0))),
    }
