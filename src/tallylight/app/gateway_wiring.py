"""The gateway put together from its rooms."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from prometheus_client import CollectorRegistry

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.gateway.assets.contents import ContentReader
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.failover import AttemptStages, Failover
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.keys import KeyRegistry
from tallylight.gateway.leases import LeaseManager
from tallylight.gateway.metrics import GatewayMetrics
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.poll import AttemptPoller
from tallylight.gateway.reconcile import AttemptReconciler
from tallylight.gateway.routing.candidates import Candidates
from tallylight.gateway.routing.circuit_breaker import CircuitBreaker
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.gateway.settings import GatewaySettings
from tallylight.gateway.store import VideoStore
from tallylight.gateway.submit import AttemptSubmitter
from tallylight.gateway.webhooks.messages import webhook_messages
from tallylight.gateway.webhooks.sender import WebhookSender
from tallylight.scheduler import every
from tallylight.storage.database import Storage
from tallylight.upstreams.transport import Transport

_CLEANUP_INTERVAL = timedelta(minutes=10)


@dataclass(slots=True)
class GatewayWiring:
    """The gateway, and what has to run beside it.

    Args:
        gateway: What its doors and the client call.
        keys: Who may ask.
        prospects: What is to be expected of the services.
        conditions: What the operator decided.
        metrics: What was counted of callers' videos.
    """

    gateway: Gateway
    keys: KeyRegistry
    candidates: Candidates
    settings: GatewaySettings
    metrics: CollectorRegistry
    _outcomes: OutcomeReporter
    _leases: LeaseManager
    _webhooks: WebhookSender
    _assets: AssetStore
    _history: Storage
    _clock: Clock

    async def run(self) -> None:
        """Follow videos, look after keys and assets, until cancelled."""
        async with asyncio.TaskGroup() as around:
            journal = around.create_task(self._history.group_commit.run(), name="journal")
            telling = around.create_task(self._outcomes.run(), name="traffic")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.keys.run(), name="keys")
                    tasks.create_task(self._leases.run(), name="videos")
                    tasks.create_task(self._webhooks.run(), name="webhooks")
                    tidying = every(
                        _CLEANUP_INTERVAL, self._delete_expired_assets, self._clock, name="assets"
                    )
                    tasks.create_task(tidying, name="assets")
            finally:
                # The last, since the others write and tell as they end.
                telling.cancel()
                journal.cancel()

    def apply_config(self, configuration: Configuration) -> None:
        """Take a new configuration in place of the standing one."""
        conditions, options = self.settings, configuration.gateway
        conditions.routes = configuration.routes
        conditions.answer_within = options.answer_within
        conditions.budget = options.budget.budget()
        conditions.content_retention = configuration.assets.keep
        self._webhooks.apply_config(options.webhooks)
        conditions.allows_anonymous = options.open
        conditions.largest_body = options.largest_body

    async def _delete_expired_assets(self) -> None:
        """Delete the content of videos that has expired."""
        videos = self._history.videos
        while expired := await videos.with_expired_assets(self._clock.now()):
            for video in expired:
                # The row last: what it names can be deleted once more.
                await self._assets.delete(video.asset)
            await videos.clear_assets([video.id for video in expired])


def wire_gateway(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
    configuration: Configuration,
    board: Board,
    history: Storage,
    transport: Transport,
    store: AssetStore,
    clock: Clock,
) -> GatewayWiring:
    """Return the gateway of a configuration; nothing runs yet."""
    keys = KeyRegistry(history.keys, clock)
    conditions = GatewaySettings(keys)
    circuit = CircuitBreaker()
    prospects = Candidates(board, circuit, clock)
    chance = Random()  # noqa: S311  # among equals, no secret
    choosing = ServiceSelector(prospects, conditions, chance)
    courier = WebhookSender(history.outbox, configuration.gateway.webhooks, clock, chance.random)
    books = VideoStore(history, clock)
    meters = GatewayMetrics()
    witness = OutcomeReporter(board, circuit, meters, clock)
    sources = InputResolver(board, history, transport, store, clock)
    submitting = AttemptSubmitter(transport, books, witness, clock)
    completing = VideoFinisher(
        books,
        AssetFetcher(transport, store, clock),
        sources,
        witness,
        lambda video, at: webhook_messages(video, courier.endpoints, at),
        lambda: conditions.content_retention,
        clock,
    )
    following = AttemptPoller(board, transport, books, completing, choosing, witness, clock)
    failover = Failover(
        board,
        books,
        choosing,
        AttemptStages(
            submitting,
            AttemptReconciler(board, history, transport, submitting, clock),
            following,
            completing,
        ),
        witness,
        sources,
        clock,
    )
    crew = LeaseManager(history, books, failover, conditions, clock)
    meters.track_active(lambda: crew.active_count)
    gateway = Gateway(
        conditions,
        history,
        choosing,
        crew,
        sources,
        ContentReader(board, history, transport, store),
        clock,
    )
    switchboard = GatewayWiring(
        gateway=gateway,
        keys=keys,
        candidates=prospects,
        settings=conditions,
        metrics=meters.registry,
        _outcomes=witness,
        _leases=crew,
        _webhooks=courier,
        _assets=store,
        _history=history,
        _clock=clock,
    )
    switchboard.apply_config(configuration)
    return switchboard
