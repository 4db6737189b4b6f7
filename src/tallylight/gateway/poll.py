"""Polls an accepted job to its end, and decides what to do if it stalls.

A stalled job is given up for another service only where that cannot cost twice: the upstream
confirmed its cancellation, or the upstream bills only deliveries, and then a late delivery replaces
the other attempt. Otherwise only the operator's `pay_twice` allows it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.gateway.errors import SUPERSEDED, stalled_failure
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.routing.routes import WhenInDoubt
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.gateway.store import VideoStore
from tallylight.gateway.submit import PROGRESS_WRITE_INTERVAL
from tallylight.gateway.tracked_video import TrackedVideo, with_progress
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.video import VideoStatus
from tallylight.upstreams.messages import Job, JobState, Reply
from tallylight.upstreams.poll_state import (
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
    PollState,
    as_upstream_fault,
    next_poll_delay,
)
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_GIVEN_UP_POLL_INTERVAL = timedelta(seconds=15)
_MIN_STALL_TIMEOUT = timedelta(minutes=1)


@dataclass(slots=True)
class _JobPolling:
    """The state of polling one job.

    Args:
        began: When the job was accepted.
        poll_state: Results of the polls so far.
        written_at: When its progress was last recorded.
        checked_at: When given-up jobs were last polled.
        is_kept: It has stalled but cannot be given up.
    """

    began: datetime
    poll_state: PollState
    written_at: datetime
    checked_at: datetime
    is_kept: bool = False


class AttemptPoller:
    """Polls accepted jobs."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        board: Board,
        transport: Transport,
        store: VideoStore,
        finisher: VideoFinisher,
        selector: ServiceSelector,
        reporter: OutcomeReporter,
        clock: Clock,
    ) -> None:
        self._board = board
        self._transport = transport
        self._store = store
        self._finisher = finisher
        self._selector = selector
        self._reporter = reporter
        self._clock = clock

    async def poll_until_ended(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, job: Job | None
    ) -> None:
        """Poll until the attempt ends or is given up, or another one delivers the video."""
        now = self._clock.now()
        if job is not None and job.state.is_terminal:
            await self._finisher.finish(tracked, attempt, service, job)
            return
        polling = _JobPolling(attempt.accepted_at or attempt.intended_at, PollState(now), now, now)
        pause = (
            timedelta()
            if job is None
            else tracked.first_poll_after or self._first_poll_delay(service)
        )
        while True:
            await self._clock.sleep(pause)
            service = self._board.current_service(service)  # a reload may have changed its key
            answer, reply = await self._poll(service, attempt.job)
            now = self._clock.now()
            if isinstance(answer, Failure):
                # A failed poll says nothing about the job, which is paid for: continue.
                polling.poll_state.record_failure(answer, reply, now)
                if polling.poll_state.is_lost(now):
                    self._record_lost(
                        tracked, attempt, replace(as_upstream_fault(answer), rule="job:lost")
                    )
                    return
            elif answer.state.is_terminal:
                await self._finisher.finish(tracked, attempt, service, answer)
                return
            else:
                await self._record_progress(tracked, attempt, polling, answer, now)
            attempt = next(each for each in tracked.attempts if each.id == attempt.id)
            if await self._is_over(tracked, attempt, service, polling, now):
                return
            left = tracked.video.deadline - now
            waited = now - polling.began
            pause = min(next_poll_delay(reply, polling.poll_state.last_failure, waited), left)

    async def poll_given_up(self, tracked: TrackedVideo) -> bool:
        """Poll each given-up job once; tell whether one has delivered the video."""
        for attempt in tracked.given_up_attempts:
            if attempt.service not in self._board:
                continue
            service = self._board.service(attempt.service)
            if adapter_for(service.upstream).streams or not attempt.job:
                continue
            job, _ = await self._poll(service, attempt.job)
            if isinstance(job, Job) and job.state.is_terminal:
                if job.failure is None:
                    await self._cancel_replacement(tracked)
                await self._finisher.finish(tracked, attempt, service, job)
            if tracked.video.is_terminal:
                return True
        return False

    async def _cancel_replacement(self, tracked: TrackedVideo) -> None:
        """Cancel the replacement of a job that delivered late, where the protocol allows it."""
        other = tracked.current
        if other is None or other.state is not AttemptState.ACCEPTED:
            return
        if other.service in self._board:
            service = self._board.service(other.service)
            if await self._is_cancelled(service, other):
                self._store.mark_failed_unbilled(tracked, other, SUPERSEDED)

    async def _poll(self, service: Service, job_id: str) -> tuple[Job | Failure, Reply]:
        adapter = adapter_for(service.upstream)
        reply = await self._transport.send(adapter.poll(job_id), service.upstream)
        return adapter.read_job(reply), reply

    def _record_lost(self, tracked: TrackedVideo, attempt: Attempt, lost: Failure) -> None:
        tracked.refusals.append((attempt.service, lost))
        self._reporter.report_failed(attempt, lost)
        self._store.mark_failed(tracked, attempt, lost)

    async def _record_progress(
        self, tracked: TrackedVideo, attempt: Attempt, polling: _JobPolling, job: Job, now: datetime
    ) -> None:
        """Record the progress of an active job."""
        polling.poll_state.record_progress(now)
        is_working = job.state is JobState.IN_PROGRESS
        status = VideoStatus.IN_PROGRESS if is_working else VideoStatus.QUEUED
        video = with_progress(tracked.video, status, job.progress)
        begins = is_working and attempt.started_at is None
        if begins:
            video = replace(video, started_at=video.started_at or now)
            await self._store.record(
                tracked, video=video, attempts=(replace(attempt, started_at=now),)
            )
            polling.written_at = now
        elif video != tracked.video and now - polling.written_at >= PROGRESS_WRITE_INTERVAL:
            await self._store.record(tracked, video=video)
            polling.written_at = now

    async def _is_over(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        polling: _JobPolling,
        now: datetime,
    ) -> bool:
        """Tell whether polling ends: deadline, given up, or delivered by another attempt."""
        if tracked.given_up_attempts and now - polling.checked_at >= _GIVEN_UP_POLL_INTERVAL:
            polling.checked_at = now
            if await self.poll_given_up(tracked):
                return True
        waited = now - polling.began
        if now >= tracked.video.deadline:
            failure = (
                as_upstream_fault(polling.poll_state.last_failure)
                if polling.poll_state.last_failure
                else stalled_failure(waited)
            )
            self._reporter.report_failed(attempt, failure)
            self._store.mark_failed(tracked, attempt, failure)
            return True
        if polling.is_kept or waited < self._stall_timeout(tracked, service):
            return False
        given_up = await self._give_up(tracked, attempt, service, waited)
        polling.is_kept = not given_up
        return given_up

    def _first_poll_delay(self, service: Service) -> timedelta:
        """Return the delay before the first poll: a fifth of the usual duration, within limits."""
        usual = self._selector.expected_duration(service.id)
        if usual is None:
            return MIN_POLL_INTERVAL
        return min(max(usual / 5, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)

    def _stall_timeout(self, tracked: TrackedVideo, service: Service) -> timedelta:
        usual = self._selector.p95_duration(service.id)
        limit = service.upstream.job_timeout
        if usual is None:
            return limit
        return min(limit, max(usual * tracked.route.stall_factor, _MIN_STALL_TIMEOUT))

    async def _give_up(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, waited: timedelta
    ) -> bool:
        """Give a stalled job up if another service is available and it cannot cost twice."""
        failure = stalled_failure(waited)
        self._reporter.report_failed(attempt, failure)
        if not await self._selector.has_alternative(tracked):
            return False
        if await self._is_cancelled(service, attempt):
            log.info("attempt.cancelled", service=service.id, attempt=attempt.id)
            tracked.refusals.append((service.id, failure))
            self._store.mark_failed_unbilled(tracked, attempt, failure)
            return True
        may_pay = tracked.route.when_in_doubt is WhenInDoubt.PAY_TWICE
        if not may_pay and service.upstream.bills is not BillingBasis.DELIVERIES:
            log.info("attempt.stalled", service=service.id, attempt=attempt.id)
            return False
        log.info("attempt.given_up", service=service.id, attempt=attempt.id)
        tracked.refusals.append((service.id, failure))
        left = replace(attempt, given_up_at=self._clock.now())
        await self._store.record(tracked, attempts=(left,))
        return True

    async def _is_cancelled(self, service: Service, attempt: Attempt) -> bool:
        adapter = adapter_for(service.upstream)
        request = adapter.cancel(attempt.job)
        if request is None:
            return False
        return adapter.read_cancel(await self._transport.send(request, service.upstream))
