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
from tallylight.gateway.leases import Crew
from tallylight.gateway.requests import Ask, RefusalError
from tallylight.gateway.tracked_video import Live
from tallylight.model.ids import KeyId
from tallylight.model.video import Video
from tallylight.storage.database import Storage

_SDK_GOES_ON = timedelta(minutes=35)
"""The SDK waits ten minutes for an answer and tries three times."""

_SDK_COMES_AGAIN = timedelta(minutes=2)
"""It waits for a minute at most before it does what an answer told it to."""

_MOST_EXPECTED = 1000
"""So many repetitions of one content are told from those of older videos."""

_BETWEEN_LOOKS = timedelta(seconds=0.5)

_Content = tuple[KeyId, str]


class Repeats:
    """Looks for what was asked before."""

    def __init__(self, history: Storage, crew: Crew, clock: Clock) -> None:
        self._history = history
        self._crew = crew
        self._clock = clock
        self._placing: defaultdict[_Content, set[asyncio.Event]] = defaultdict(set)
        self._expected: OrderedDict[_Content, deque[datetime]] = OrderedDict()

    @asynccontextmanager
    async def in_turn(self, ask: Ask, caller: Caller) -> AsyncIterator[None]:
        """Let a repetition wait until what it may repeat is written down, as long as that takes."""
        content = (caller.key, ask.fingerprint)
        if ask.is_repeat:
            for placed in tuple(self._placing.get(content, ())):
                await placed.wait()
        mine = asyncio.Event()
        self._placing[content].add(mine)
        try:
            yield
        finally:
            mine.set()
            self._placing[content].discard(mine)
            if not self._placing[content]:
                del self._placing[content]

    def expect(self, ask: Ask, caller: Caller) -> None:
        """Take note that a request was refused for the moment, and told to come again."""
        content = (caller.key, ask.fingerprint)
        self._expected.setdefault(content, deque(maxlen=_MOST_EXPECTED)).append(self._clock.now())
        self._expected.move_to_end(content)
        while not self._is_fresh(next(iter(self._expected.values()))):
            self._expected.popitem(last=False)

    async def of(self, ask: Ask, caller: Caller, within: timedelta) -> Live | Video | None:
        """Return what the same request has led to, under way here or as it is stored.

        Args:
            ask: The request.
            caller: Who asks.
            within: How long to wait for another process that has not answered it yet.

        Raises:
            RefusalError: if its idempotency key was used for another request.
        """
        if ask.idempotency:
            video = await self._history.videos.by_idempotency_key(caller.key, ask.idempotency)
            return None if video is None else await self._same(video, ask.fingerprint, within)
        if not ask.is_repeat or self._is_expected(ask, caller):
            return None
        since = self._clock.now() - _SDK_GOES_ON
        found = await self._history.videos.by_fingerprint(caller.key, ask.fingerprint, since)
        known = [self._crew.live(video.id) or video for video in found]
        unanswered = [one for one in known if isinstance(one, Live) and not one.is_answered]
        first = next(iter((*unanswered, *known)), None)
        return await self._settled(first, within) if isinstance(first, Video) else first

    async def of_idempotency(self, video: Video, within: timedelta) -> Live | Video:
        """Return the video of the same idempotency key that another process has written."""
        written = await self._history.videos.by_idempotency_key(video.key, video.idempotency_key)
        found = None
        if written is not None:
            found = await self._same(written, video.fingerprint, within)
        if found is None:
            raise RefusalError(
                HTTPStatus.CONFLICT,
                "A request with the same Idempotency-Key is under way; try again.",
                code="idempotency_key_in_use",
                retry_after=timedelta(seconds=1),
            )
        return found

    def _is_expected(self, ask: Ask, caller: Caller) -> bool:
        """Tell whether it repeats a request that was refused, and expect that no more."""
        times = self._expected.get((caller.key, ask.fingerprint), deque())
        if not self._is_fresh(times):
            return False
        times.pop()
        return True

    def _is_fresh(self, times: deque[datetime]) -> bool:
        return bool(times) and self._clock.now() - times[-1] <= _SDK_COMES_AGAIN

    async def _same(self, video: Video, fingerprint: str, within: timedelta) -> Live | Video | None:
        if video.fingerprint != fingerprint:
            raise RefusalError(
                HTTPStatus.CONFLICT,
                "This Idempotency-Key was used for a request of other content.",
                code="idempotency_key_reused",
            )
        known = self._crew.live(video.id) or self._crew.seen(video.id)
        return known or await self._settled(video, within)

    async def _settled(self, video: Video, within: timedelta) -> Video | None:
        """Return a video once another process can answer for it; None if it was refused there.

        A create that nobody would take leaves no video, and nobody must be told its id before.
        """
        until = self._clock.now() + within
        found: Video | None = video
        while found is not None and not (found.service or found.is_terminal):
            if self._clock.now() >= until or self._crew.live(video.id) is not None:
                break
            await self._clock.sleep(_BETWEEN_LOOKS)
            found = await self._history.videos.get(video.id)
        return found
