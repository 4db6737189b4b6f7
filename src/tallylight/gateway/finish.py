"""Records the end of a job: the video is delivered, or its service failed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.errors import SUPERSEDED, is_callers_fault, video_error
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.store import VideoStore, ended_attempt, settled_entry
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure, Fault
from tallylight.model.ledger import LedgerEntry
from tallylight.model.video import Video, VideoError, VideoStatus
from tallylight.storage.transaction import OutboxMessage
from tallylight.upstreams.messages import Job

log = structlog.get_logger()

BuildMessages = Callable[[Video, datetime], tuple[OutboxMessage, ...]]
"""Returns the webhooks that report the end of a video."""


class VideoFinisher:
    """Ends attempts and videos."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        store: VideoStore,
        fetcher: AssetFetcher,
        inputs: InputResolver,
        reporter: OutcomeReporter,
        build_messages: BuildMessages,
        keep: Callable[[], timedelta],
        clock: Clock,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._inputs = inputs
        self._reporter = reporter
        self._build_messages = build_messages
        self._keep = keep
        self._clock = clock

    async def finish(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, job: Job
    ) -> None:
        """Record that a job completed or failed."""
        if job.failure is not None:
            await self._fail(tracked, attempt, service, job.failure)
            return
        rendered = replace(attempt, rendered_at=self._clock.now())
        asset = await self._fetcher.fetch(tracked.video, service, job)
        if isinstance(asset, Failure):
            # The job is done and paid for: its content is proxied while the upstream has it.
            log.warning(
                "video.fetch_failed", service=service.id, video=tracked.video.id, rule=asset.rule
            )
            if asset.fault is not Fault.OURS:  # a full local disk says nothing about the service
                self._reporter.report_failed(attempt, asset)
            await self._complete(tracked, rendered, job, "")
        else:
            await self._complete(tracked, rendered, job, asset)
            self._reporter.report_delivered(rendered, self._clock.now() - rendered.intended_at)

    async def fail_video(self, tracked: TrackedVideo, error: VideoError) -> None:
        """Fail a video."""
        now = self._clock.now()
        video = replace(tracked.video, status=VideoStatus.FAILED, error=error, ended_at=now)
        attempts, entries = _superseded(tracked, tracked.open_attempts, now)
        # A create that still waits for its response reports the failure itself …
        is_in_response = not tracked.is_resolved
        messages = () if is_in_response else self._build_messages(video, now)
        await self._store.record(
            tracked, video=video, attempts=attempts, entries=entries, messages=messages
        )
        if is_in_response and tracked.is_answered:
            # … unless it returned "queued" during this write.
            await self._store.record(tracked, messages=self._build_messages(video, now))
        tracked.resolve()
        await self._inputs.delete_reference(video.params)
        self._reporter.report_ended(video)
        log.info("video.failed", video=video.id, code=error.code, attempts=video.attempts)

    async def _fail(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, failure: Failure
    ) -> None:
        tracked.refusals.append((service.id, failure))
        if service.upstream.bills is BillingBasis.DELIVERIES:
            self._store.mark_failed_unbilled(tracked, attempt, failure)
        else:
            self._store.mark_failed(tracked, attempt, failure)
        self._reporter.report_failed(attempt, failure)
        is_last = (
            not tracked.open_attempts
        )  # another open attempt is paid for and may still deliver
        if is_last and is_callers_fault(failure, content_travels=tracked.route.content_travels):
            await self.fail_video(tracked, video_error(failure, service.id))
        elif not is_last:
            await self._store.flush(tracked)

    async def _complete(
        self, tracked: TrackedVideo, attempt: Attempt, job: Job, asset: str
    ) -> None:
        now = self._clock.now()
        keep = now + self._keep() if asset else job.expires_at
        video = replace(
            tracked.video,
            status=VideoStatus.COMPLETED,
            progress=100,
            service=attempt.service,
            ended_at=now,
            expires_at=keep,
            asset=asset,
        )
        others = [each for each in tracked.open_attempts if each.id != attempt.id]
        attempts, entries = _superseded(tracked, others, now)
        await self._store.record(
            tracked,
            video=video,
            attempts=(ended_attempt(attempt, AttemptState.DELIVERED, now), *attempts),
            entries=(settled_entry(tracked.entries[attempt.entry], job.cost), *entries),
            messages=self._build_messages(video, now),
        )
        tracked.resolve()
        await self._inputs.delete_reference(video.params)
        self._reporter.report_ended(video)
        log.info("video.completed", video=video.id, service=video.service, attempts=video.attempts)


def _superseded(
    tracked: TrackedVideo, attempts: Sequence[Attempt], now: datetime
) -> tuple[list[Attempt], list[LedgerEntry]]:
    """Return superseded attempts and their entries, ended; services may still bill them."""
    closed = [ended_attempt(each, AttemptState.FAILED, now, SUPERSEDED) for each in attempts]
    return closed, [settled_entry(tracked.entries[each.entry]) for each in attempts]
