"""Reports the outcomes of attempts: evidence for the board, the circuit breaker, metrics."""

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
"""Shortest time between two acceptance reports of a service: each proves little."""


class OutcomeReporter:
    """Reports what happened to attempts.

    The circuit breaker is updated at once. A separate task reports to the board, since a
    transition waits for the database and must not delay a video.
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

    async def report_accepted(self, attempt: Attempt) -> None:
        """Report that a service accepted a job."""
        service, now = attempt.service, self._clock.now()
        self._breaker.record_acceptance(service, now)
        self._metrics.count_attempt(service, AttemptOutcome.ACCEPTED)
        reported_at = self._acceptance_reported_at.get(service)
        if reported_at is None or now - reported_at >= _ACCEPTANCE_INTERVAL:
            self._acceptance_reported_at[service] = now
            self._unpublished.put_nowait(Evidence(service, now, Source.ACCEPTANCE))

    async def report_refused(self, service: ServiceId, failure: Failure) -> None:
        """Report that a service refused a job."""
        self._metrics.count_attempt(service, AttemptOutcome.REFUSED)
        self._report_not_accepted(service, failure)

    async def report_in_doubt(self, service: ServiceId, failure: Failure) -> None:
        """Report that it is unknown whether a service accepted a job."""
        self._metrics.count_attempt(service, AttemptOutcome.IN_DOUBT)
        self._report_not_accepted(service, failure)

    def report_failed(self, service: ServiceId, failure: Failure) -> None:
        """Report that an accepted job delivered no video."""
        now = self._clock.now()
        self._breaker.record_failure(service, failure, now)
        self._metrics.count_attempt(service, AttemptOutcome.FAILED)
        self._unpublished.put_nowait(Evidence(service, now, Source.TRAFFIC, failure=failure))

    def report_delivered(self, attempt: Attempt, now: datetime) -> None:
        """Report that an attempt delivered its video, with its latency since the create."""
        latency = now - attempt.intended_at
        self._breaker.record_delivery(attempt.service, now)
        self._unpublished.put_nowait(
            Evidence(attempt.service, now, Source.TRAFFIC, latency=latency)
        )
        stages = stage_seconds(attempt, now)
        self._metrics.count_attempt(attempt.service, AttemptOutcome.DELIVERED)
        self._metrics.observe_stages(attempt.service, stages)
        log.info("attempt.delivered", service=attempt.service, attempt=attempt.id, **stages)

    def report_ended(self, video: Video) -> None:
        """Report that a video completed or failed."""
        self._metrics.count_video(video)

    async def run(self) -> None:
        """Report evidence to the board until cancelled, then the rest of the queue."""
        try:
            while True:
                await self._publish(await self._unpublished.get())
        finally:
            while not self._unpublished.empty():
                await self._publish(self._unpublished.get_nowait())

    def _report_not_accepted(self, service: ServiceId, failure: Failure) -> None:
        now = self._clock.now()
        self._breaker.record_refusal(service, failure, now)
        # The next acceptance contradicts this failure, so it is reported at once.
        self._acceptance_reported_at.pop(service, None)
        self._unpublished.put_nowait(Evidence(service, now, Source.ACCEPTANCE, failure=failure))

    async def _publish(self, evidence: Evidence) -> None:
        if evidence.service not in self._board:
            return  # a reload removed the service
        try:
            await self._board.report(evidence)
        except StorageError as error:  # the board stores it later; the video continues
            log.warning("evidence.publish_failed", service=evidence.service, error=str(error))


def stage_seconds(attempt: Attempt, now: datetime) -> dict[str, float]:
    """Return the duration of each observed stage of a delivered attempt, in seconds."""
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
