"""Creates the parts of the job engine that callers' videos and probes share."""

from collections.abc import Callable
from dataclasses import dataclass

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.jobs.aftercare import DoubtAftercare
from tallylight.jobs.engine import JobEngine
from tallylight.jobs.followers import VideoFollowers, VideoPolicy
from tallylight.jobs.journal import Journal
from tallylight.jobs.outcome import JobObserver
from tallylight.jobs.parts import JobParts
from tallylight.jobs.search import JobSearch
from tallylight.jobs.submit import AttemptSubmitter, CreateTiming
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.money import Budget
from tallylight.model.video import VideoKind
from tallylight.probes.paid_probes import PaidProbeRunner
from tallylight.probes.settlement import ProbeSettlement
from tallylight.probes.verify import DeliveryVerifier
from tallylight.storage.database import Storage
from tallylight.storage.processes import Liveness
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.transport import Transport


@dataclass(frozen=True, slots=True)
class JobWiring:
    """The parts of the job engine.

    Args:
        journal: Records facts and decisions.
        followers: Follows the videos of this process.
        policies: Who decides about the videos of each kind; filled while the parts are wired.
        timing: How long a create may take.
    """

    board: Board
    storage: Storage
    transport: Transport
    clock: Clock
    journal: Journal
    followers: VideoFollowers
    policies: dict[VideoKind, VideoPolicy]
    timing: CreateTiming

    def parts(self, observer: JobObserver) -> JobParts:
        """Return the parts for a policy; the observer hears how its attempts go."""
        client = UpstreamClient(self.transport)
        engine = JobEngine(
            client,
            self.journal,
            AttemptSubmitter(client, self.journal, observer, self.clock),
            self.search(),
            self.board.current_service,
            observer,
            self.clock,
        )
        return JobParts(self.journal, engine, self.followers, self.timing)

    def search(self) -> JobSearch:
        """Return what looks for jobs in upstreams' lists."""
        client = UpstreamClient(self.transport)
        return JobSearch(self.storage.attempts, client, self.journal, self._services_at, self.clock)

    def aftercare(self) -> DoubtAftercare:
        """Return what looks for the jobs of attempts that ended without an answer."""
        return DoubtAftercare(
            self.storage, self.journal, self.search(), self.board.find_service, self.clock
        )

    def _services_at(self, upstream: UpstreamId) -> frozenset[ServiceId]:
        found = (each.id for each in self.board.services() if each.upstream.id == upstream)
        return frozenset(found)


def wire_jobs(  # noqa: PLR0913, PLR0917  # the parts of a process
    board: Board,
    storage: Storage,
    transport: Transport,
    liveness: Liveness,
    clock: Clock,
    timing: CreateTiming | None = None,
) -> JobWiring:
    """Create the job engine; no task runs yet."""
    policies: dict[VideoKind, VideoPolicy] = {}

    def services() -> tuple[ServiceId, ...]:
        return tuple(each.id for each in board.services())

    journal = Journal(storage.group_commit, clock)
    followers = VideoFollowers(storage.videos, liveness, policies, services, clock)
    return JobWiring(
        board, storage, transport, clock, journal, followers, policies, timing or CreateTiming()
    )


def wire_probes(jobs: JobWiring, total_budget: Callable[[], Budget]) -> PaidProbeRunner:
    """Create the runner of paid probes, which decides about their videos."""
    settlement = ProbeSettlement(
        jobs.board,
        jobs.storage,
        jobs.journal,
        DeliveryVerifier(jobs.transport, jobs.clock),
        jobs.clock,
    )
    parts = jobs.parts(settlement)
    runner = PaidProbeRunner(jobs.board, jobs.storage, parts, settlement, jobs.clock, total_budget)
    jobs.policies[VideoKind.PROBE] = runner
    return runner
