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
from tallylight.model.video import Video
from tallylight.verdicts.blocking import is_refusal_of_earlier_key
from tallylight.verdicts.overdue import overdue_failure

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
        self._acceptance_reported_at: dict[str, datetime] = {}
        self._unpublished: asyncio.Queue[tuple[Evidence, datetime]] = asyncio.Queue()

    async def report_accepted(self, attempt: Attempt) -> None:
        """Report that a service accepted a job."""
        service, now = attempt.service, self._clock.now()
        self._breaker.record_acceptance(service, now)
        self._metrics.count_attempt(service, AttemptOutcome.ACCEPTED)
        reported_at = self._acceptance_reported_at.get(service)
        if reported_at is None or now - reported_at >= _ACCEPTANCE_INTERVAL:
            self._acceptance_reported_at[service] = now
            self._unpublished.put_nowait((Evidence(service, now, Source.ACCEPTANCE), now))

    async def report_refused(self, attempt: Attempt, failure: Failure) -> None:
        """Report that a service refused an attempt."""
        self._metrics.count_attempt(attempt.service, AttemptOutcome.REFUSED)
        self._report_not_accepted(attempt, failure)

    async def report_in_doubt(self, attempt: Attempt, failure: Failure) -> None:
        """Report that it is unknown whether a service accepted an attempt."""
        self._metrics.count_attempt(attempt.service, AttemptOutcome.IN_DOUBT)
        self._report_not_accepted(attempt, failure)

    async def report_overdue(self, attempt: Attempt) -> None:
        """Report that a job still runs, long after it should have ended."""
        now = self._clock.now()
        age = now - attempt.intended_at
        evidence = Evidence(attempt.service, now, Source.TRAFFIC, overdue_failure(age), age)
        self._unpublished.put_nowait((evidence, attempt.intended_at))

    def report_failed(self, attempt: Attempt, failure: Failure) -> None:
        """Report that an accepted attempt delivered no video."""
        now = self._clock.now()
        if not self._is_of_earlier_key(attempt, failure):
            self._breaker.record_failure(attempt.service, failure, now)
        self._metrics.count_attempt(attempt.service, AttemptOutcome.FAILED)
        age = now - attempt.intended_at
        evidence = Evidence(attempt.service, now, Source.TRAFFIC, failure, latency=age)
        self._unpublished.put_nowait((evidence, attempt.intended_at))

    def report_delivered(self, attempt: Attempt, now: datetime) -> None:
        """Report that an attempt delivered its video, with its latency since the create."""
        latency = now - attempt.intended_at
        self._breaker.record_delivery(attempt.service, now)
        evidence = Evidence(attempt.service, now, Source.TRAFFIC, latency=latency)
        self._unpublished.put_nowait((evidence, attempt.intended_at))
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
                await self._publish(*await self._unpublished.get())
        finally:
            while not self._unpublished.empty():
                await self._publish(*self._unpublished.get_nowait())

    def _report_not_accepted(self, attempt: Attempt, failure: Failure) -> None:
        now = self._clock.now()
        if not self._is_of_earlier_key(attempt, failure):
            self._breaker.record_refusal(attempt.service, failure, now)
        # The next acceptance contradicts this failure, so it is reported at once.
        self._acceptance_reported_at.pop(attempt.service, None)
        evidence = Evidence(attempt.service, now, Source.ACCEPTANCE, failure=failure)
        self._unpublished.put_nowait((evidence, attempt.intended_at))

    def _is_of_earlier_key(self, attempt: Attempt, failure: Failure) -> bool:
        """Tell whether a failure is a refusal that says nothing about the present key."""
        if attempt.service not in self._board:
            return False
        period = self._board.key_period(attempt.service)
        return is_refusal_of_earlier_key(failure, attempt.intended_at, period)

    async def _publish(self, evidence: Evidence, began_at: datetime) -> None:
        if evidence.service not in self._board:
            return  # a reload removed the service
        try:
            await self._board.report(evidence, began_at)
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
