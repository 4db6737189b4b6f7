"""Follows an accepted job to its end, and decides what to do about one that stalls.

A stalled job is given up for another service only where that cannot pay twice: it was cancelled,
which the upstream has proven, or its upstream bills deliveries alone, and then a late delivery is
taken in place of the other one. Else only the operator's `pay_twice` allows it.
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

_LATE_LOOKS = timedelta(seconds=15)
_SHORTEST_STALL = timedelta(minutes=1)


@dataclass(slots=True)
class _Trip:
    """One process's way along one job.

    Args:
        began: When the job was accepted.
        course: How the polls have gone.
        kept_at: When its progress was last written down.
        looked_at: When jobs that were given up were last asked for.
        is_kept_on: It has stalled, and cannot be given up.
    """

    began: datetime
    course: PollState
    kept_at: datetime
    looked_at: datetime
    is_kept_on: bool = False


class AttemptPoller:
    """Polls jobs."""

    def __init__(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
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
        """Return when an attempt has ended or is given up, or the video is there."""
        now = self._clock.now()
        if job is not None and job.state.is_terminal:
            await self._finisher.finish(tracked, attempt, service, job)
            return
        trip = _Trip(attempt.accepted_at or attempt.intended_at, PollState(now), now, now)
        pause = (
            timedelta() if job is None else tracked.first_poll_after or self._first_look(service)
        )
        while True:
            await self._clock.sleep(pause)
            service = self._board.current_service(service)  # its key may be another by now
            answer, reply = await self._ask(service, attempt.job)
            now = self._clock.now()
            if isinstance(answer, Failure):
                # It says nothing of the job, which is paid for: ask on.
                trip.course.record_failure(answer, reply, now)
                if trip.course.is_lost(now):
                    self._lose(
                        tracked, attempt, replace(as_upstream_fault(answer), rule="job:lost")
                    )
                    return
            elif answer.state.is_terminal:
                await self._finisher.finish(tracked, attempt, service, answer)
                return
            else:
                await self._see(tracked, attempt, trip, answer, now)
            attempt = next(each for each in tracked.attempts if each.id == attempt.id)
            if await self._is_over(tracked, attempt, service, trip, now):
                return
            left = tracked.video.deadline - now
            waited = now - trip.began
            pause = min(next_poll_delay(reply, trip.course.last_failure, waited), left)

    async def poll_given_up(self, tracked: TrackedVideo) -> bool:
        """Look once at the jobs that were given up; tell whether one has delivered the video."""
        for attempt in tracked.given_up_attempts:
            if attempt.service not in self._board:
                continue
            service = self._board.service(attempt.service)
            if adapter_for(service.upstream).streams or not attempt.job:
                continue
            job, _ = await self._ask(service, attempt.job)
            if isinstance(job, Job) and job.state.is_terminal:
                if job.failure is None:
                    await self._stop_other(tracked)
                await self._finisher.finish(tracked, attempt, service, job)
            if tracked.video.is_terminal:
                return True
        return False

    async def _stop_other(self, tracked: TrackedVideo) -> None:
        """Stop the job that was to replace one that delivers after all, where that can be done."""
        other = tracked.current
        if other is None or other.state is not AttemptState.ACCEPTED:
            return
        if other.service in self._board:
            service = self._board.service(other.service)
            if await self._is_cancelled(service, other):
                self._store.mark_failed_unbilled(tracked, other, SUPERSEDED)

    async def _ask(self, service: Service, job_id: str) -> tuple[Job | Failure, Reply]:
        adapter = adapter_for(service.upstream)
        reply = await self._transport.send(adapter.poll(job_id), service.upstream)
        return adapter.read_job(reply), reply

    def _lose(self, tracked: TrackedVideo, attempt: Attempt, lost: Failure) -> None:
        tracked.refusals.append((attempt.service, lost))
        self._reporter.report_failed(attempt.service, lost)
        self._store.mark_failed(tracked, attempt, lost)

    async def _see(
        self, tracked: TrackedVideo, attempt: Attempt, trip: _Trip, job: Job, now: datetime
    ) -> None:
        """Take in how a job stands that is under way."""
        trip.course.record_progress(now)
        is_working = job.state is JobState.IN_PROGRESS
        status = VideoStatus.IN_PROGRESS if is_working else VideoStatus.QUEUED
        video = with_progress(tracked.video, status, job.progress)
        begins = is_working and attempt.started_at is None
        if begins:
            video = replace(video, started_at=video.started_at or now)
            await self._store.record(
                tracked, video=video, attempts=(replace(attempt, started_at=now),)
            )
            trip.kept_at = now
        elif video != tracked.video and now - trip.kept_at >= PROGRESS_WRITE_INTERVAL:
            await self._store.record(tracked, video=video)
            trip.kept_at = now

    async def _is_over(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, trip: _Trip, now: datetime
    ) -> bool:
        """Tell whether nothing more is to be hoped of this attempt, or the video is there."""
        if tracked.given_up_attempts and now - trip.looked_at >= _LATE_LOOKS:
            trip.looked_at = now
            if await self.poll_given_up(tracked):
                return True
        waited = now - trip.began
        if now >= tracked.video.deadline:
            failure = (
                as_upstream_fault(trip.course.last_failure)
                if trip.course.last_failure
                else stalled_failure(waited)
            )
            self._reporter.report_failed(attempt.service, failure)
            self._store.mark_failed(tracked, attempt, failure)
            return True
        if trip.is_kept_on or waited < self._patience(tracked, service):
            return False
        given_up = await self._give_up(tracked, attempt, service, waited)
        trip.is_kept_on = not given_up
        return given_up

    def _first_look(self, service: Service) -> timedelta:
        """Return when a job is first asked for: not long before it could be done."""
        usual = self._selector.expected_duration(service.id)
        if usual is None:
            return MIN_POLL_INTERVAL
        return min(max(usual / 5, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)

    def _patience(self, tracked: TrackedVideo, service: Service) -> timedelta:
        usual = self._selector.p95_duration(service.id)
        limit = service.upstream.job_timeout
        if usual is None:
            return limit
        return min(limit, max(usual * tracked.route.stall_factor, _SHORTEST_STALL))

    async def _give_up(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, waited: timedelta
    ) -> bool:
        """Give a stalled job up, if there is another service and it cannot pay twice."""
        failure = stalled_failure(waited)
        self._reporter.report_failed(attempt.service, failure)
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
