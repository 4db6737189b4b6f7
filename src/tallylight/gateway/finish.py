"""Ends callers' videos: a job has delivered, or no service is left."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.errors import SUPERSEDED
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job, failed_change
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange, closing_changes
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId
from tallylight.model.jobs import Made
from tallylight.model.order import Operation
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoError, VideoStatus, changed_record
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Done, Failed

log = structlog.get_logger()

_PATIENCE = timedelta(seconds=10)
"""How long the end of a video waits for content that is late."""

BuildMessages = Callable[[Video, datetime], tuple[OutboxMessage, ...]]
"""Returns the webhooks that report the end of a video."""


class VideoFinisher:
    """Ends attempts and videos."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        journal: Journal,
        fetcher: AssetFetcher,
        inputs: InputResolver,
        reporter: OutcomeReporter,
        build_messages: BuildMessages,
        keep: Callable[[], timedelta],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._fetcher = fetcher
        self._inputs = inputs
        self._reporter = reporter
        self._build_messages = build_messages
        self._keep = keep
        self._clock = clock

    async def finish(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, step: Done | Failed
    ) -> None:
        """Record that a job completed or failed; a failure leaves the video under way."""
        if isinstance(step, Failed):
            await self._fail(tracked, attempt, service, step)
            return
        now, params = self._clock.now(), tracked.video.params
        done = change_of_job(AttemptEvent.DONE, attempt, service, step, now, params)
        if adapter_for(service.upstream).poll is None and done.results:
            # Nothing names the result again: it must be known after a crash.
            await self._journal.record(tracked, done)
        asset = await self._fetcher.fetch(attempt, service, step, _PATIENCE)
        if isinstance(asset, Failure):
            # The job is done and paid for: `assets.late` fetches its content, and reports the end.
            log.warning(
                "video.content_late", service=service.id, video=tracked.video.id, rule=asset.rule
            )
            await self._complete(tracked, attempt, step, done, "")
        elif await self._complete(tracked, attempt, step, done, asset):
            self._reporter.report_delivered(tracked.attempt(attempt.id), self._clock.now())

    async def fail_video(
        self, tracked: TrackedVideo, error: VideoError, *changes: AttemptChange
    ) -> None:
        """Fail a video; its open attempts may still be billed and are closed.

        If the video was written since, nothing happens: its caller decides again, for an answer
        may have been recorded.

        Args:
            tracked: The video.
            error: Why, for its caller.
            changes: What is decided about attempts at the same time.
        """
        if tracked.is_over:
            return
        now = self._clock.now()
        video = replace(tracked.video, status=VideoStatus.FAILED, error=error, ended_at=now)
        superseded = self._superseded(tracked, now, {each.attempt for each in changes})
        decided = (*changes, *superseded)
        # A create that still waits for its response reports that every service refused: then there
        # is no video, whether or not the response arrives.
        tracked.is_ending = not (tracked.is_resolved or tracked.is_answered)
        after = changed_record(tracked.record, decided)
        if tracked.is_ending and not after.paid_attempts:
            video = replace(video, deleted_at=now)
        messages = () if video.deleted_at else self._build_messages(video, now)
        if await self._journal.decide(tracked, video, *decided, messages=messages):
            await self._after_end(tracked)
            log.info("video.failed", video=video.id, code=error.code, attempts=video.attempts)
        else:
            tracked.is_ending = False
            tracked.notify()

    async def _fail(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, failed: Failed
    ) -> None:
        now, params = self._clock.now(), tracked.video.params
        change = failed_change(attempt, service, failed, now, params)
        await self._journal.record(tracked, change)
        self._reporter.report_failed(attempt, failed.failure)
        rule = failed.failure.rule
        log.info("attempt.failed", service=service.id, video=attempt.video, rule=rule)

    async def _complete(
        self, tracked: TrackedVideo, attempt: Attempt, step: Done, done: AttemptChange, asset: str
    ) -> bool:
        """End a video with an attempt that has delivered; tell whether this process did."""
        while not tracked.is_over and tracked.attempt(attempt.id).is_open:
            now = self._clock.now()
            video = replace(
                tracked.video,
                status=VideoStatus.COMPLETED,
                progress=100,
                service=attempt.service,
                made=_told(tracked.video, tracked.attempt(attempt.id), done.made),
                ended_at=now,
                expires_at=now + self._keep() if asset else step.expires_at,
                asset=asset,
            )
            event = AttemptEvent.FETCHED if asset else AttemptEvent.CLOSE
            if await self._journal.decide(
                tracked,
                video,
                done,
                AttemptChange(attempt.id, event, now),
                *self._superseded(tracked, now, {attempt.id}),
                messages=self._build_messages(video, now),
            ):
                await self._after_end(tracked)
                log.info(
                    "video.completed",
                    video=video.id,
                    service=video.service,
                    attempts=video.attempts,
                )
                return True
        if not tracked.video.is_terminal and tracked.attempt(attempt.id).is_open:
            # Another process decides now; that the job is done is a fact nevertheless.
            await self._journal.record(tracked, done)
        return False

    async def _after_end(self, tracked: TrackedVideo) -> None:
        tracked.resolve()
        await self._inputs.delete_inputs(tracked.video.params)
        self._reporter.report_ended(tracked.video)

    @staticmethod
    def _superseded(
        tracked: TrackedVideo, now: datetime, known: Collection[AttemptId]
    ) -> Sequence[AttemptChange]:
        """Close the other open attempts: services may still bill them."""
        return [
            change
            for each in tracked.record.open_attempts
            if each.id not in known
            for change in closing_changes(
                each, now, None if each.state is AttemptState.RENDERED else SUPERSEDED
            )
        ]


def measures_of(video: Video, attempt: Attempt) -> Made:
    """Return the measures of a video as an attempt orders them."""
    seconds = attempt.order.seconds
    length = 0 if seconds is None else seconds + video.params.base_seconds
    return Made(length, attempt.order.size, attempt.model)


def _told(video: Video, attempt: Attempt, made: Made | None) -> Made:
    """Return the measures of a delivered video: as made, where the service tells them."""
    ordered = measures_of(video, attempt)
    if made is None:
        return ordered
    is_create = video.params.operation is Operation.CREATE
    return Made(
        made.seconds if is_create and made.seconds else ordered.seconds,
        made.size or ordered.size,
        made.model or ordered.model,
    )
