"""What the prober needs of the paid probes; `generation.Generations` is them."""

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
    """Places orders, follows jobs, remembers both."""

    @property
    def total_budget(self) -> Budget:
        """Return what all probes together may spend."""
        ...

    async def prepare(self, service: Service, /) -> Attempt:
        """Set the money aside and write the order down."""
        ...

    async def run(self, service: Service, attempt: Attempt, /) -> Evidence:
        """Send what was placed and take it to its end."""
        ...

    async def open_attempts(self) -> tuple[Attempt, ...]:
        """Return what a former process left under way."""
        ...

    async def resume(self, attempt: Attempt, /) -> Evidence:
        """Take that to its end."""
        ...

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return what the history knows of all services."""
        ...

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job, /) -> None:
        """Record the cost of a probe that was meant to be free."""
        ...
