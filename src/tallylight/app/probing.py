"""The probes of a process: the prober, the pollers of status pages, and checks on demand."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.job_wiring import JobWiring, wire_probes
from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.jobs.followers import VideoFollowers
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.video import VideoKind
from tallylight.probes.check_round import CheckResult, check_service
from tallylight.probes.feed_detection import FeedDetector
from tallylight.probes.feeds import FeedPoller
from tallylight.probes.page_claims import ClaimsReader
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober


@dataclass(frozen=True, slots=True)
class Probing:
    """Runs the prober and the poller of status pages."""

    board: Board
    prober: Prober
    feed_poller: FeedPoller
    claims_reader: ClaimsReader
    followers: VideoFollowers
    clock: Clock

    async def run(self) -> None:
        """Probe on schedule and read status pages until cancelled."""
        self.prober.reset()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.prober.run(), name="prober")
            tasks.create_task(self.feed_poller.run(), name="feeds")
            tasks.create_task(self.claims_reader.run(), name="claims")

    async def check(
        self, services: Collection[ServiceId], depth: Depth, *, are_named: bool = True
    ) -> Mapping[ServiceId, CheckResult]:
        """Probe services now, all at the same time, and return the results.

        The leader follows the generations itself. Any other process leaves them to a server. Of a
        service that is held to be retired no generation is sent, unless it was asked for by name.
        """
        if depth is Depth.GENERATION and not are_named:
            live = [id_ for id_ in services if self.board.verdict(id_).status is not Status.RETIRED]
            retired = [id_ for id_ in services if id_ not in live]
            free = await self.check(retired, Depth.CREDENTIALS)
            left_out = {id_: replace(each, is_left_out=True) for id_, each in free.items()}
            results = {**await self.check(live, depth), **left_out}
            return {id_: results[id_] for id_ in services}
        async with AsyncExitStack() as stack:
            if depth is Depth.GENERATION and self.board.is_leader:
                await stack.enter_async_context(self.followers.following(VideoKind.PROBE))
            async with asyncio.TaskGroup() as tasks:
                checks = {
                    id_: tasks.create_task(
                        check_service(self.prober, self.board.service(id_), depth, self.clock)
                    )
                    for id_ in services
                }
        results = {id_: task.result() for id_, task in checks.items()}
        for result in results.values():
            for piece in result.evidence:
                if piece.is_bad:
                    await self.board.settle(piece)  # no further call follows
        return results


def make_probing(current: CurrentConfiguration, jobs: JobWiring) -> Probing:
    """Return what probes with the configuration in force; nothing runs yet."""
    total_budget = current.reader(lambda configuration: configuration.catalogue.total_budget)
    prober = Prober(
        jobs.board,
        jobs.transport,
        wire_probes(jobs, total_budget),
        jobs.clock,
        current.reader(probe_timing),
    )
    detector = FeedDetector(jobs.transport, jobs.clock)
    return Probing(
        jobs.board,
        prober,
        FeedPoller(jobs.board, jobs.transport, jobs.clock, detector),
        ClaimsReader(jobs.board, jobs.transport, jobs.clock, jobs.storage, detector),
        jobs.followers,
        jobs.clock,
    )


def probe_timing(configuration: Configuration) -> ProbeTiming:
    """Return the timing that applies to the probes of all services."""
    options = configuration.probes
    return ProbeTiming(retry_delays=options.retry, undecided_interval=options.in_doubt_pace)
