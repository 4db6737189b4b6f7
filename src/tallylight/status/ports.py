"""What the faces need of the rest of the house."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry

from tallylight.board import BoardEvent
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.model.verdict import Verdict
from tallylight.status.advice import Advice
from tallylight.status.options import StatusOptions
from tallylight.status.recommendation import RecommendationSource
from tallylight.storage.database import Storage


class BoardReader(Protocol):
    """The board, read."""

    def services(self) -> Sequence[Service]:
        """Return the services, in the catalogue's order."""
        ...

    def service(self, id_: ServiceId, /) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        ...

    def verdict(self, id_: ServiceId, /) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        ...

    def latest_evidence(self, id_: ServiceId, source: Source, /) -> Evidence | None:
        """Return the newest evidence of one source, if any."""
        ...

    @property
    def network_is_down(self) -> bool:
        """Tell whether the fault is ours, and verdicts are frozen."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[asyncio.Queue[BoardEvent]]:
        """Give a queue of what happens from now on."""
        ...


class UpcomingProbe(Protocol):
    """A probe to come."""

    @property
    def depth(self) -> Depth:
        """How far it will go."""
        ...

    @property
    def at(self) -> datetime:
        """When it is due."""
        ...


class ProbePlan(Protocol):
    """What the prober will do, and what a budget keeps it from doing."""

    def planned_probes(self, id_: ServiceId, /) -> Sequence[UpcomingProbe]:
        """Return the probes to come of one service, soonest first."""
        ...

    def withheld_reasons(self) -> Mapping[ServiceId, str]:
        """Return why a budget keeps a service's generation from being sent, where one does."""
        ...


class AdviceSource(Protocol):
    """Who knows what budgets buy."""

    def advice(self) -> Advice:
        """Return what is known; what is not begins to be computed."""
        ...


@dataclass(frozen=True, slots=True)
class StatusSources:
    """All that the faces show.

    Args:
        board: What stands.
        history: What happened.
        clock: When it is.
        options: What the operator said of the page.
        plan: What will be probed; None where nothing is.
        total_budget: What all probes together may spend.
        is_judge: Tells whether this process is the one that probes and judges.
        is_at_work: Tells whether the probes run, or what the process finds that judges arrives.
        adviser: Who knows what budgets buy; None where that is not shown.
        recommender: Who knows how requests are routed; None where none are.
        metrics: What others have counted, for `/metrics`.
    """

    board: BoardReader
    history: Storage
    clock: Clock
    options: StatusOptions = field(default_factory=StatusOptions)
    plan: ProbePlan | None = None
    total_budget: Callable[[], Budget] = Budget
    is_leader: Callable[[], bool] = lambda: True
    is_ready: Callable[[], bool] = lambda: True
    advice_source: AdviceSource | None = None
    recommender: RecommendationSource | None = None
    metrics: CollectorRegistry | None = None
