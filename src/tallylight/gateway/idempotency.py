"""Idempotency: a repeated create returns the first one's video, so a lost response costs nothing.

The `Idempotency-Key` identifies a request. Without a key, the official SDK still marks automatic
retries (`x-stainless-retry-count`). Such a retry means the newest video of the same content, and
above all one whose response was never sent. If a request of that content was just refused with
`Retry-After`, the retry repeats that request instead and creates a new video.
"""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

from tallylight.clock import Clock
from tallylight.gateway.keys import Caller
from tallylight.gateway.recent_videos import RecentVideos
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import KeyId
from tallylight.model.video import Video
from tallylight.storage.database import Storage

_SDK_RETRY_WINDOW = timedelta(minutes=35)
"""The SDK waits ten minutes for a response and sends a request three times."""

_SDK_RETRY_DELAY = timedelta(minutes=2)
"""The SDK obeys a `Retry-After` of at most one minute."""

_MAX_EXPECTED_RETRIES = 1000
"""Limit of expected retries of one content."""

_POLL_INTERVAL = timedelta(seconds=0.5)

_ContentKey = tuple[KeyId, str]


class RequestDeduplicator:
    """Finds the video that the same request has already created."""

    def __init__(self, storage: Storage, recent: RecentVideos, clock: Clock) -> None:
        self._storage = storage
        self._recent = recent
        self._clock = clock
        self._pending_creates: defaultdict[_ContentKey, set[asyncio.Event]] = defaultdict(set)
        self._expected_retries: OrderedDict[_ContentKey, deque[datetime]] = OrderedDict()

    @asynccontextmanager
    async def wait_for_original(
        self, request: CreateRequest, caller: Caller
    ) -> AsyncIterator[None]:
        """Delay a retry until the creates of the same content before it are recorded."""
        content = (caller.key, request.fingerprint)
        if request.is_retry:
            for pending in tuple(self._pending_creates.get(content, ())):
                await pending.wait()
        recorded = asyncio.Event()
        self._pending_creates[content].add(recorded)
        try:
            yield
        finally:
            recorded.set()
            self._pending_creates[content].discard(recorded)
            if not self._pending_creates[content]:
                del self._pending_creates[content]

    def expect_retry(self, request: CreateRequest, caller: Caller) -> None:
        """Remember that a request was refused with a `Retry-After`."""
        content = (caller.key, request.fingerprint)
        self._expected_retries.setdefault(content, deque(maxlen=_MAX_EXPECTED_RETRIES)).append(
            self._clock.now()
        )
        self._expected_retries.move_to_end(content)
        while not self._is_fresh(next(iter(self._expected_retries.values()))):
            self._expected_retries.popitem(last=False)

    async def find(
        self, request: CreateRequest, caller: Caller, within: timedelta
    ) -> TrackedVideo | Video | None:
        """Return the video of the same request: tracked here, stored, or None.

        Args:
            request: The request.
            caller: Its caller.
            within: How long to wait for another process that is still handling the request.

        Raises:
            ApiError: if the idempotency key was used for another request.
        """
        if request.idempotency_key:
            return await self._find_by_key(request, caller, within)
        # Without the mark, an equal request asks for a second video.
        if not request.is_retry or self._consume_expected_retry(request, caller):
            return None
        since = self._clock.now() - _SDK_RETRY_WINDOW
        found = await self._storage.videos.by_fingerprint(caller.key, request.fingerprint, since)
        known = [self._recent.tracked(video.id) or video for video in found]
        # Its caller certainly lacks the response, so the retry means this one.
        unanswered = [one for one in known if isinstance(one, TrackedVideo) and not one.is_answered]
        first = next(iter((*unanswered, *known)), None)
        return await self._await_outcome(first, within) if isinstance(first, Video) else first

    async def find_by_key(
        self, request: CreateRequest, caller: Caller, within: timedelta
    ) -> TrackedVideo | Video:
        """Return the video that another process recorded under the same idempotency key."""
        found = await self._find_by_key(request, caller, within)
        if found is None:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "A request with the same Idempotency-Key is in progress; please retry.",
                code="idempotency_key_in_use",
                retry_after=timedelta(seconds=1),
            )
        return found

    async def _find_by_key(
        self, request: CreateRequest, caller: Caller, within: timedelta
    ) -> TrackedVideo | Video | None:
        """Return the video of a request with the same idempotency key, None if there is none.

        Raises:
            ApiError: if that request had other content, or its video was deleted.
        """
        known = await self._storage.videos.by_idempotency_key(caller.key, request.idempotency_key)
        if known is None:
            return None
        if known.fingerprint != request.fingerprint:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "This Idempotency-Key was already used for a request with other content.",
                code="idempotency_key_reused",
            )
        if known.video is None:
            raise ApiError(
                HTTPStatus.GONE,
                f"The video {known.id} of this Idempotency-Key was deleted; use another key to "
                "make a new one.",
                code="video_deleted",
            )
        recent = self._recent.tracked(known.id) or self._recent.cached(known.id)
        return recent or await self._await_outcome(known.video, within)

    def _consume_expected_retry(self, request: CreateRequest, caller: Caller) -> bool:
        """Tell whether a request is an expected retry, and expect it no more."""
        times = self._expected_retries.get((caller.key, request.fingerprint), deque())
        if not self._is_fresh(times):
            return False
        times.pop()
        return True

    def _is_fresh(self, times: deque[datetime]) -> bool:
        return bool(times) and self._clock.now() - times[-1] <= _SDK_RETRY_DELAY

    async def _await_outcome(self, video: Video, within: timedelta) -> Video | None:
        """Return a video once another process has resolved it; None if it was refused there.

        A create that every service refused leaves no video, so its id is not returned before.
        """
        until = self._clock.now() + within
        found: Video | None = video
        while found is not None and not (found.service or found.is_terminal):
            if self._clock.now() >= until or self._recent.tracked(video.id) is not None:
                break
            await self._clock.sleep(_POLL_INTERVAL)
            found = await self._storage.videos.get(video.id, video.kind)
        return found
