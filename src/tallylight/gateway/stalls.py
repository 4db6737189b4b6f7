"""Decides about jobs that take too long, and looks after those that were given up.

A stalled job is given up for another service only where that cannot cost twice: the upstream
confirmed its cancellation, or the upstream bills only deliveries, and then a late delivery replaces
the other attempt. Otherwise only the operator's `when_in_doubt` allows it. A cancellation is
recorded before it is sent: a process that has lost the video cancels nothing.
"""

from datetime import timedelta

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.doubt import DoubtPolicy
from tallylight.gateway.errors import SUPERSEDED
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.jobs.engine import Patience
from tallylight.jobs.outcome import AttemptResult, stalled_failure
from tallylight.jobs.parts import JobParts
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure
from tallylight.upstreams.poll_state import MAX_POLL_INTERVAL, MIN_POLL_INTERVAL
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Done, Failed
from tallylight.verdicts.overdue import overdue_after

log = structlog.get_logger()

_GIVEN_UP_POLL_INTERVAL = timedelta(seconds=15)
_MIN_STALL_TIMEOUT = timedelta(minutes=1)


class StalledJobs:
    """Gives stalled jobs up, cancels them, and polls those that may still deliver."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        board: Board,
        jobs: JobParts,
        finisher: VideoFinisher,
        selector: ServiceSelector,
        reporter: OutcomeReporter,
        doubt: DoubtPolicy,
        clock: Clock,
    ) -> None:
        self._board = board
        self._jobs = jobs
        self._finisher = finisher
        self._selector = selector
        self._reporter = reporter
        self._doubt = doubt
        self._clock = clock

    def service_of(self, attempt: Attempt) -> Service | None:
        """Return the service of an attempt; None if it is not configured here."""
        return self._board.find_service(attempt.service)

    def patience(self, tracked: TrackedVideo, route: Route, service: Service) -> Patience:
        """Return how long the engine works on the current attempt before it asks what to do."""
        current = tracked.current
        is_kept = current is not None and current.id in tracked.kept
        return Patience(
            stall_after=None if is_kept else self._stall_timeout(route, service),
            search_for=self._doubt.search_for(tracked, route),
            first_poll_after=self._first_poll_delay(service),
            overdue_after=self._overdue_after(service),
        )

    async def handle(
        self, tracked: TrackedVideo, route: Route, attempt: Attempt, service: Service
    ) -> None:
        """Give a stalled job up if another service is available and it cannot cost twice."""
        failure = stalled_failure(self._jobs.engine.waited(attempt))
        self._reporter.report_failed(attempt, failure)
        if not await self._gives_up(tracked, route, attempt, service, failure):
            log.info("attempt.stalled", service=service.id, attempt=attempt.id)
            tracked.kept.add(attempt.id)

    async def _gives_up(
        self,
        tracked: TrackedVideo,
        route: Route,
        attempt: Attempt,
        service: Service,
        failure: Failure,
    ) -> bool:
        if not (await self._selector.rank(tracked, route)).choices:
            return False
        if await self._is_cancelled(tracked, attempt, service, failure):
            log.info("attempt.cancelled", service=service.id, attempt=attempt.id)
            return True
        if tracked.is_over or not self._doubt.may_give_up(route, service):
            return False
        change = AttemptChange(attempt.id, AttemptEvent.GIVE_UP, self._clock.now())
        await self._jobs.journal.decide(tracked, tracked.video, change)
        # A job that its upstream denies is in doubt, which giving it up does not change.
        is_given_up = tracked.attempt(attempt.id).state is AttemptState.GIVEN_UP
        if is_given_up:
            log.info("attempt.given_up", service=service.id, attempt=attempt.id)
        return is_given_up

    async def poll_given_up(self, tracked: TrackedVideo) -> None:
        """Poll each given-up job once, if it is due; a delivery ends the video."""
        now = self._clock.monotonic()
        for attempt in tracked.given_up_attempts:
            since = tracked.polled_at.get(attempt.id, float("-inf"))
            if now - since < _GIVEN_UP_POLL_INTERVAL.total_seconds():
                continue
            tracked.polled_at[attempt.id] = now
            await self._poll_once(tracked, attempt)
            if tracked.is_over:
                return

    async def poll_given_up_later(self, tracked: TrackedVideo) -> None:
        """Wait, then poll the given-up jobs once."""
        left = max(tracked.video.deadline - self._clock.now(), timedelta())
        await self._clock.sleep(min(_GIVEN_UP_POLL_INTERVAL, left))
        await self.poll_given_up(tracked)

    def report_failed(self, attempt: Attempt, failure: Failure) -> None:
        """Report that an accepted job delivered no video."""
        self._reporter.report_failed(attempt, failure)

    def report_expired(self, attempt: Attempt, outcome: AttemptResult) -> None:
        """Report that a job had not ended at its video's deadline."""
        failure = outcome.failure or stalled_failure(self._jobs.engine.waited(attempt))
        self._reporter.report_failed(attempt, failure)

    async def _poll_once(self, tracked: TrackedVideo, attempt: Attempt) -> None:
        service = self.service_of(attempt)
        if service is None or attempt.job is None or adapter_for(service.upstream).poll is None:
            return
        step = await self._jobs.engine.read(attempt, service)
        if not isinstance(step, Done | Failed):
            return
        if isinstance(step, Done):
            await self._cancel_replacement(tracked)
        await self._finisher.finish(tracked, attempt, service, step)

    async def _cancel_replacement(self, tracked: TrackedVideo) -> None:
        """Cancel the replacement of a job that delivered late, where the protocol allows it."""
        other = tracked.current
        if other is None or other.state is not AttemptState.ACCEPTED:
            return
        service = self.service_of(other)
        if service is not None:
            await self._is_cancelled(tracked, other, service, SUPERSEDED)

    async def _is_cancelled(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, failure: Failure
    ) -> bool:
        """Record a cancellation and send it; tell whether the job is cancelled."""
        if attempt.job is None or adapter_for(service.upstream).cancel is None:
            return False
        change = AttemptChange(attempt.id, AttemptEvent.CANCEL, self._clock.now())
        if not await self._jobs.journal.decide(tracked, tracked.video, change):
            return False
        return await self._jobs.engine.cancel(tracked, attempt, service, failure)

    def _first_poll_delay(self, service: Service) -> timedelta:
        """Return the delay before the first poll: a fifth of the usual duration, within limits."""
        usual = self._selector.expected_duration(service.id)
        if usual is None:
            return MIN_POLL_INTERVAL
        return min(max(usual / 5, MIN_POLL_INTERVAL), MAX_POLL_INTERVAL)

    def _overdue_after(self, service: Service) -> timedelta | None:
        state, policy = self._board.state(service.id)
        return overdue_after(state.job_history, policy, service.upstream.job_timeout)

    def _stall_timeout(self, route: Route, service: Service) -> timedelta:
        usual = self._selector.p95_duration(service.id)
        limit = service.upstream.job_timeout
        if usual is None:
            return limit
        return min(limit, max(usual * route.stall_factor, _MIN_STALL_TIMEOUT))
