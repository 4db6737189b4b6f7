"""Creates the parts of the gateway and runs its background tasks."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from prometheus_client import CollectorRegistry

from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.job_wiring import JobWiring
from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.gateway.assets.contents import ContentReader
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.assets.late import LateContent
from tallylight.gateway.assets.names import files_of
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.creation import VideoCreator
from tallylight.gateway.doubt import DoubtPolicy
from tallylight.gateway.doubt_experience import DoubtExperience
from tallylight.gateway.failover import Failover
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.further import FurtherAttempts
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.keys import KeyRegistry
from tallylight.gateway.metrics import GatewayMetrics
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.recent_videos import RecentVideos
from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.circuit_breaker import CircuitBreaker
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.gateway.settings import GatewaySettings, KeyLimits
from tallylight.gateway.stalls import StalledJobs
from tallylight.gateway.webhooks.messages import webhook_messages
from tallylight.gateway.webhooks.sender import WebhookSender
from tallylight.model.video import VideoKind
from tallylight.scheduler import every
from tallylight.storage.clock_trust import FIRST_RETENTION_DELAY
from tallylight.storage.database import Storage
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.transport import Transport

_CLEANUP_INTERVAL = timedelta(minutes=10)

_BackgroundTasks = Mapping[str, Callable[[], Coroutine[object, object, None]]]


@dataclass(frozen=True, slots=True)
class GatewayResources:
    """The resources that the gateway shares with the rest of the process.

    Args:
        may_delete: Tells whether the clock is trusted with deleting what is old.
    """

    board: Board
    history: Storage
    transport: Transport
    assets: AssetStore
    clock: Clock
    may_delete: Callable[[], bool] = lambda: True

    async def delete_expired_assets(self) -> None:
        """Delete the content of videos whose retention has ended, unless the clock may be wrong."""
        if not self.may_delete():
            return
        videos = self.history.videos
        while expired := await videos.with_expired_assets(self.clock.now()):
            for video in expired:
                # The row is cleared last: an asset that it names can be deleted again.
                for name in files_of(video.asset):
                    await self.assets.delete(name)
            await videos.clear_assets([video.id for video in expired])

    async def run_cleanup(self) -> None:
        """Delete expired assets at intervals until cancelled."""
        await every(
            _CLEANUP_INTERVAL,
            self.delete_expired_assets,
            self.clock,
            name="assets",
            delay=FIRST_RETENTION_DELAY,
        )


@dataclass(frozen=True, slots=True)
class GatewayWiring:
    """The gateway with its background tasks.

    Args:
        candidates: The expected cost, time and success rate of each service.
        metrics: Counters of callers' videos.
        workers: Background tasks by name.
        sinks: Background tasks that workers write to and report to, hence stopped after them.
    """

    gateway: Gateway
    keys: KeyRegistry
    candidates: Candidates
    settings: Callable[[], GatewaySettings]
    metrics: CollectorRegistry
    workers: _BackgroundTasks
    sinks: _BackgroundTasks

    async def run(self) -> None:
        """Follow videos, refresh keys, send webhooks and clean up assets until cancelled."""
        async with asyncio.TaskGroup() as outer:
            sinks = [outer.create_task(run(), name=name) for name, run in self.sinks.items()]
            try:
                async with asyncio.TaskGroup() as tasks:
                    for name, run in self.workers.items():
                        tasks.create_task(run(), name=name)
            finally:
                for task in sinks:
                    task.cancel()


def wire_gateway(
    current: CurrentConfiguration, resources: GatewayResources, jobs: JobWiring
) -> GatewayWiring:
    """Create the gateway of the configuration in force; no task runs yet."""
    board, history, clock = resources.board, resources.history, resources.clock
    settings = current.reader(gateway_settings)
    endpoints = current.reader(lambda configuration: configuration.gateway.webhooks)
    keys = KeyRegistry(history.keys, clock)
    circuit_breaker = CircuitBreaker()
    candidates = Candidates(board, circuit_breaker, clock)
    random = Random()  # noqa: S311  # spreads load, protects no secret
    selector = ServiceSelector(candidates, KeyLimits(keys, settings), random)
    webhooks = WebhookSender(history.outbox, endpoints, clock, random.random)
    metrics = GatewayMetrics()
    outcomes = OutcomeReporter(board, circuit_breaker, metrics, clock)
    client = UpstreamClient(resources.transport)
    inputs = InputResolver(board, history, client, resources.assets, clock)
    keep = current.reader(lambda configuration: configuration.assets.keep)
    fetcher = AssetFetcher(resources.transport, resources.assets, clock)
    finisher = VideoFinisher(
        jobs.journal,
        fetcher,
        inputs,
        outcomes,
        lambda video, at: webhook_messages(video, endpoints(), at),
        keep,
        clock,
    )
    recent = RecentVideos(jobs.followers, clock)
    parts = jobs.parts(outcomes)
    doubt = DoubtPolicy(board, DoubtExperience(history.attempts, board, clock), clock)
    failover = Failover(
        parts,
        finisher,
        FurtherAttempts(parts, selector, inputs, clock),
        StalledJobs(board, parts, finisher, selector, outcomes, doubt, clock),
        doubt,
        lambda video: settings().routes.get(video.model) or Route(video.model, ()),
        clock,
    )
    jobs.policies.update({VideoKind.VIDEO: failover, VideoKind.IMAGE: failover})
    creator = VideoCreator(settings, selector, inputs, parts, failover, clock)
    metrics.track_active(lambda: jobs.followers.active_count)
    contents = ContentReader(board, history, resources.transport, resources.assets, clock)
    return GatewayWiring(
        gateway=Gateway(settings, history, creator, recent, inputs, contents, clock),
        keys=keys,
        candidates=candidates,
        settings=settings,
        metrics=metrics.registry,
        workers={
            "keys": keys.run,
            "videos": jobs.followers.run,
            "webhooks": webhooks.run,
            "assets": resources.run_cleanup,
            "late content": _late_content(resources, jobs, fetcher, outcomes, keep).run,
            "doubts": jobs.aftercare().run,
        },
        sinks={"outcomes": outcomes.run},
    )


def _late_content(
    resources: GatewayResources,
    jobs: JobWiring,
    fetcher: AssetFetcher,
    outcomes: OutcomeReporter,
    keep: Callable[[], timedelta],
) -> LateContent:
    return LateContent(
        resources.history,
        resources.board.find_service,
        fetcher,
        outcomes,
        lambda: jobs.followers.owner,
        keep,
        resources.clock,
    )


def gateway_settings(configuration: Configuration) -> GatewaySettings:
    """Return the settings that the gateway and its HTTP layer read."""
    return GatewaySettings(
        routes=configuration.routes,
        answer_within=configuration.gateway.answer_within,
        budget=configuration.gateway.budget.budget(),
        allows_anonymous=configuration.gateway.open,
        allowed_origins=frozenset(configuration.gateway.allowed_origins),
        largest_body=configuration.gateway.largest_body,
    )
