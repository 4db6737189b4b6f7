"""What callers' videos show of the services: evidence, news for the circuit, figures."""

import asyncio
from datetime import datetime, timedelta

import structlog

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.metrics import AttemptOutcome, GatewayMetrics
from tallylight.gateway.routing.circuit_breaker import CircuitBreaker
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.model.ids import ServiceId
from tallylight.model.video import Video

log = structlog.get_logger()

_ACCEPTANCE_INTERVAL = timedelta(seconds=10)
"""So often is it told that a service goes on accepting: a good acceptance proves little."""


class OutcomeReporter:
    """Tells of what happened to attempts.

    The circuit hears of it at once. The board is told by a task of its own: a transition waits for
    the disk, and no video has to wait for that.
    """

    def __init__(
        self, board: Board, breaker: CircuitBreaker, metrics: GatewayMetrics, clock: Clock
    ) -> None:
        self._board = board
        self._breaker = breaker
        self._metrics = metrics
        self._clock = clock
        self._acceptance_reported_at: dict[ServiceId, datetime] = {}
        self._unpublished: asyncio.Queue[Evidence] = asyncio.Queue()

    def report_accepted(self, service: ServiceId) -> None:
        """Tell that a service has accepted a job."""
        now = self._clock.now()
        self._breaker.record_acceptance(service, now)
        self._metrics.count_attempt(service, AttemptOutcome.ACCEPTED)
        told = self._acceptance_reported_at.get(service)
        if told is None or now - told >= _ACCEPTANCE_INTERVAL:
            self._acceptance_reported_at[service] = now
            self._unpublished.put_nowait(Evidence(service, now, Source.ACCEPTANCE))

    def report_refused(self, service: ServiceId, failure: Failure) -> None:
        """Tell that a service has refused a job."""
        self._metrics.count_attempt(service, AttemptOutcome.REFUSED)
        self._report_not_accepted(service, failure)

    def report_in_doubt(self, service: ServiceId, failure: Failure) -> None:
        """Tell that nobody knows whether a service has accepted a job."""
        self._metrics.count_attempt(service, AttemptOutcome.IN_DOUBT)
        self._report_not_accepted(service, failure)

    def report_failed(self, service: ServiceId, failure: Failure) -> None:
        """Tell that an accepted job brought no video."""
        now = self._clock.now()
        self._breaker.record_failure(service, failure, now)
        self._metrics.count_attempt(service, AttemptOutcome.FAILED)
        self._unpublished.put_nowait(Evidence(service, now, Source.TRAFFIC, failure=failure))

    def report_delivered(self, attempt: Attempt, latency: timedelta | None) -> None:
        """Tell that a video arrived, and how long that took from its create."""
        now = self._clock.now()
        self._breaker.record_delivery(attempt.service, now)
        self._unpublished.put_nowait(
            Evidence(attempt.service, now, Source.TRAFFIC, latency=latency)
        )
        parts = stage_seconds(attempt, now)
        self._metrics.count_attempt(attempt.service, AttemptOutcome.DELIVERED)
        self._metrics.observe_stages(attempt.service, parts)
        log.info("attempt.delivered", service=attempt.service, attempt=attempt.id, **parts)

    def report_ended(self, video: Video) -> None:
        """Tell that a video has come to its end."""
        self._metrics.count_video(video)

    async def run(self) -> None:
        """Tell the board what happened, until cancelled; then what is left."""
        try:
            while True:
                await self._publish(await self._unpublished.get())
        finally:
            while not self._unpublished.empty():
                await self._publish(self._unpublished.get_nowait())

    def _report_not_accepted(self, service: ServiceId, failure: Failure) -> None:
        now = self._clock.now()
        self._breaker.record_refusal(service, failure, now)
        self._acceptance_reported_at.pop(service, None)
        self._unpublished.put_nowait(Evidence(service, now, Source.ACCEPTANCE, failure=failure))

    async def _publish(self, evidence: Evidence) -> None:
        if evidence.service not in self._board:
            return  # it has left the catalogue
        try:
            await self._board.report(evidence)
        except StorageError as error:  # the board tells it later; the video goes on
            log.warning("evidence.publish_failed", service=evidence.service, error=str(error))


def stage_seconds(attempt: Attempt, now: datetime) -> dict[str, float]:
    """Return how long each stage of a delivered attempt took, in seconds, as far as it was seen."""
    moments = {
        "accept": (attempt.intended_at, attempt.accepted_at),
        "queue": (attempt.accepted_at, attempt.started_at),
        "render": (attempt.started_at or attempt.accepted_at, attempt.rendered_at),
        "download": (attempt.rendered_at, attempt.ended_at or now),
    }
    return {
        name: round((end - start).total_seconds(), 3)
        for name, (start, end) in moments.items()
        if start is not None and end is not None
    }
