"""Ends a probe: checks what was delivered, stores the evidence, settles the money.

The evidence of an end is stored before the probe is ended: after a crash between the two, the probe
is under way and its end is found again.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from tallylight.board import Board
from tallylight.catalogue.orders import costs_nothing, probe_cost
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job
from tallylight.jobs.outcome import UNRESOLVED_DOUBT, AttemptResult, Ending
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Depth, Evidence, Failure, Source
from tallylight.model.ledger import Purpose
from tallylight.model.video import Video, VideoError, VideoStatus
from tallylight.probes.verify import DeliveryVerifier
from tallylight.storage.database import Storage
from tallylight.upstreams.messages import Job

log = structlog.get_logger()

_FLUSH_PAUSE = timedelta(seconds=2)


class ProbeSettlement:
    """Stores how probes end."""

    def __init__(
        self,
        board: Board,
        storage: Storage,
        journal: Journal,
        verifier: DeliveryVerifier,
        clock: Clock,
    ) -> None:
        self._board = board
        self._storage = storage
        self._journal = journal
        self._verifier = verifier
        self._clock = clock

    async def settle(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service | None,
        outcome: AttemptResult,
    ) -> Evidence | None:
        """Record the end of a probe.

        Args:
            tracked: The probe.
            attempt: Its attempt.
            service: Its service; None if it has left the configuration.
            outcome: How the engine's work on it ended.

        Returns:
            The evidence; None if another process has the probe.
        """
        if outcome.ending is Ending.OVER and not attempt.is_open:
            outcome = replace(outcome, ending=Ending.REFUSED)  # it ended without its video
        elif outcome.ending is Ending.OVER:
            return None
        changes: tuple[AttemptChange, ...] = ()
        failure, latency = outcome.failure, None
        if outcome.job is not None and service is not None:
            changes, failure, latency = await self._inspect(attempt, service, outcome)
        elif attempt.is_open:
            failure = failure or UNRESOLVED_DOUBT
            now = self._clock.now()
            changes = (AttemptChange(attempt.id, AttemptEvent.CLOSE, now, failure=failure),)
        await self._journal.refresh(tracked)
        if tracked.is_over:
            return None
        evidence = await self._report(attempt, failure, latency)
        await self._end(tracked, changes, failure, evidence.at)
        return evidence

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job) -> None:
        """Record the cost of a free probe that started a job."""
        cost = Decimal(0) if costs_nothing(service) else probe_cost(service)
        await self._storage.ledger.charge(
            service.id, Purpose.UNEXPECTED_CHARGE, cost, at=self._clock.now(), note=depth.value
        )
        log.warning(
            "probe.billed", service=service.id, depth=depth, job=job.id, cost_usd=cost and str(cost)
        )

    async def report_accepted(self, attempt: Attempt) -> None:
        """Report that a service accepted a job."""
        evidence = Evidence(attempt.service, self._clock.now(), Source.ACCEPTANCE)
        await self._report_if_on_board(evidence, attempt)

    async def report_refused(self, attempt: Attempt, failure: Failure) -> None:
        """Do nothing: the end of the probe is its evidence."""

    async def report_in_doubt(self, attempt: Attempt, failure: Failure) -> None:
        """Do nothing: the end of the probe is its evidence."""

    async def _inspect(
        self, attempt: Attempt, service: Service, outcome: AttemptResult
    ) -> tuple[tuple[AttemptChange, ...], Failure | None, timedelta | None]:
        """Return what to record of a job that has ended; its video is downloaded and inspected."""
        job, now = outcome.job, self._clock.now()
        if job is None:
            raise ValueError("the job was never read")
        if job.failure is not None:
            # The upstream itself reports the failure; a job that we gave up may still be billed.
            is_free = service.upstream.bills is BillingBasis.DELIVERIES and job.cost is None
            event = AttemptEvent.FAILED_FREE if is_free else AttemptEvent.FAILED_BILLED
            return (change_of_job(event, attempt, service, job, now),), job.failure, None
        arrival = await self._verifier.verify(service, attempt.order, job)
        if arrival.failure is not None:
            billed = change_of_job(AttemptEvent.FAILED_BILLED, attempt, service, job, now)
            return (replace(billed, failure=arrival.failure),), arrival.failure, None
        done = change_of_job(AttemptEvent.DONE, attempt, service, job, now)
        fetched = AttemptChange(attempt.id, AttemptEvent.FETCHED, arrival.arrived_at)
        latency = arrival.arrived_at - attempt.intended_at if outcome.is_timed else None
        return (done, fetched), None, latency

    async def _report(
        self, attempt: Attempt, failure: Failure | None, latency: timedelta | None
    ) -> Evidence:
        evidence = Evidence(
            service=attempt.service,
            at=self._clock.now(),
            source=Source.GENERATION,
            failure=failure,
            latency=latency,
        )
        await self._report_if_on_board(evidence, attempt)
        await self._flush()
        log.info(
            "probe.ended",
            service=attempt.service,
            failure=None if failure is None else failure.kind,
            rule=None if failure is None else failure.rule,
            seconds=None if latency is None else round(latency.total_seconds(), 1),
        )
        return evidence

    async def _flush(self) -> None:
        while True:
            try:
                await self._storage.flush()
            except StorageError as error:
                log.warning("probe.store_failed", error=str(error))
                await self._clock.sleep(_FLUSH_PAUSE)
            else:
                return

    async def _report_if_on_board(self, evidence: Evidence, attempt: Attempt) -> None:
        if evidence.service in self._board:  # otherwise it was removed from the configuration
            await self._board.report(evidence, attempt.intended_at)

    async def _end(
        self,
        tracked: TrackedVideo,
        changes: tuple[AttemptChange, ...],
        failure: Failure | None,
        at: datetime,
    ) -> None:
        while not tracked.is_over:
            if await self._journal.decide(tracked, _ended(tracked.video, failure, at), *changes):
                return


def _ended(video: Video, failure: Failure | None, at: datetime) -> Video:
    if failure is None:
        return replace(video, status=VideoStatus.COMPLETED, progress=100, ended_at=at)
    error = VideoError(failure.rule, failure.text)
    return replace(video, status=VideoStatus.FAILED, error=error, ended_at=at)
