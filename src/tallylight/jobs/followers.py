"""Follows videos: one task for each that this process owns, and the take-over of orphans.

The row of a video under way names the process that follows it. A process takes over what no living
process follows, and its own videos that nothing here follows: after a commit of unknown outcome, or
after a task failed. Another process may still work on a video that was taken over: all that it can
do is record facts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol

import structlog

from tallylight.clock import Clock
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import ServiceId, VideoId
from tallylight.model.video import Video, VideoKind, VideoRecord
from tallylight.scheduler import every
from tallylight.storage.processes import BEAT_INTERVAL, Liveness
from tallylight.storage.videos import Videos

log = structlog.get_logger()

_SHUTDOWN_WAIT = timedelta(seconds=5)
"""How long a shutdown waits for the responses to creates: an interrupted create is in doubt, which
costs a video if the upstream has no list of jobs."""

_RETRY_PAUSE = timedelta(seconds=30)
"""Pause before a video is followed again after its task failed."""


class VideoPolicy(Protocol):
    """Decides what is done for videos of one kind."""

    async def follow(self, tracked: TrackedVideo) -> None:
        """Take a video to its end; return early once it is released."""
        ...


class VideoFollowers:
    """Runs one task for each video that this process follows."""

    def __init__(
        self,
        videos: Videos,
        liveness: Liveness,
        policies: Mapping[VideoKind, VideoPolicy],
        services: Callable[[], Collection[ServiceId]],
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._liveness = liveness
        self._policies = policies
        self._services = services
        self._clock = clock
        self._tracked: dict[VideoId, TrackedVideo] = {}
        self._tasks: dict[VideoId, asyncio.Task[None]] = {}
        self._failed_at: dict[VideoId, float] = {}
        self._missed: frozenset[VideoId] = frozenset()
        self._is_closing = False
        self._registered: Collection[ServiceId] | None = None
        self._at_end: list[Callable[[Video], None]] = []
        self._runs = 0

    @property
    def owner(self) -> str:
        """Return the name under which this process owns videos."""
        return self._liveness.name

    @property
    def is_closing(self) -> bool:
        """Tell whether this process is shutting down and accepts no new video."""
        return self._is_closing

    @property
    def active_count(self) -> int:
        """Return how many videos this process follows."""
        return len(self._tracked)

    def tracked(self, id_: VideoId) -> TrackedVideo | None:
        """Return a video that this process follows, None for any other."""
        return self._tracked.get(id_)

    def call_at_end(self, action: Callable[[Video], None]) -> None:
        """Call an action with each followed video once it has ended."""
        self._at_end.append(action)

    async def register(self) -> None:
        """Enter this process, so that no other one takes over what it records from now on.

        Raises:
            StorageError: if the database is unavailable.
        """
        services = self._services()
        await self._liveness.register(services)
        self._registered = services

    async def run(self) -> None:
        """Beat, and take over videos that nobody follows, until cancelled.

        The group commit has to run as long as this runs.
        """
        await self._run(tuple(VideoKind))

    @asynccontextmanager
    async def following(self, *kinds: VideoKind) -> AsyncIterator[None]:
        """Do the same for videos of some kinds as long as a block lasts, unless `run` runs.

        Raises:
            StorageError: if the database is unavailable.
        """
        if self._runs:
            yield
            return
        await self.beat(kinds)
        task = asyncio.create_task(self._run(kinds), name="followers")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def beat(self, kinds: Collection[VideoKind] = tuple(VideoKind)) -> None:
        """Tell that this process lives, and take over what nobody follows."""
        services = self._services()
        if self._registered != services:  # a write that nothing needs would come every 4 s
            await self.register()
        if not await self._liveness.beat():
            log.warning("process.declared_dead", name=self._liveness.name)
        await self._follow_own_again()
        now = self._clock.now()
        while found := await self._videos.claim_orphans(self.owner, services, now, kinds):
            self._take_over(found)

    async def _run(self, kinds: Collection[VideoKind]) -> None:
        self._runs += 1
        self._is_closing = False
        try:
            await every(BEAT_INTERVAL, lambda: self.beat(kinds), self._clock, name="followers")
        finally:
            self._runs -= 1
            if not self._runs:
                await self._shut_down()

    async def _shut_down(self) -> None:
        self._is_closing = True
        await self._wait_for_sending()
        following = tuple(self._tasks.values())
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        self._registered = None
        await self._liveness.close()

    def start(
        self, tracked: TrackedVideo, following: Coroutine[None, None, None] | None = None
    ) -> asyncio.Task[None]:
        """Follow a video that was just recorded, or taken over."""
        id_ = tracked.video.id
        work = following or self._policies[tracked.video.kind].follow(tracked)
        self._tracked[id_] = tracked
        task = asyncio.create_task(self._guard(tracked, work), name=f"video {id_}")
        self._tasks[id_] = task
        return task

    async def _guard(self, tracked: TrackedVideo, following: Coroutine[None, None, None]) -> None:
        id_ = tracked.video.id
        try:
            await following
        except Exception:
            # A bug: the row has the last state, and the video is followed again after a pause.
            log.exception("video.task_failed", video=id_)
            self._failed_at[id_] = self._clock.monotonic()
        finally:
            if self._tracked.get(id_) is tracked:
                del self._tracked[id_]
                del self._tasks[id_]
            if tracked.video.is_terminal:
                self._failed_at.pop(id_, None)
                for action in self._at_end:
                    action(tracked.video)
            tracked.notify()

    async def _follow_own_again(self) -> None:
        """Take over own videos that nothing here follows.

        A video that was just recorded has no task once, so only the second miss counts.
        """
        owned = await self._videos.owned_by(self.owner)
        missed = frozenset(id_ for id_ in owned if id_ not in self._tracked)
        now = self._clock.monotonic()
        pause = _RETRY_PAUSE.total_seconds()
        due = [
            id_
            for id_ in missed & self._missed
            if now - self._failed_at.get(id_, float("-inf")) >= pause
        ]
        self._missed = missed
        if due:
            log.warning("video.unfollowed", videos=sorted(due))
            self._take_over(await self._videos.claim_again(self.owner, due))

    def _take_over(self, records: Collection[VideoRecord]) -> None:
        for record in records:
            video = record.video
            known = self._tracked.get(video.id)
            if known is not None:  # this process had lost it before it noticed
                known.release()
            log.info("video.taken_over", video=video.id, attempts=len(record.attempts))
            self.start(TrackedVideo(record, self._clock.boottime(), is_resolved=True))

    async def _wait_for_sending(self) -> None:
        """Return once no create waits for its response, or after `_SHUTDOWN_WAIT`."""
        active = tuple(self._tracked.values())
        for tracked in active:
            tracked.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_WAIT.total_seconds()):
                for tracked in active:
                    while tracked.is_sending:
                        await tracked.wait_for_change()
