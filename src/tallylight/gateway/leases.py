"""Who follows which video: this process its own, and those that a silent process has left.

Each video under way has an owner in its row, and a lease that the owner renews. Whoever finds a
lease run out takes the video over. Should two follow one for a moment, because a process was
stopped and woke again, only its owner may write a further attempt down, and only while the video
has no end; nothing is sent that is not written.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.failover import Failover
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.settings import GatewaySettings
from tallylight.gateway.store import LEASE_TTL, VideoStore
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.ids import VideoId
from tallylight.model.video import Video
from tallylight.scheduler import every
from tallylight.storage.attempts import Tried
from tallylight.storage.database import Storage
from tallylight.storage.transaction import SpendingLimit

log = structlog.get_logger()

_RENEWAL = timedelta(seconds=4)
_SETTLING = timedelta(seconds=5)
"""How long a process that ends waits for creates that were sent and not yet answered: each one that
is cut off is a doubt, which costs a video where the upstream lists nothing."""

_LATER = timedelta(seconds=30)
"""When a video is tried again whose following met a defect of ours."""

_ELSEWHERE = timedelta(seconds=1)
"""How soon to look again at a video that another process follows."""

_FRESH = 2.0
"""So many seconds is an ended video shown from memory: another replica may have deleted it."""


class LeaseManager:
    """The tasks that follow videos, and what they know of them.

    Args:
        name: Of this process, among all that share the database.
    """

    def __init__(  # the rooms that it ties together
        self,
        storage: Storage,
        store: VideoStore,
        failover: Failover,
        settings: GatewaySettings,
        clock: Clock,
    ) -> None:
        self.owner = uuid4().hex
        self.store = store
        self._storage = storage
        self._failover = failover
        self._settings = settings
        self._clock = clock
        self._lives: dict[VideoId, TrackedVideo] = {}
        self._over: OrderedDict[VideoId, tuple[float, Video]] = OrderedDict()
        self._tasks: dict[VideoId, asyncio.Task[None]] = {}
        self._is_closing = False
        self._unheld: frozenset[VideoId] = frozenset()
        self._missed: frozenset[VideoId] = frozenset()

    async def run(self) -> None:
        """Renew the leases and take over what others have left, until cancelled.

        The journal has to write as long as this runs.
        """
        try:
            await every(_RENEWAL, self._round, self._clock, name="leases")
        finally:
            self._is_closing = True
            await self._settle()
            following = tuple(self._tasks.values())
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await self._hand_over()

    @property
    def is_closing(self) -> bool:
        """Tell whether this process ends, so that it begins nothing more."""
        return self._is_closing

    def start(
        self, tracked: TrackedVideo, choice: Choice, limits: tuple[SpendingLimit, ...]
    ) -> None:
        """Send a new video's first attempt and follow it."""
        tracked.is_sending = True
        self._start(tracked, self._failover.begin(tracked, choice, limits))

    def start_held(self, tracked: TrackedVideo, limits: tuple[SpendingLimit, ...]) -> None:
        """Follow a new video that no service can be asked for yet."""
        self._start(tracked, self._failover.follow(tracked, limits))

    @property
    def active_count(self) -> int:
        """Return how many videos this process follows."""
        return len(self._lives)

    def tracked(self, id_: VideoId) -> TrackedVideo | None:
        """Return a video that is under way in this process, None if it is not."""
        return self._lives.get(id_)

    def cached(self, id_: VideoId) -> Video | None:
        """Return a video that this process knows better than, or as well as, the database."""
        tracked = self._lives.get(id_)
        if tracked is not None:
            return tracked.video
        known = self._over.get(id_)
        is_fresh = known is not None and self._clock.monotonic() - known[0] < _FRESH
        return known[1] if known is not None and is_fresh else None

    def cache(self, video: Video) -> None:
        """Keep an ended video in memory for a moment."""
        now = self._clock.monotonic()
        self._over[video.id] = (now, video)
        self._over.move_to_end(video.id)
        while now - next(iter(self._over.values()))[0] >= _FRESH:
            self._over.popitem(last=False)

    def evict(self, id_: VideoId) -> None:
        """Forget a video that was deleted."""
        self._over.pop(id_, None)

    async def wait_until_resolved(self, tracked: TrackedVideo, within: timedelta) -> None:
        """Return once a caller can be told what became of a create, or after a while."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not (tracked.is_resolved or tracked.video.is_terminal or tracked.is_released):
                    await tracked.wait_for_change()
        except TimeoutError:
            return

    async def wait_for_change(self, id_: VideoId, within: timedelta) -> None:
        """Return once a video that this process follows has changed, or after a while."""
        tracked = self._lives.get(id_)
        if tracked is None:
            await self._clock.sleep(min(within, _ELSEWHERE))
            return
        try:
            async with asyncio.timeout(within.total_seconds()):
                await tracked.wait_for_change()
        except TimeoutError:
            return

    def _start(self, tracked: TrackedVideo, following: Coroutine[None, None, None]) -> None:
        self._lives[tracked.video.id] = tracked
        task = asyncio.create_task(
            self._guard(tracked, following), name=f"video {tracked.video.id}"
        )
        self._tasks[tracked.video.id] = task

    async def _guard(self, tracked: TrackedVideo, following: Coroutine[None, None, None]) -> None:
        id_ = tracked.video.id
        try:
            await following
        except Exception:
            # A defect of ours, or a database that is away too long: the row says how far it came.
            log.exception("video.task_failed", video=id_)
            with suppress(StorageError):
                await self._storage.videos.release_leases((id_,), self._clock.now() + _LATER)
        finally:
            self._lives.pop(id_, None)
            self._tasks.pop(id_, None)
            if tracked.video.is_terminal:
                self.cache(tracked.video)
            tracked.notify()

    async def _round(self) -> None:
        held = tuple(self._lives.values())  # what begins meanwhile is ours without asking
        owned = await self._renew()
        self._let_lost_go(held, owned)
        await self._hand_back(owned)
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

    def _let_lost_go(self, held: Collection[TrackedVideo], owned: Collection[VideoId]) -> None:
        """Follow videos no more that are ours no longer.

        One that was just ended is not known here for a moment, hence it is missed twice.
        """
        lost = [
            tracked
            for tracked in held
            if tracked.video.id not in owned and not tracked.video.is_terminal
        ]
        for tracked in lost:
            if tracked.video.id in self._missed:
                self._let_go(tracked)
        self._missed = frozenset(tracked.video.id for tracked in lost)

    async def _hand_back(self, owned: Collection[VideoId]) -> None:
        """Let others take videos over that are ours by their rows and that nobody here follows.

        There are some after a database was away: what was written may be there all the same. One
        that was just begun is not followed for a moment, hence it is looked for twice.
        """
        unheld = frozenset(id_ for id_ in owned if id_ not in self._lives)
        left = unheld & self._unheld
        self._unheld = unheld
        if left:
            log.warning("leases.orphans_released", videos=sorted(left))
            await self._storage.videos.release_leases(left, self._clock.now())

    def _let_go(self, tracked: TrackedVideo) -> None:
        """Follow a video no more that another process has taken over."""
        log.warning("lease.lost", video=tracked.video.id)
        tracked.is_released = True
        following = self._tasks.get(tracked.video.id)
        # An answer that is on its way is written down first: the other cannot hear it.
        if following is not None and not tracked.is_sending:
            following.cancel()
        tracked.notify()

    async def _take_over(self, video: Video, tried: Tried) -> None:
        attempts, entries = tried
        route = self._settings.routes.get(video.model) or Route(video.model, ())
        tracked = TrackedVideo(
            video=video,
            route=route,
            attempts=list(attempts),
            entries=dict(entries),
            refusals=[(a.service, a.failure) for a in attempts if a.failure is not None],
            is_resolved=True,
        )
        if video.id in self._lives:
            return  # it was ours again before we knew that we had lost it
        log.info("lease.taken_over", video=video.id, attempts=len(attempts))
        limits = await self._settings.limits_of_key(video.key)
        self._start(tracked, self._failover.follow(tracked, limits))

    async def _settle(self) -> None:
        """Return once no create is on its way any more, or after a while."""
        lives = tuple(self._lives.values())
        for tracked in lives:
            tracked.is_released = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLING.total_seconds()):
                for tracked in lives:
                    while tracked.is_sending:
                        await tracked.wait_for_change()

    async def _hand_over(self) -> None:
        """Let others take the videos over at once, because this process ends."""
        try:
            await self._storage.videos.renew_leases(self.owner, self._clock.now() - _RENEWAL)
        except StorageError as error:
            log.warning("leases.release_failed", error=str(error))
