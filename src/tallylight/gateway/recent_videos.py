"""Videos that this process follows, or saw end a moment ago: read without the database."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from tallylight.clock import Clock
from tallylight.gateway.assets.late import awaits_content
from tallylight.gateway.errors import NOT_ACCEPTED, SHUTTING_DOWN
from tallylight.jobs.followers import VideoFollowers
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import VideoId
from tallylight.model.video import Video, VideoKind

_REMOTE_POLL_INTERVAL = timedelta(seconds=1)
"""Interval for rereading a video that another process follows."""

_CACHE_SECONDS = 2.0
"""Seconds for which an ended video is cached: another process may delete it."""

ReadVideo = Callable[[VideoId, VideoKind], Awaitable[Video | None]]
"""Returns a caller's video of an id and a kind, None if there is none."""


class RecentVideos:
    """Finds followed videos and waits for their changes; caches videos that have ended."""

    def __init__(self, followers: VideoFollowers, clock: Clock) -> None:
        self._followers = followers
        self._clock = clock
        self._ended: OrderedDict[VideoId, tuple[float, Video]] = OrderedDict()
        followers.call_at_end(self.cache)

    def tracked(self, id_: VideoId) -> TrackedVideo | None:
        """Return a video that this process follows, None for any other."""
        return self._followers.tracked(id_)

    def cached(self, id_: VideoId) -> Video | None:
        """Return a followed or cached video, which is at least as recent as the database's."""
        tracked = self._followers.tracked(id_)
        if tracked is not None:
            return tracked.video
        known = self._ended.get(id_)
        is_fresh = known is not None and self._clock.monotonic() - known[0] < _CACHE_SECONDS
        return known[1] if known is not None and is_fresh else None

    def cache(self, video: Video) -> None:
        """Cache an ended video for a moment."""
        now = self._clock.monotonic()
        self._ended[video.id] = (now, video)
        self._ended.move_to_end(video.id)
        while now - next(iter(self._ended.values()))[0] >= _CACHE_SECONDS:
            self._ended.popitem(last=False)

    def evict(self, id_: VideoId) -> None:
        """Remove a deleted video from the cache."""
        self._ended.pop(id_, None)

    @staticmethod
    async def wait_until_resolved(tracked: TrackedVideo, within: timedelta) -> None:
        """Return once the create can be answered, or after `within`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not (tracked.is_resolved or tracked.is_over):
                    await tracked.wait_for_change()
        except TimeoutError:
            return

    @staticmethod
    async def wait_until_over(tracked: TrackedVideo, within: timedelta) -> None:
        """Return once this process has nothing left to do for a video, or after `within`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not tracked.is_over:
                    await tracked.wait_for_change()
        except TimeoutError:
            return

    async def wait_for_content(self, video: Video, until: datetime, read: ReadVideo) -> Video:
        """Return a video once it has failed or its content is stored, or at the end of the time.

        Args:
            video: The video; another process may follow it.
            until: The end of the time.
            read: Reads it from the database.

        Raises:
            ApiError: if it has been withdrawn, as no service accepted it, or if this process shuts
                down.
        """
        while not video.is_terminal or awaits_content(video, self._clock.now()):
            if self._followers.is_closing:
                raise SHUTTING_DOWN
            if self._clock.now() >= until:
                break
            await self.wait_for_change(video.id, _REMOTE_POLL_INTERVAL)
            found = self.cached(video.id)
            if found is None or (found.is_terminal and not found.asset):
                found = await read(video.id, video.kind)
            if found is None or found.deleted_at is not None:
                raise NOT_ACCEPTED
            video = found
        return video

    async def wait_for_change(self, id_: VideoId, within: timedelta) -> None:
        """Return once a followed video has changed, or after `within`."""
        tracked = self._followers.tracked(id_)
        if tracked is None:
            await self._clock.sleep(min(within, _REMOTE_POLL_INTERVAL))
            return
        try:
            async with asyncio.timeout(within.total_seconds()):
                await tracked.wait_for_change()
        except TimeoutError:
            return
