"""What the status app needs from the rest of the process."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from prometheus_client import CollectorRegistry

from tallylight.board import BoardEvent
from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.status.advice import Advice
from tallylight.status.options import StatusOptions
from tallylight.status.recommendation import RecommendationSource
from tallylight.status.views.probes import UpcomingProbe
from tallylight.status.views.services import VerdictSource
from tallylight.storage.database import Storage
from tallylight.storage.options import RetentionOptions
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState


class BoardReader(VerdictSource, Protocol):
    """Read access to the board."""

    def services(self) -> Sequence[Service]:
        """Return the services, in the catalogue's order."""
        ...

    @property
    def network_is_down(self) -> bool:
        """Tell whether our own network is down, which freezes all verdicts."""
        ...

    def state(self, id_: ServiceId, /) -> tuple[ServiceState, Policy]:
        """Return the judge's state of a service, and the policy it is judged by."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[asyncio.Queue[BoardEvent]]:
        """Return a queue of the events from now on."""
        ...


class ProbePlan(Protocol):
    """The prober's plan, and the generation probes that a budget withholds."""

    def planned_probes(self, id_: ServiceId, /) -> Sequence[UpcomingProbe]:
        """Return the upcoming probes of one service, soonest first."""
        ...

    def paid_pace(self, id_: ServiceId, /) -> PaceInForce | None:
        """Return the pace of the paid probes of one service; None if it has none."""
        ...

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        """Return which services' generation probes a budget withholds, and why."""
        ...


@dataclass(frozen=True, slots=True)
class StatusSources:
    """Everything that the status app shows.

    Args:
        plan: The upcoming probes; None if this process does not probe.
        is_leader: Tells whether this process is the one that probes and judges.
        is_ready: Tells whether the leader's probes run, or the follower's board is up to date.
        advice: Returns what is known of what budgets buy, and starts computing it if nothing is;
            None if that is not shown.
        recommender: Ranks services for a request; None if nothing is routed.
        metrics: Other parts' metrics, appended to `/metrics`.
        is_loopback: The server listens on this machine only.
        evidence_kept: Returns how long individual pieces of evidence are kept.
    """

    board: BoardReader
    history: Storage
    clock: Clock
    options: StatusOptions = field(default_factory=StatusOptions)
    plan: ProbePlan | None = None
    total_budget: Callable[[], Budget] = Budget
    is_leader: Callable[[], bool] = lambda: True
    is_ready: Callable[[], bool] = lambda: True
    advice: Callable[[], Advice] | None = None
    recommender: RecommendationSource | None = None
    metrics: CollectorRegistry | None = None
    is_loopback: bool = False
    evidence_kept: Callable[[], timedelta] = lambda: RetentionOptions().evidence
