"""Fetches the content of completed videos that was not there when their jobs ended.

A service may report a job as completed before its file can be had, or our store may have been full.
Which videos lack their content is read from the database, so a restart forgets none. The service is
judged once it is known whether the content came.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.assets.fetch import AssetFetcher
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.jobs.made import finished_job
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, Fault
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.video import Video, VideoStatus
from tallylight.scheduler import every
from tallylight.storage.database import Storage
from tallylight.upstreams.download import LATE_PATIENCE

log = structlog.get_logger()

CONTENT_UNAVAILABLE = "content_unavailable"
"""The code of the error for content that cannot be had now."""

_INTERVAL = timedelta(seconds=5)


def awaits_content(video: Video, now: datetime) -> bool:
    """Tell whether the content of a completed video is still fetched into the store."""
    return (
        video.status is VideoStatus.COMPLETED
        and not video.asset
        and video.ended_at is not None
        and now < video.ended_at + LATE_PATIENCE
        and (video.expires_at is None or now < video.expires_at)
    )


class LateContent:
    """Stores content that comes late.

    Args:
        storage: The videos and their attempts.
        find_service: Returns a service, None if it is not configured here.
        fetcher: Fetches and stores.
        reporter: Hears whether the service delivered.
        owner: Returns the name of this process.
        keep: Returns how long content is kept.
        clock: The time.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        storage: Storage,
        find_service: Callable[[ServiceId], Service | None],
        fetcher: AssetFetcher,
        reporter: OutcomeReporter,
        owner: Callable[[], str],
        keep: Callable[[], timedelta],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._find_service = find_service
        self._fetcher = fetcher
        self._reporter = reporter
        self._owner = owner
        self._keep = keep
        self._clock = clock
        self._known: dict[VideoId, datetime] = {}

    async def run(self) -> None:
        """Fetch late content until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            await every(_INTERVAL, lambda: self._look(tasks), self._clock, name="late content")

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        """Start to fetch the content of each video that lacks it."""
        now = self._clock.now()
        since = now - LATE_PATIENCE
        self._known = {id_: at for id_, at in self._known.items() if at > since}
        for video in await self._storage.videos.without_content(self._owner(), since, now):
            if video.id not in self._known and video.ended_at is not None:
                self._known[video.id] = video.ended_at
                tasks.create_task(self._fetch_guarded(video), name=f"content {video.id}")

    async def _fetch_guarded(self, video: Video) -> None:
        try:
            await self._fetch(video)
        except Exception:  # this task's root: another video's content is fetched all the same
            log.exception("content.task_failed", video=video.id)
            self._known.pop(video.id, None)  # it is found again

    async def _fetch(self, video: Video) -> None:
        attempt = await self._storage.attempts.delivered(video.id)
        service = None if attempt is None else self._find_service(attempt.service)
        if attempt is None or service is None or video.ended_at is None:
            return
        left = video.ended_at + LATE_PATIENCE - self._clock.now()
        asset = await self._fetcher.fetch(attempt, service, finished_job(attempt), left)
        if isinstance(asset, Failure):
            self._give_up(video, attempt, asset)
            return
        expires_at = self._clock.now() + self._keep()
        if await self._storage.videos.add_content(video.id, asset, expires_at):
            log.info("video.content_stored", service=service.id, video=video.id)
            self._reporter.report_delivered(attempt, self._clock.now())
        elif await self._storage.videos.get(video.id, video.kind) is None:
            await self._fetcher.discard(asset)  # else another process has stored the same

    def _give_up(self, video: Video, attempt: Attempt, failure: Failure) -> None:
        log.warning(
            "video.fetch_failed", service=attempt.service, video=video.id, rule=failure.rule
        )
        if failure.fault is Fault.OURS:  # a full local disk says nothing about the service
            self._known.pop(video.id, None)  # it is found again, and its time may not be over
        else:
            self._reporter.report_failed(attempt, failure)
