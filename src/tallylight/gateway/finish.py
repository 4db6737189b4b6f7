"""Writes down how a job ended: the video is there, or its service did not make it."""

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
"""Which webhooks tell of a video that has ended."""


class VideoFinisher:
    """Ends attempts, and videos with them."""

    def __init__(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
        self,
        books: VideoStore,
        delivering: AssetFetcher,
        sources: InputResolver,
        witness: OutcomeReporter,
        notices: BuildMessages,
        keep: Callable[[], timedelta],
        clock: Clock,
    ) -> None:
        self._books = books
        self._delivering = delivering
        self._sources = sources
        self._witness = witness
        self._notices = notices
        self._keep = keep
        self._clock = clock

    async def finish(
        self, live: TrackedVideo, attempt: Attempt, service: Service, job: Job
    ) -> None:
        """Take in that a job is over: completed or failed."""
        if job.failure is not None:
            await self._fail(live, attempt, service, job.failure)
            return
        rendered = replace(attempt, rendered_at=self._clock.now())
        asset = await self._delivering.fetch(live.video, service, job)
        if isinstance(asset, Failure):
            # The job is done and paid for: its content is relayed as long as it can be had.
            log.warning("video.unfetched", service=service.id, video=live.video.id, why=asset.rule)
            if asset.fault is not Fault.OURS:  # a disk of ours says nothing of the service
                self._witness.report_failed(service.id, asset)
            await self._complete(live, rendered, job, "")
        else:
            await self._complete(live, rendered, job, asset)
            self._witness.report_delivered(rendered, self._clock.now() - rendered.intended_at)

    async def fail_video(self, live: TrackedVideo, error: VideoError) -> None:
        """End a video that will not come."""
        now = self._clock.now()
        video = replace(live.video, status=VideoStatus.FAILED, error=error, ended_at=now)
        attempts, entries = _superseded(live, live.open_attempts, now)
        # Whose create is still unanswered hears of the refusal by its answer …
        is_told_at_once = not live.is_resolved
        notices = () if is_told_at_once else self._notices(video, now)
        await self._books.record(
            live, video=video, attempts=attempts, entries=entries, notices=notices
        )
        if is_told_at_once and live.is_answered:
            # … unless it was told in the very moment of the writing that the video is queued.
            await self._books.record(live, notices=self._notices(video, now))
        live.resolve()
        await self._sources.delete_reference(video.params)
        self._witness.report_ended(video)
        log.info("video.failed", video=video.id, code=error.code, attempts=video.attempts)

    async def _fail(
        self, live: TrackedVideo, attempt: Attempt, service: Service, failure: Failure
    ) -> None:
        live.refusals.append((service.id, failure))
        if service.upstream.bills is BillingBasis.DELIVERIES:
            self._books.mark_failed_unbilled(live, attempt, failure)
        else:
            self._books.mark_failed(live, attempt, failure)
        self._witness.report_failed(service.id, failure)
        is_last = (
            not live.open_attempts
        )  # another service may think otherwise of it, and is paid already
        if is_last and is_callers_fault(failure, content_travels=live.route.content_travels):
            await self.fail_video(live, video_error(failure, service.id))
        elif not is_last:
            await self._books.flush(live)

    async def _complete(self, live: TrackedVideo, attempt: Attempt, job: Job, asset: str) -> None:
        now = self._clock.now()
        keep = now + self._keep() if asset else job.expires_at
        video = replace(
            live.video,
            status=VideoStatus.COMPLETED,
            progress=100,
            service=attempt.service,
            ended_at=now,
            expires_at=keep,
            asset=asset,
        )
        others = [each for each in live.open_attempts if each.id != attempt.id]
        attempts, entries = _superseded(live, others, now)
        await self._books.record(
            live,
            video=video,
            attempts=(ended_attempt(attempt, AttemptState.DELIVERED, now), *attempts),
            entries=(settled_entry(live.entries[attempt.entry], job.cost), *entries),
            notices=self._notices(video, now),
        )
        live.resolve()
        await self._sources.delete_reference(video.params)
        self._witness.report_ended(video)
        log.info("video.completed", video=video.id, service=video.service, attempts=video.attempts)


def _superseded(
    live: TrackedVideo, attempts: Sequence[Attempt], now: datetime
) -> tuple[list[Attempt], list[LedgerEntry]]:
    """Return attempts that nobody waits for any more, ended; they may yet be made, and billed."""
    closed = [ended_attempt(each, AttemptState.FAILED, now, SUPERSEDED) for each in attempts]
    return closed, [settled_entry(live.entries[each.entry]) for each in attempts]
