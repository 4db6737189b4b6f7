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
from tallylight.gateway.leases import LeaseManager
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.tracked_video import TrackedVideo
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

    def __init__(self, storage: Storage, leases: LeaseManager, clock: Clock) -> None:
        self._storage = storage
        self._leases = leases
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
            video = await self._storage.videos.by_idempotency_key(
                caller.key, request.idempotency_key
            )
            return (
                None
                if video is None
                else await self._same_request(video, request.fingerprint, within)
            )
        # Without the mark, an equal request asks for a second video.
        if not request.is_retry or self._consume_expected_retry(request, caller):
            return None
        since = self._clock.now() - _SDK_RETRY_WINDOW
        found = await self._storage.videos.by_fingerprint(caller.key, request.fingerprint, since)
        known = [self._leases.tracked(video.id) or video for video in found]
        # Its caller certainly lacks the response, so the retry means this one.
        unanswered = [one for one in known if isinstance(one, TrackedVideo) and not one.is_answered]
        first = next(iter((*unanswered, *known)), None)
        return await self._await_outcome(first, within) if isinstance(first, Video) else first

    async def find_by_key(self, video: Video, within: timedelta) -> TrackedVideo | Video:
        """Return the video that another process recorded under the same idempotency key."""
        written = await self._storage.videos.by_idempotency_key(video.key, video.idempotency_key)
        found = None
        if written is not None:
            found = await self._same_request(written, video.fingerprint, within)
        if found is None:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "A request with the same Idempotency-Key is in progress; please retry.",
                code="idempotency_key_in_use",
                retry_after=timedelta(seconds=1),
            )
        return found

    def _consume_expected_retry(self, request: CreateRequest, caller: Caller) -> bool:
        """Tell whether a request is an expected retry, and expect it no more."""
        times = self._expected_retries.get((caller.key, request.fingerprint), deque())
        if not self._is_fresh(times):
            return False
        times.pop()
        return True

    def _is_fresh(self, times: deque[datetime]) -> bool:
        return bool(times) and self._clock.now() - times[-1] <= _SDK_RETRY_DELAY

    async def _same_request(
        self, video: Video, fingerprint: str, within: timedelta
    ) -> TrackedVideo | Video | None:
        if video.fingerprint != fingerprint:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "This Idempotency-Key was already used for a request with other content.",
                code="idempotency_key_reused",
            )
        known = self._leases.tracked(video.id) or self._leases.cached(video.id)
        return known or await self._await_outcome(video, within)

    async def _await_outcome(self, video: Video, within: timedelta) -> Video | None:
        """Return a video once another process has resolved it; None if it was refused there.

        A create that every service refused leaves no video, so its id is not returned before.
        """
        until = self._clock.now() + within
        found: Video | None = video
        while found is not None and not (found.service or found.is_terminal):
            if self._clock.now() >= until or self._leases.tracked(video.id) is not None:
                break
            await self._clock.sleep(_POLL_INTERVAL)
            found = await self._storage.videos.get(video.id)
        return found
