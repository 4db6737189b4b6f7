"""Creates the parts of the job engine that callers' videos and probes share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.jobs.engine import JobEngine
from tallylight.jobs.followers import VideoFollowers, VideoPolicy
from tallylight.jobs.journal import Journal
from tallylight.jobs.outcome import JobObserver
from tallylight.jobs.search import JobSearch
from tallylight.jobs.submit import AttemptSubmitter
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.money import Budget
from tallylight.model.video import VideoKind
from tallylight.probes.paid_probes import PaidProbeRunner, ProbeJobs
from tallylight.probes.probe_orders import CreateLimits
from tallylight.probes.settlement import ProbeSettlement
from tallylight.probes.verify import DeliveryVerifier
from tallylight.storage.database import Storage
from tallylight.storage.processes import Liveness
from tallylight.upstreams.transport import Transport


@dataclass(frozen=True, slots=True)
class JobWiring:
    """The parts of the job engine.

    Args:
        journal: Records facts and decisions.
        followers: Follows the videos of this process.
        policies: Who decides about the videos of each kind; filled while the parts are wired.
    """

    board: Board
    storage: Storage
    transport: Transport
    clock: Clock
    journal: Journal
    followers: VideoFollowers
    policies: dict[VideoKind, VideoPolicy] = field(default_factory=dict)

    def engine(self, observer: JobObserver) -> JobEngine:
        """Return an engine that tells an observer how its attempts go."""
        return JobEngine(
            self.transport,
            self.journal,
            AttemptSubmitter(self.transport, self.journal, observer, self.clock),
            JobSearch(
                self.storage.attempts,
                self.transport,
                self.journal,
                self._services_at,
                self.clock,
            ),
            self.board.current_service,
            self.clock,
        )

    def _services_at(self, upstream: UpstreamId) -> frozenset[ServiceId]:
        found = (each.id for each in self.board.services() if each.upstream.id == upstream)
        return frozenset(found)


def wire_jobs(
    board: Board, storage: Storage, transport: Transport, liveness: Liveness, clock: Clock
) -> JobWiring:
    """Create the job engine; no task runs yet."""
    policies: dict[VideoKind, VideoPolicy] = {}

    def services() -> tuple[ServiceId, ...]:
        return tuple(each.id for each in board.services())

    journal = Journal(storage.group_commit, clock)
    followers = VideoFollowers(storage.videos, liveness, policies, services, clock)
    return JobWiring(board, storage, transport, clock, journal, followers, policies)


def wire_probes(
    jobs: JobWiring, total_budget: Callable[[], Budget], limits: CreateLimits | None = None
) -> PaidProbeRunner:
    """Create the runner of paid probes, which decides about their videos."""
    settlement = ProbeSettlement(
        jobs.board,
        jobs.storage,
        jobs.journal,
        DeliveryVerifier(jobs.transport, jobs.clock),
        jobs.clock,
    )
    parts = ProbeJobs(jobs.journal, jobs.engine(settlement), jobs.followers)
    runner = PaidProbeRunner(
        jobs.board,
        jobs.storage,
        parts,
        settlement,
        jobs.clock,
        total_budget,
        limits or CreateLimits(),
    )
    jobs.policies[VideoKind.PROBE] = runner
    return runner
