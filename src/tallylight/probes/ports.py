"""The interface through which the prober sends paid probes."""

from collections.abc import Mapping
from typing import Protocol

from tallylight.catalogue.services import Service
from tallylight.model.evidence import Depth, Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.jobs import JobRef
from tallylight.model.money import Budget
from tallylight.model.video import Video
from tallylight.probes.paid_probes import ProbeHistory


class PaidProbes(Protocol):
    """Sends generation probes and keeps their history; implemented by `PaidProbeRunner`."""

    @property
    def total_budget(self) -> Budget:
        """Return the budget of all probes together."""
        ...

    async def start(self, service: Service, /) -> Video:
        """Order a video from a service, unless one is under way; return it."""
        ...

    async def result(self, probe: Video, /) -> Evidence:
        """Return the evidence of a probe once it has ended."""
        ...

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return the history of the paid probes of all services."""
        ...

    async def record_unexpected_charge(
        self, service: Service, depth: Depth, job: JobRef, /
    ) -> None:
        """Record the cost of a free probe that started a job."""
        ...
