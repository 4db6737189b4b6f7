"""Knows the same request again, so that nobody pays twice because an answer got lost.

A caller's own key for its request decides. Where there is none, the official SDK says by itself
that it sends a create again (`x-stainless-retry-count`); then the newest video of the same content
is meant, before all others one whose answer never left us. Only where a request of that content was
just refused for the moment, and told to come again, is it that one which comes.
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
"""The SDK waits ten minutes for an answer and tries three times."""

_SDK_RETRY_DELAY = timedelta(minutes=2)
"""It waits for a minute at most before it does what an answer told it to."""

_MAX_EXPECTED_RETRIES = 1000
"""So many repetitions of one content are told from those of older videos."""

_POLL_INTERVAL = timedelta(seconds=0.5)

_ContentKey = tuple[KeyId, str]


class RequestDeduplicator:
    """Looks for what was asked before."""

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
        """Let a repetition wait until what it may repeat is written down, as long as that takes."""
        content = (caller.key, request.fingerprint)
        if request.is_retry:
            for placed in tuple(self._pending_creates.get(content, ())):
                await placed.wait()
        mine = asyncio.Event()
        self._pending_creates[content].add(mine)
        try:
            yield
        finally:
            mine.set()
            self._pending_creates[content].discard(mine)
            if not self._pending_creates[content]:
                del self._pending_creates[content]

    def expect_retry(self, request: CreateRequest, caller: Caller) -> None:
        """Take note that a request was refused for the moment, and told to come again."""
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
        """Return what the same request has led to, under way here or as it is stored.

        Args:
            ask: The request.
            caller: Who asks.
            within: How long to wait for another process that has not answered it yet.

        Raises:
            RefusalError: if its idempotency key was used for another request.
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
        if not request.is_retry or self._consume_expected_retry(request, caller):
            return None
        since = self._clock.now() - _SDK_RETRY_WINDOW
        found = await self._storage.videos.by_fingerprint(caller.key, request.fingerprint, since)
        known = [self._leases.tracked(video.id) or video for video in found]
        unanswered = [one for one in known if isinstance(one, TrackedVideo) and not one.is_answered]
        first = next(iter((*unanswered, *known)), None)
        return await self._await_outcome(first, within) if isinstance(first, Video) else first

    async def find_by_key(self, video: Video, within: timedelta) -> TrackedVideo | Video:
        """Return the video of the same idempotency key that another process has written."""
        written = await self._storage.videos.by_idempotency_key(video.key, video.idempotency_key)
        found = None
        if written is not None:
            found = await self._same_request(written, video.fingerprint, within)
        if found is None:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "A request with the same Idempotency-Key is under way; try again.",
                code="idempotency_key_in_use",
                retry_after=timedelta(seconds=1),
            )
        return found

    def _consume_expected_retry(self, request: CreateRequest, caller: Caller) -> bool:
        """Tell whether it repeats a request that was refused, and expect that no more."""
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
                "This Idempotency-Key was used for a request of other content.",
                code="idempotency_key_reused",
            )
        known = self._leases.tracked(video.id) or self._leases.cached(video.id)
        return known or await self._await_outcome(video, within)

    async def _await_outcome(self, video: Video, within: timedelta) -> Video | None:
        """Return a video once another process can answer for it; None if it was refused there.

        A create that nobody would take leaves no video, and nobody must be told its id before.
        """
        until = self._clock.now() + within
        found: Video | None = video
        while found is not None and not (found.service or found.is_terminal):
            if self._clock.now() >= until or self._leases.tracked(video.id) is not None:
                break
            await self._clock.sleep(_POLL_INTERVAL)
            found = await self._storage.videos.get(video.id)
        return found
