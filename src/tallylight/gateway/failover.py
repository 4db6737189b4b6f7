"""Drives a video from its recorded state to its end, through as many services as it needs.

`follow` can resume: a process that takes a video over calls it as the process before did, and no
attempt that may have been paid for is sent again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.gateway.errors import (
    DEADLINE_EXCEEDED,
    REFERENCE_LOST,
    SERVICE_REMOVED,
    UNRESOLVED_DOUBT,
    is_callers_fault,
    services_exhausted,
    video_error,
)
from tallylight.gateway.finish import VideoFinisher
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.poll import AttemptPoller
from tallylight.gateway.reconcile import AttemptReconciler
from tallylight.gateway.requests import ApiError
from tallylight.gateway.routing.ranking import Choice, ExclusionReason, Ranking
from tallylight.gateway.routing.routes import WhenInDoubt
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.gateway.store import VideoStore
from tallylight.gateway.submit import SUBMIT_TIMEOUT, AttemptSubmitter
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.ids import AttemptId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.video import VideoError
from tallylight.storage.transaction import SpendingLimit
from tallylight.upstreams.messages import Job
from tallylight.upstreams.protocols.registry import adapter_for

log = structlog.get_logger()

_INTERRUPTED = "the gateway was restarted before the response arrived"
_GIVEN_UP_POLL_INTERVAL = timedelta(seconds=15)
_STORAGE_POLL_INTERVAL = timedelta(seconds=2)
_FIRST_ROUND_PAUSE, _MAX_DOUBLINGS = timedelta(seconds=5), 4
"""Pause before the next round after all services refused; it doubles up to four times."""


@dataclass(frozen=True, slots=True)
class AttemptStages:
    """The stages of an attempt: it is sent, looked for while in doubt, polled, finished."""

    submitter: AttemptSubmitter
    reconciler: AttemptReconciler
    poller: AttemptPoller
    finisher: VideoFinisher


class Failover:
    """Drives each video to its end, through as many services as it needs."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        board: Board,
        store: VideoStore,
        selector: ServiceSelector,
        stages: AttemptStages,
        reporter: OutcomeReporter,
        inputs: InputResolver,
        clock: Clock,
    ) -> None:
        self._board = board
        self._store = store
        self._selector = selector
        self._submitter = stages.submitter
        self._reconciler = stages.reconciler
        self._poller = stages.poller
        self._finisher = stages.finisher
        self._reporter = reporter
        self._inputs = inputs
        self._clock = clock

    async def begin(
        self, tracked: TrackedVideo, choice: Choice, limits: tuple[SpendingLimit, ...]
    ) -> None:
        """Send the first attempt, which was recorded with the video, and follow the video."""
        job = await self._submitter.submit(
            tracked, tracked.attempts[-1], choice.service, choice.order
        )
        tracked.is_sending = False
        del choice  # frees the bytes of its reference while the job runs
        await self.follow(tracked, limits, job)

    async def follow(
        self, tracked: TrackedVideo, limits: tuple[SpendingLimit, ...], job: Job | None = None
    ) -> None:
        """Follow a video to its end; return early if this process has to release it.

        Args:
            tracked: The video's recorded state.
            limits: Spending limits for further attempts.
            job: Last known state of the current attempt's job, if any.
        """
        while not (tracked.video.is_terminal or tracked.is_released):
            attempt = tracked.current
            if attempt is not None:
                await self._continue(tracked, attempt, job)
                job = None
            elif not await self._end_if_over(tracked):
                job = await self._next_attempt(tracked, limits)

    async def _continue(self, tracked: TrackedVideo, attempt: Attempt, job: Job | None) -> None:
        if attempt.service not in self._board:
            await self._end_removed(tracked, attempt)
            return
        service = self._board.service(attempt.service)
        match attempt.state:
            case AttemptState.ACCEPTED if adapter_for(service.upstream).streams and job is None:
                # A lost stream cannot be resumed; the job may continue and be billed.
                await self._end_unresolved(tracked, attempt)
            case AttemptState.ACCEPTED:
                await self._poller.poll_until_ended(tracked, attempt, service, job)
            case AttemptState.INTENDED:
                await self._resume_intended(tracked, attempt, service)
            case _:
                await self._reconcile(tracked, attempt)

    async def _reconcile(self, tracked: TrackedVideo, attempt: Attempt) -> None:
        service = self._board.service(attempt.service)
        found = await self._reconciler.reconcile(tracked, attempt, service)
        if isinstance(found, Job):
            accepted = tracked.current
            if accepted is not None:
                await self._poller.poll_until_ended(tracked, accepted, service, found)
        elif await self._is_answered_elsewhere(tracked, attempt):
            return  # the next iteration of `follow` acts on the result
        elif found:
            await self._end_unresolved(tracked, attempt)
        else:
            tracked.refusals.append((attempt.service, UNRESOLVED_DOUBT))
            self._store.mark_refused(tracked, attempt, UNRESOLVED_DOUBT)

    async def _resume_intended(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service
    ) -> None:
        """Mark an attempt in doubt that another process was sending, once that may have died.

        That process may be cut off from the database or suspended, and still receive the response.
        If the upstream lists its jobs, there is no need to wait for it.
        """
        is_listed = adapter_for(service.upstream).listing() is not None
        until = min(attempt.intended_at + SUBMIT_TIMEOUT, tracked.video.deadline)
        while not is_listed and self._clock.now() < until:
            if await self._is_answered_elsewhere(tracked, attempt):
                return
            await self._clock.sleep(_STORAGE_POLL_INTERVAL)
        await self._store.mark_in_doubt(tracked, attempt, _INTERRUPTED)

    async def _is_answered_elsewhere(self, tracked: TrackedVideo, attempt: Attempt) -> bool:
        """Tell whether another process recorded the outcome of an attempt; apply it."""
        written = await self._store.stored_attempt(attempt.id)
        if written is None or written.state in {AttemptState.INTENDED, AttemptState.IN_DOUBT}:
            return False
        if (
            written.state is AttemptState.DELIVERED
        ):  # by a process that could not end the video with it
            written = replace(written, state=AttemptState.ACCEPTED, ended_at=None)
        entries = await self._store.stored_entries(written)
        if written.failure is not None:
            tracked.refusals.append((written.service, written.failure))
        tracked.apply(attempts=(written,), entries=entries)
        return True

    async def _end_unresolved(self, tracked: TrackedVideo, attempt: Attempt) -> None:
        """End an attempt whose acceptance cannot be known; it counts as paid."""
        tracked.refusals.append((attempt.service, UNRESOLVED_DOUBT))
        self._store.mark_failed(tracked, attempt, UNRESOLVED_DOUBT)
        self._reporter.report_failed(attempt, UNRESOLVED_DOUBT)
        if tracked.route.when_in_doubt is not WhenInDoubt.PAY_TWICE:
            error = VideoError("outcome_unknown", f"{attempt.service}: {UNRESOLVED_DOUBT.text}")
            await self._finisher.fail_video(tracked, error)

    async def _end_removed(self, tracked: TrackedVideo, attempt: Attempt) -> None:
        self._store.mark_failed(tracked, attempt, SERVICE_REMOVED)
        await self._finisher.fail_video(tracked, video_error(SERVICE_REMOVED, attempt.service))

    async def _end_if_over(self, tracked: TrackedVideo) -> bool:
        """Fail a video at its deadline or for a caller's fault; tell whether it has ended."""
        newest = tracked.refusals[-1] if tracked.refusals else None
        travels = tracked.route.content_travels
        if newest is not None and is_callers_fault(newest[1], content_travels=travels):
            await self._finisher.fail_video(tracked, video_error(newest[1], newest[0]))
        elif self._clock.now() >= tracked.video.deadline:
            await self._finisher.fail_video(tracked, DEADLINE_EXCEEDED)
        return tracked.video.is_terminal

    async def _next_attempt(
        self, tracked: TrackedVideo, limits: tuple[SpendingLimit, ...]
    ) -> Job | None:
        """Send to the next service, wait, or end the video; return the new job, if any."""
        ranking = self._selector.rank(tracked, limits)
        is_spent = tracked.paid_attempts >= tracked.route.attempts
        if is_spent or not ranking.choices:
            await self._wait_or_end(tracked, ranking, is_spent=is_spent)
            return None
        try:
            return await self._send(tracked, ranking.choices[0], limits)
        except ApiError as error:  # an input was deleted meanwhile
            await self._give_up(tracked, VideoError(error.code, error.message))
        except BudgetError as error:
            await self._give_up(tracked, VideoError("insufficient_quota", str(error)))
        return None

    async def _send(
        self, tracked: TrackedVideo, choice: Choice, limits: tuple[SpendingLimit, ...]
    ) -> Job | None:
        """Record a further attempt and send it; return its job, if any."""
        fitted = choice.order
        try:
            complete = await self._inputs.order_for(tracked.video)
        except LookupError:
            raise REFERENCE_LOST from None
        order = replace(complete, seconds=fitted.seconds, size=fitted.size)
        if tracked.is_released:
            return None
        attempt, entry = new_attempt(tracked, choice, self._clock.now())
        tracked.is_sending = True
        try:
            if not await self._store.add_attempt(tracked, attempt, entry, limits):
                log.info("video.lost", video=tracked.video.id)
                tracked.is_released = True
                return None
            tracked.video = replace(tracked.video, substitutions=choice.substituted)
            return await self._submitter.submit(tracked, attempt, choice.service, order)
        finally:
            tracked.is_sending = False

    async def _give_up(self, tracked: TrackedVideo, error: VideoError) -> None:
        """Fail a video, unless a given-up job may still deliver it."""
        if tracked.given_up_attempts:
            await self._poll_given_up_later(tracked)
        else:
            await self._finisher.fail_video(tracked, error)

    async def _poll_given_up_later(self, tracked: TrackedVideo) -> None:
        """Wait, then poll the given-up jobs once."""
        await self._store.flush(tracked)
        left = tracked.video.deadline - self._clock.now()
        await self._clock.sleep(min(_GIVEN_UP_POLL_INTERVAL, left))
        await self._poller.poll_given_up(tracked)

    async def _wait_or_end(
        self, tracked: TrackedVideo, ranking: Ranking, *, is_spent: bool
    ) -> None:
        """Wait for given-up jobs or for services that refused for now, or fail the video."""
        if tracked.given_up_attempts:
            await self._poll_given_up_later(tracked)
            return
        pause = self._next_round_pause(tracked, ranking)
        if is_spent or pause is None or self._clock.now() + pause >= tracked.video.deadline:
            await self._finisher.fail_video(tracked, services_exhausted(tracked.refusals))
            return
        await self._store.flush(tracked)
        if not tracked.is_resolved:
            tracked.resolve()  # its create returns the video as queued
        await self._clock.sleep(pause)
        tracked.rounds, tracked.round_start = tracked.rounds + 1, len(tracked.attempts)

    def _next_round_pause(self, tracked: TrackedVideo, ranking: Ranking) -> timedelta | None:
        """Return the pause before the next round of attempts, None if the video fails now.

        A service that accepted the video never gets it again. A held video, and one that was
        accepted before, waits for services that refused for now or sent `Retry-After`. Only a held
        video waits for a service that is down or blocked.
        """
        held_for = tracked.video.created_at + tracked.route.hold - self._clock.now()
        is_held = held_for > timedelta()
        refused_for_now = tracked.refused_for_now
        is_any_refused_for_now = any(
            each.reason is ExclusionReason.TRIED and each.service in refused_for_now
            for each in ranking.excluded
        )
        may_return = is_any_refused_for_now or ranking.retry_after is not None
        may_return = may_return or (is_held and ranking.may_change)
        if not may_return or not (is_held or tracked.paid_attempts):
            return None
        pause = _FIRST_ROUND_PAUSE * 2.0 ** min(tracked.rounds, _MAX_DOUBLINGS)
        if ranking.retry_after is not None and not is_any_refused_for_now:
            pause = max(pause, ranking.retry_after)
        return min(pause, held_for) if is_held else pause


def new_attempt(
    tracked: TrackedVideo, choice: Choice, now: datetime
) -> tuple[Attempt, LedgerEntry]:
    """Return a further attempt and the ledger entry that reserves its cost; stores nothing."""
    video, service = tracked.video, choice.service
    number = len(tracked.attempts) + 1
    name = f"{video.id}.{number}"  # unique in the database, so two processes cannot both record it
    entry = LedgerEntry(
        id=EntryId(name),
        service=service.id,
        purpose=Purpose.TRAFFIC,
        note=video.id,
        state=EntryState.RESERVED,
        estimate=choice.cost,
        amount=choice.cost,
        at=now,
        payer=video.key,
    )
    attempt = Attempt(
        id=AttemptId(name),
        service=service.id,
        purpose=Purpose.TRAFFIC,
        order=replace(choice.order, reference=None),  # the asset store has its bytes
        model=service.model,
        entry=entry.id,
        intended_at=now,
        video=video.id,
        number=number,
    )
    return attempt, entry
