"""Drives a caller's video to its end, through as many services as it needs.

`follow` can resume: a process that takes a video over calls it as the process before did, and no
attempt that may have been paid for is sent again.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.gateway.doubt import DoubtPolicy
from tallylight.gateway.errors import (
    DEADLINE_EXCEEDED,
    SERVICE_REMOVED,
    TRANSIENT_KINDS,
    is_callers_fault,
    outcome_unknown,
    services_exhausted,
    video_error,
)
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.further import FurtherAttempts
from tallylight.gateway.requests import ApiError
from tallylight.gateway.routing.ranking import ExclusionReason, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.stalls import StalledJobs
from tallylight.jobs.outcome import UNRESOLVED_DOUBT, AttemptResult, Ending
from tallylight.jobs.parts import JobParts
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, closing_changes
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import ServiceId
from tallylight.model.order import Order
from tallylight.model.video import Video, VideoError
from tallylight.upstreams.steps import Known

log = structlog.get_logger()

_FIRST_ROUND_PAUSE, _MAX_DOUBLINGS = timedelta(seconds=5), 4
"""Pause before the next round after all services refused; it doubles up to four times."""


class Failover:
    """Decides about callers' videos: which service is next, what to do in doubt, when to end."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        jobs: JobParts,
        finisher: VideoFinisher,
        further: FurtherAttempts,
        stalls: StalledJobs,
        doubt: DoubtPolicy,
        route_of: Callable[[Video], Route],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._finisher = finisher
        self._further = further
        self._stalls = stalls
        self._doubt = doubt
        self._route_of = route_of
        self._clock = clock

    async def begin(self, tracked: TrackedVideo, service: Service, order: Order) -> None:
        """Send the first attempt, which was recorded with the video, and follow the video."""
        is_abandoned = self._is_abandoned(tracked)
        job = await self._jobs.engine.submit(tracked, tracked.attempts[-1], service, order)
        tracked.is_sending = False
        del order  # frees the bytes of its reference while the job runs
        while is_abandoned and not tracked.is_over:
            await self._finisher.fail_video(tracked, services_exhausted(tracked.refusals))
        await self.follow(tracked, job)

    def _is_abandoned(self, tracked: TrackedVideo) -> bool:
        """Tell whether recording the video took so long that its caller may have asked elsewhere.

        A client whose connection was cut repeats its create at another process, which cannot see
        without an idempotency key that it is the same. The attempt is too late to be sent anyway.
        """
        took = self._clock.boottime() - tracked.followed_since
        within = tracked.attempts[0].send_within.total_seconds()
        return not tracked.video.idempotency_key and took >= within

    async def follow(self, tracked: TrackedVideo, step: Known | None = None) -> None:
        """Follow a video to its end; return early if this process has to release it.

        Args:
            tracked: The video.
            step: Last known state of the current attempt's job, if any.
        """
        while not tracked.is_over:
            route, attempt = self._route_of(tracked.video), tracked.current
            if attempt is not None:
                await self._continue(tracked, route, attempt, step)
                step = None
            elif not await self._end_if_over(tracked, route):
                step = await self._next_attempt(tracked, route)

    async def _continue(
        self, tracked: TrackedVideo, route: Route, attempt: Attempt, step: Known | None
    ) -> None:
        service = self._stalls.service_of(attempt)
        if service is None:
            await self._leave(tracked, attempt)
            return
        patience = self._stalls.patience(tracked, route, service)
        outcome = await self._jobs.engine.run(
            tracked, attempt, service, patience, step, self._stalls.poll_given_up
        )
        attempt = tracked.attempt(attempt.id)
        match outcome.ending:
            case Ending.DONE | Ending.FAILED if outcome.step is not None:
                await self._finisher.finish(tracked, attempt, service, outcome.step)
            case Ending.STALLED:
                await self._stalls.handle(tracked, route, attempt, service)
            case Ending.UNRESOLVED:
                await self._unresolved(tracked, route, attempt, outcome)
            case Ending.EXPIRED:
                self._stalls.report_expired(attempt, outcome)
                changes = closing_changes(attempt, self._clock.now(), outcome.failure)
                await self._finisher.fail_video(tracked, DEADLINE_EXCEEDED, *changes)
            case _:
                pass  # the next iteration of `follow` acts on the state of the attempt

    async def _leave(self, tracked: TrackedVideo, attempt: Attempt) -> None:
        """Leave a video whose service is not configured here; end it at its deadline."""
        now = self._clock.now()
        if now < tracked.video.deadline:
            log.warning("video.handed_over", video=tracked.video.id, service=attempt.service)
            await self._jobs.journal.hand_over(tracked)
            return
        error = outcome_unknown(attempt.service, SERVICE_REMOVED)
        changes = closing_changes(attempt, now, SERVICE_REMOVED)
        await self._finisher.fail_video(tracked, error, *changes)

    async def _unresolved(
        self, tracked: TrackedVideo, route: Route, attempt: Attempt, outcome: AttemptResult
    ) -> None:
        """Close an attempt of which nothing can be known, and send on only if that is allowed."""
        failure = outcome.failure or UNRESOLVED_DOUBT
        self._stalls.report_failed(attempt, failure)
        now = self._clock.now()
        changes = closing_changes(attempt, now, failure)
        if self._doubt.may_send_on(route) and now < tracked.video.deadline:
            await self._jobs.journal.decide(tracked, tracked.video, *changes)
        else:
            error = outcome_unknown(attempt.service, failure)
            await self._finisher.fail_video(tracked, error, *changes)

    async def _end_if_over(self, tracked: TrackedVideo, route: Route) -> bool:
        """Fail a video at its deadline or for a caller's fault; tell whether it has ended."""
        newest = tracked.refusals[-1] if tracked.refusals else None
        travels = route.content_travels
        is_alone = not tracked.record.open_attempts  # an open one is paid for and may still deliver
        if is_alone and newest is not None and is_callers_fault(newest[1], content_travels=travels):
            await self._finisher.fail_video(tracked, video_error(newest[1], newest[0]))
        elif self._clock.now() >= tracked.video.deadline:
            await self._finisher.fail_video(tracked, DEADLINE_EXCEEDED)
        return tracked.is_over

    async def _next_attempt(self, tracked: TrackedVideo, route: Route) -> Known | None:
        """Send to the next service, wait, or end the video; return the new job, if any."""
        if tracked.video.is_barred:
            await self._further.wait_for_adoption(tracked)
            return None
        ranking = await self._further.rank(tracked, route)
        allowed = await self._doubt.first_allowed(tracked, route, ranking.choices)
        if allowed is None or tracked.record.paid_attempts >= route.attempts:
            await self._wait_or_end(tracked, route, ranking, may_go_on=not ranking.choices)
            return None
        try:
            return await self._further.send(tracked, allowed)
        except ApiError as error:  # an input was deleted meanwhile
            await self._give_up(tracked, VideoError(error.code, error.message))
        except BudgetError as error:
            await self._give_up(tracked, VideoError("insufficient_quota", str(error)))
        return None

    async def _give_up(self, tracked: TrackedVideo, error: VideoError) -> None:
        """Fail a video, unless a given-up job may still deliver it."""
        if tracked.given_up_attempts:
            await self._stalls.poll_given_up_later(tracked)
        else:
            await self._finisher.fail_video(tracked, error)

    async def _wait_or_end(
        self, tracked: TrackedVideo, route: Route, ranking: Ranking, *, may_go_on: bool
    ) -> None:
        """Wait for given-up jobs or for services that refused for now, or fail the video."""
        if tracked.given_up_attempts:
            await self._stalls.poll_given_up_later(tracked)
            return
        is_spent = tracked.record.paid_attempts >= route.attempts
        pause = self._next_round_pause(tracked, route, ranking) if may_go_on else None
        if is_spent or pause is None or self._clock.now() + pause >= tracked.video.deadline:
            await self._finisher.fail_video(tracked, _last_error(tracked))
            return
        if not tracked.is_resolved:
            tracked.resolve()  # its create returns the video as queued
        await self._clock.sleep(pause)
        tracked.rounds, tracked.round_start = tracked.rounds + 1, len(tracked.attempts)

    def _next_round_pause(
        self, tracked: TrackedVideo, route: Route, ranking: Ranking
    ) -> timedelta | None:
        """Return the pause before the next round of attempts, None if the video fails now.

        A service that accepted the video never gets it again. A held video, and one that was
        accepted before, waits for services that refused for now or sent `Retry-After`. Only a held
        video waits for a service that is down or blocked.
        """
        held_for = tracked.video.created_at + route.hold - self._clock.now()
        is_held = held_for > timedelta()
        refused = _refused_for_now(tracked)
        is_any_refused_for_now = any(
            each.reason is ExclusionReason.TRIED and each.service in refused
            for each in ranking.excluded
        )
        may_return = is_any_refused_for_now or ranking.retry_after is not None
        may_return = may_return or (is_held and ranking.may_change)
        if not may_return or not (is_held or tracked.record.paid_attempts):
            return None
        pause = _FIRST_ROUND_PAUSE * 2.0 ** min(tracked.rounds, _MAX_DOUBLINGS)
        if ranking.retry_after is not None and not is_any_refused_for_now:
            pause = max(pause, ranking.retry_after)
        return min(pause, held_for) if is_held else pause


def _last_error(tracked: TrackedVideo) -> VideoError:
    """Return the error of a video that is sent to no further service."""
    for attempt in tracked.attempts:
        if attempt.state is AttemptState.UNRESOLVED:
            return outcome_unknown(attempt.service, attempt.failure or UNRESOLVED_DOUBT)
    return services_exhausted(tracked.refusals)


def _refused_for_now(tracked: TrackedVideo) -> frozenset[ServiceId]:
    """Return the services that refused in this round, and may accept in the next one."""
    accepted = {each.service for each in tracked.attempts if each.state is not AttemptState.REFUSED}
    refused = {
        attempt.service
        for attempt in tracked.attempts[tracked.round_start :]
        if attempt.failure is not None and attempt.failure.kind in TRANSIENT_KINDS
    }
    return frozenset(refused - accepted)
