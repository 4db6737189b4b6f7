"""The interface through which the prober sends paid probes."""

from collections.abc import Mapping
from typing import Protocol

from tallylight.catalogue.services import Service
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.probes.paid_probes import ProbeHistory
from tallylight.upstreams.messages import Job


class PaidProbes(Protocol):
    """Sends generation probes and keeps their history; implemented by `PaidProbeRunner`."""

    @property
    def total_budget(self) -> Budget:
        """Return the budget of all probes together."""
        ...

    async def prepare(self, service: Service, /) -> Attempt:
        """Reserve the money and store the attempt; nothing is sent yet."""
        ...

    async def run(self, service: Service, attempt: Attempt, /) -> Evidence:
        """Send a prepared attempt and return its final evidence."""
        ...

    async def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts that an earlier process left unfinished."""
        ...

    async def resume(self, attempt: Attempt, /) -> Evidence:
        """Finish such an attempt and return its final evidence."""
        ...

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return the history of the paid probes of all services."""
        ...

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job, /) -> None:
        """Record the cost of a free probe that started a job."""
        ...
