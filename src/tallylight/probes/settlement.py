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
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError, TallylightError
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job, failed_change
from tallylight.jobs.outcome import INTERRUPTED, UNRESOLVED_DOUBT, AttemptResult, Ending
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange, closing_changes
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Depth, Evidence, Failure, Source
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import Purpose
from tallylight.model.video import Video, VideoError, VideoStatus
from tallylight.probes.verify import DeliveryVerifier
from tallylight.storage.database import Storage
from tallylight.upstreams.steps import Failed
from tallylight.verdicts.overdue import overdue_failure

log = structlog.get_logger()

_FLUSH_PAUSE = timedelta(seconds=2)

_UNRESOLVED = replace(
    UNRESOLVED_DOUBT, text="it is unknown whether the service accepted the job and will bill it"
)


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

    async def settle(self, tracked: TrackedVideo, service: Service, outcome: AttemptResult) -> None:
        """Record the end of a probe and its evidence; nothing if another process has the probe.

        Args:
            tracked: The probe.
            service: Its service.
            outcome: How the engine's work on its attempt ended.
        """
        step = outcome.step
        if step is None:
            await self.close(tracked, outcome)
            return
        attempt = tracked.attempts[0]
        if isinstance(step, Failed):
            change = failed_change(attempt, service, step, self._clock.now())
            await self._conclude(tracked, (change,), change.failure, self._age(attempt))
            return
        arrival = await self._verifier.verify(service, attempt, step)
        if arrival.failure is not None:
            event = AttemptEvent.FAILED_BILLED
            change = change_of_job(event, attempt, service, step, arrival.arrived_at)
            change = replace(change, failure=arrival.failure)
            await self._conclude(tracked, (change,), change.failure, self._age(attempt))
            return
        done = change_of_job(AttemptEvent.DONE, attempt, service, step, self._clock.now())
        fetched = AttemptChange(attempt.id, AttemptEvent.FETCHED, arrival.arrived_at)
        latency = arrival.arrived_at - attempt.intended_at if outcome.is_timed else None
        await self._conclude(tracked, (done, fetched), None, latency)

    async def close(self, tracked: TrackedVideo, outcome: AttemptResult) -> None:
        """Record the end of a probe whose job was not seen to end; an open attempt counts as paid.

        Args:
            tracked: The probe.
            outcome: How the engine's work on its attempt ended.
        """
        attempt = tracked.attempts[0]
        if not attempt.is_open:
            await self._conclude(tracked, (), outcome.failure or attempt.failure)
            return
        failure = _failure_of(tracked, attempt, outcome)
        changes = closing_changes(attempt, self._clock.now(), failure)
        await self._conclude(tracked, changes, failure, self._age(attempt))

    async def withhold(self, tracked: TrackedVideo, error: TallylightError) -> None:
        """End a probe that was not sent; that is no evidence about the service."""
        log.info("probe.withheld", service=tracked.video.model, reason=str(error))
        await self._end(tracked, VideoError("not_sent", str(error)), self._clock.now())

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: JobRef) -> None:
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

    async def report_overdue(self, attempt: Attempt) -> None:
        """Report that a job still runs, long after it should have ended."""
        now, age = self._clock.now(), self._age(attempt)
        evidence = Evidence(attempt.service, now, Source.GENERATION, overdue_failure(age), age)
        await self._report_if_on_board(evidence, attempt)

    async def report_in_doubt(self, attempt: Attempt, failure: Failure) -> None:
        """Do nothing: the end of the probe is its evidence."""

    async def _conclude(
        self,
        tracked: TrackedVideo,
        changes: tuple[AttemptChange, ...],
        failure: Failure | None,
        latency: timedelta | None = None,
    ) -> None:
        """Report and record the end of a probe, unless another process has it."""
        await self._journal.refresh(tracked)
        if tracked.is_over:
            return
        attempt, now = tracked.attempts[0], self._clock.now()
        evidence = Evidence(attempt.service, now, Source.GENERATION, failure, latency=latency)
        await self._report_if_on_board(evidence, attempt)
        await self._flush()
        log.info(
            "probe.ended",
            service=attempt.service,
            failure=None if failure is None else failure.kind,
            rule=None if failure is None else failure.rule,
            seconds=None if latency is None else round(latency.total_seconds(), 1),
        )
        error = None if failure is None else VideoError(failure.rule, failure.text)
        await self._end(tracked, error, now, changes)

    def _age(self, attempt: Attempt) -> timedelta:
        return self._clock.now() - attempt.intended_at

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
        error: VideoError | None,
        at: datetime,
        changes: tuple[AttemptChange, ...] = (),
    ) -> None:
        while not tracked.is_over:
            if await self._journal.decide(tracked, _ended(tracked.video, error, at), *changes):
                return


def evidence_of(attempt: Attempt) -> Evidence:
    """Return the evidence of a probe that has ended; how long it took is not stored with it."""
    at = attempt.ended_at or attempt.intended_at
    return Evidence(attempt.service, at, Source.GENERATION, attempt.failure)


def _failure_of(tracked: TrackedVideo, attempt: Attempt, outcome: AttemptResult) -> Failure:
    """Return why an attempt ended without an answer: our fault if we interrupted it."""
    is_ours = attempt.id not in tracked.intended_at and attempt.doubt_rule in {
        "",
        INTERRUPTED.rule,
    }
    if outcome.ending is Ending.UNRESOLVED and is_ours:
        return INTERRUPTED
    failure = outcome.failure or _UNRESOLVED
    if failure.rule == UNRESOLVED_DOUBT.rule:
        return replace(_UNRESOLVED, text=attempt.doubt_reason or _UNRESOLVED.text)
    return failure


def _ended(video: Video, error: VideoError | None, at: datetime) -> Video:
    if error is None:
        return replace(video, status=VideoStatus.COMPLETED, progress=100, ended_at=at)
    return replace(video, status=VideoStatus.FAILED, error=error, ended_at=at)
