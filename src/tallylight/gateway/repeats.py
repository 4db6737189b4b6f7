"""Knows the same request again, so that nobody pays twice because an answer got lost.

A caller's own key for its request decides. Where there is none, the official SDK says by itself
that it sends a create again (`x-stainless-retry-count`); then the newest video of the same content
is meant, before all others one whose answer never left us.
"""

from datetime import timedelta
from http import HTTPStatus

from tallylight.clock import Clock
from tallylight.gateway.asking import Ask, RefusalError
from tallylight.gateway.crew import Crew
from tallylight.gateway.keys import Caller
from tallylight.gateway.live import Live
from tallylight.history.database import History
from tallylight.history.videos import Video

_SDK_GOES_ON = timedelta(minutes=35)
"""The SDK waits ten minutes for an answer and tries three times."""


class Repeats:
    """Looks for what was asked before."""

    def __init__(self, history: History, crew: Crew, clock: Clock) -> None:
        self._history = history
        self._crew = crew
        self._clock = clock

    async def of(self, ask: Ask, caller: Caller) -> Live | Video | None:
        """Return what the same request has led to, under way here or as it is stored.

        Raises:
            RefusalError: if its idempotency key was used for another request.
        """
        if ask.idempotency:
            video = await self._history.videos.by_idempotency(caller.key, ask.idempotency)
            return None if video is None else self._same(video, ask.fingerprint)
        if not ask.is_repeat:
            return None
        since = self._clock.now() - _SDK_GOES_ON
        found = await self._history.videos.by_fingerprint(caller.key, ask.fingerprint, since)
        known = [self._crew.live(video.id) or video for video in found]
        unanswered = [one for one in known if isinstance(one, Live) and not one.is_answered]
        return next(iter((*unanswered, *known)), None)

    async def of_idempotency(self, video: Video) -> Live | Video:
        """Return the video of the same idempotency key that another process has written."""
        found = await self._history.videos.by_idempotency(video.key, video.idempotency)
        if found is None:
            raise RefusalError(
                HTTPStatus.CONFLICT,
                "A request with the same Idempotency-Key is under way; try again.",
                code="idempotency_key_in_use",
                retry_after=timedelta(seconds=1),
            )
        return self._same(found, video.fingerprint)

    def _same(self, video: Video, fingerprint: str) -> Live | Video:
        if video.fingerprint != fingerprint:
            raise RefusalError(
                HTTPStatus.CONFLICT,
                "This Idempotency-Key was used for a request of other content.",
                code="idempotency_key_reused",
            )
        return self._crew.live(video.id) or self._crew.seen(video.id) or video
