"""Leases: which process follows which video, and the takeover from a dead process.

The row of an active video names its owner and the end of a lease that the owner renews. Another
process takes a video over when its lease has expired. Two processes may follow one video for a
moment, after one was suspended. Even then only the owner of an active video can record a further
attempt, and no attempt is sent unrecorded.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.failover import Failover
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.settings import GatewaySettings, KeyLimits
from tallylight.gateway.store import LEASE_TTL, VideoStore
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.ids import VideoId
from tallylight.model.video import Video
from tallylight.scheduler import every
from tallylight.storage.attempts import VideoAttempts
from tallylight.storage.database import Storage
from tallylight.storage.transaction import SpendingLimit

log = structlog.get_logger()

_RENEWAL_INTERVAL = timedelta(seconds=4)
_SHUTDOWN_WAIT = timedelta(seconds=5)
"""How long a shutdown waits for the responses to creates: an interrupted create is in doubt, which
costs a video if the upstream has no list of jobs."""

_RETRY_PAUSE = timedelta(seconds=30)
"""Pause before a video is followed again after its task failed."""

_REMOTE_POLL_INTERVAL = timedelta(seconds=1)
"""Interval for rereading a video that another process follows."""

_CACHE_SECONDS = 2.0
"""Seconds for which an ended video is cached: another process may delete it."""


class LeaseManager:
    """Runs one task for each video that this process follows, and keeps their leases."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        storage: Storage,
        store: VideoStore,
        failover: Failover,
        settings: Callable[[], GatewaySettings],
        limits: KeyLimits,
        clock: Clock,
    ) -> None:
        self.owner = uuid4().hex
        self.store = store
        self._storage = storage
        self._failover = failover
        self._settings = settings
        self._limits = limits
        self._clock = clock
        self._tracked: dict[VideoId, TrackedVideo] = {}
        self._ended: OrderedDict[VideoId, tuple[float, Video]] = OrderedDict()
        self._tasks: dict[VideoId, asyncio.Task[None]] = {}
        self._is_closing = False
        self._orphans: frozenset[VideoId] = frozenset()
        self._missed: frozenset[VideoId] = frozenset()

    async def run(self) -> None:
        """Renew the leases and take over expired ones, until cancelled.

        The group commit has to run as long as this runs.
        """
        try:
            await every(_RENEWAL_INTERVAL, self._renew_and_claim, self._clock, name="leases")
        finally:
            self._is_closing = True
            await self._wait_for_sending()
            following = tuple(self._tasks.values())
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await self._release_all()

    @property
    def is_closing(self) -> bool:
        """Tell whether this process is shutting down and accepts no new video."""
        return self._is_closing

    def start(
        self, tracked: TrackedVideo, choice: Choice, limits: tuple[SpendingLimit, ...]
    ) -> None:
        """Send the first attempt of a new video, and follow the video."""
        tracked.is_sending = True
        self._start(tracked, self._failover.begin(tracked, choice, limits))

    def start_held(self, tracked: TrackedVideo, limits: tuple[SpendingLimit, ...]) -> None:
        """Follow a new video that waits for a service."""
        self._start(tracked, self._failover.follow(tracked, limits))

    @property
    def active_count(self) -> int:
        """Return how many videos this process follows."""
        return len(self._tracked)

    def tracked(self, id_: VideoId) -> TrackedVideo | None:
        """Return a video that this process follows, None for any other."""
        return self._tracked.get(id_)

    def cached(self, id_: VideoId) -> Video | None:
        """Return a followed or cached video, which is at least as recent as the database's."""
        tracked = self._tracked.get(id_)
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

    async def wait_until_resolved(self, tracked: TrackedVideo, within: timedelta) -> None:
        """Return once the create can be answered, or after `within`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not (tracked.is_resolved or tracked.video.is_terminal or tracked.is_released):
                    await tracked.wait_for_change()
        except TimeoutError:
            return

    async def wait_for_change(self, id_: VideoId, within: timedelta) -> None:
        """Return once a followed video has changed, or after `within`."""
        tracked = self._tracked.get(id_)
        if tracked is None:
            await self._clock.sleep(min(within, _REMOTE_POLL_INTERVAL))
            return
        try:
            async with asyncio.timeout(within.total_seconds()):
                await tracked.wait_for_change()
        except TimeoutError:
            return

    def _start(self, tracked: TrackedVideo, following: Coroutine[None, None, None]) -> None:
        self._tracked[tracked.video.id] = tracked
        task = asyncio.create_task(
            self._guard(tracked, following), name=f"video {tracked.video.id}"
        )
        self._tasks[tracked.video.id] = task

    async def _guard(self, tracked: TrackedVideo, following: Coroutine[None, None, None]) -> None:
        id_ = tracked.video.id
        try:
            await following
        except Exception:
            # A bug, or the database was unavailable for too long: the row has the last state.
            log.exception("video.task_failed", video=id_)
            with suppress(StorageError):
                await self._storage.videos.release_leases((id_,), self._clock.now() + _RETRY_PAUSE)
        finally:
            self._tracked.pop(id_, None)
            self._tasks.pop(id_, None)
            if tracked.video.is_terminal:
                self.cache(tracked.video)
            tracked.notify()

    async def _renew_and_claim(self) -> None:
        held = tuple(self._tracked.values())  # a video that starts meanwhile has a fresh lease
        owned = await self._renew()
        self._release_lost(held, owned)
        await self._release_orphans(owned)
        while left := await self._storage.videos.claim_expired(self.owner, *self._lease()):
            for video, tried in left:
                await self._take_over(video, tried)
            await self._renew()

    async def _renew(self) -> frozenset[VideoId]:
        _, until = self._lease()
        return await self._storage.videos.renew_leases(self.owner, until)

    def _lease(self) -> tuple[datetime, datetime]:
        now = self._clock.now()
        return now, now + LEASE_TTL

    def _release_lost(self, held: Collection[TrackedVideo], owned: Collection[VideoId]) -> None:
        """Release videos whose lease this process no longer has.

        A video that has just ended is missing once, so only the second miss counts.
        """
        lost = [
            tracked
            for tracked in held
            if tracked.video.id not in owned and not tracked.video.is_terminal
        ]
        for tracked in lost:
            if tracked.video.id in self._missed:
                self._release(tracked)
        self._missed = frozenset(tracked.video.id for tracked in lost)

    async def _release_orphans(self, owned: Collection[VideoId]) -> None:
        """Release leases of videos that no task of this process follows.

        They exist after an outage of the database, when a write succeeded but reported a failure. A
        video that has just been created has no task once, so only the second miss counts.
        """
        orphans = frozenset(id_ for id_ in owned if id_ not in self._tracked)
        left = orphans & self._orphans
        self._orphans = orphans
        if left:
            log.warning("leases.orphans_released", videos=sorted(left))
            await self._storage.videos.release_leases(left, self._clock.now())

    def _release(self, tracked: TrackedVideo) -> None:
        """Stop following a video that another process has taken over."""
        log.warning("video.lost", video=tracked.video.id)
        tracked.is_released = True
        following = self._tasks.get(tracked.video.id)
        # A response that is on its way is recorded first: only this process receives it.
        if following is not None and not tracked.is_sending:
            following.cancel()
        tracked.notify()

    async def _take_over(self, video: Video, tried: VideoAttempts) -> None:
        attempts, entries = tried
        route = self._settings().routes.get(video.model) or Route(video.model, ())
        tracked = TrackedVideo(
            video=video,
            route=route,
            attempts=list(attempts),
            entries=dict(entries),
            refusals=[(a.service, a.failure) for a in attempts if a.failure is not None],
            is_resolved=True,
        )
        if video.id in self._tracked:
            return  # this process reclaimed it before it noticed the loss
        log.info("video.taken_over", video=video.id, attempts=len(attempts))
        limits = await self._limits.limits_of(video.key)
        self._start(tracked, self._failover.follow(tracked, limits))

    async def _wait_for_sending(self) -> None:
        """Return once no create waits for its response, or after `_SHUTDOWN_WAIT`."""
        active = tuple(self._tracked.values())
        for tracked in active:
            tracked.is_released = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_WAIT.total_seconds()):
                for tracked in active:
                    while tracked.is_sending:
                        await tracked.wait_for_change()

    async def _release_all(self) -> None:
        """Expire all leases of this process, so that others take its videos over at once."""
        try:
            await self._storage.videos.renew_leases(
                self.owner, self._clock.now() - _RENEWAL_INTERVAL
            )
        except StorageError as error:
            log.warning("leases.release_failed", error=str(error))
