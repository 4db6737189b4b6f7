"""The gateway: takes orders, follows every video to its end, and shows how each stands."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Literal

from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.gateway.api import Character, Content, Page, Span
from tallylight.gateway.assets.contents import Contents
from tallylight.gateway.errors import out_of_money, refusal_of, unserved
from tallylight.gateway.failover import prepare
from tallylight.gateway.idempotency import Repeats
from tallylight.gateway.inputs import Sources
from tallylight.gateway.keys import Caller
from tallylight.gateway.leases import Crew
from tallylight.gateway.requests import Ask, RefusalError
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import USUAL_MODEL, Route
from tallylight.gateway.routing.selector import Choosing
from tallylight.gateway.settings import Conditions
from tallylight.gateway.tracked_video import Live
from tallylight.model.ids import VideoId
from tallylight.model.order import Reference
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.database import Storage
from tallylight.storage.engine import run_to_completion
from tallylight.storage.transaction import SpendingLimit
from tallylight.storage.videos import new_video_id


class Gateway:
    """Implements `doors.ports.GatewayPort`; the Python client calls it in process."""

    def __init__(  # noqa: PLR0913, PLR0917  # the rooms that it ties together
        self,
        conditions: Conditions,
        history: Storage,
        choosing: Choosing,
        crew: Crew,
        sources: Sources,
        contents: Contents,
        clock: Clock,
    ) -> None:
        self._conditions = conditions
        self._history = history
        self._choosing = choosing
        self._crew = crew
        self._sources = sources
        self._contents = contents
        self._repeats = Repeats(history, crew, clock)
        self._clock = clock

    async def create(self, ask: Ask, caller: Caller) -> Video:
        """Take an order, or return the video that the same order has led to before.

        Returns once a service has accepted it, or nobody knows whether one has, or the time to
        answer is over; the video is followed in any case.

        Raises:
            RefusalError: if nobody can or may make it; then nothing is or will be paid for it.
        """
        route = await self._route_of(ask, caller)
        async with self._repeats.in_turn(ask, caller):
            found = await self._repeats.of(ask, caller, self._conditions.answer_within)
            if found is None:
                # Whoever asked may leave: what is written down is sent all the same.
                found = await run_to_completion(self._place(ask, caller, route))
        if isinstance(found, Video):
            return found
        await self._crew.until_settled(found, self._conditions.answer_within)
        try:
            return await self._answer(found)
        except RefusalError as error:
            if error.retry_after is not None:
                self._repeats.expect(ask, caller)
            raise

    async def video(self, id_: VideoId, caller: Caller) -> Video:
        """Return a video as it stands."""
        found = self._crew.seen(id_)
        if found is None:
            found = await self._history.videos.get(id_)
            if found is not None and found.is_terminal:
                self._crew.remember(found)
        if found is None or found.key != caller.key:
            raise unknown_video(id_)
        return found

    async def changed(self, id_: VideoId, caller: Caller, within: timedelta) -> Video:
        """Return a video once it has changed, or as it stands after a while."""
        await self._crew.until_changed(id_, within)
        return await self.video(id_, caller)

    async def listed(
        self, caller: Caller, *, after: VideoId, limit: int, order: Literal["asc", "desc"]
    ) -> Page:
        """Return a caller's videos behind one of them, "" for the first."""
        behind = await self._history.videos.get_including_deleted(after) if after else None
        if after and (behind is None or behind.key != caller.key):
            raise unknown_video(after, "after")
        found = await self._history.videos.list_page(
            caller.key, after=behind, limit=limit, order=order
        )
        shown = [self._crew.seen(video.id) or video for video in found[:limit]]
        return Page(shown, has_more=len(found) > limit)

    async def delete(self, id_: VideoId, caller: Caller) -> None:
        """Forget a video that has an end."""
        video = await self.video(id_, caller)
        if not video.is_terminal:
            raise RefusalError(
                HTTPStatus.CONFLICT,
                f"Video {id_} is {video.status}; only completed or failed videos can be deleted.",
                code="video_not_finished",
                param="video_id",
            )
        await self._contents.delete(video)
        await self._history.videos.delete(id_, self._clock.now())
        self._crew.forget(id_)

    @asynccontextmanager
    async def content(
        self, id_: VideoId, caller: Caller, variant: str, span: Span | None
    ) -> AsyncIterator[Content]:
        """Open a finished video's content, or the part of it that is asked for."""
        video = await self.video(id_, caller)
        if video.status is not VideoStatus.COMPLETED:
            raise RefusalError(
                HTTPStatus.NOT_FOUND,
                f"Video {id_} is {video.status}; its content is not there.",
                code="video_not_completed",
                param="video_id",
            )
        async with self._contents.open(video, variant, span) as content:
            yield content

    async def create_character(
        self, name: str, film: Reference, model: str, caller: Caller
    ) -> Character:
        """Make a character known, from a film that shows it."""
        route = self._route(model or USUAL_MODEL, caller)
        return await self._sources.create_character(name, film, route, caller.key)

    async def character(self, id_: str, caller: Caller) -> Character:
        """Return a character."""
        return await self._sources.character(id_, caller.key)

    def models(self, caller: Caller) -> Sequence[str]:
        """Return the names of the routes that a caller may ask for."""
        return [name for name in self._conditions.routes if caller.may_ask(name)]

    async def _place(self, ask: Ask, caller: Caller, route: Route) -> Live | Video:
        """Write a new video down and begin it."""
        if self._crew.is_closing:
            raise _CLOSING
        now = self._clock.now()
        wish, order = await self._sources.wish_of(ask, caller.key, route)
        limits = self._conditions.limits(caller)
        ranking = self._choosing.first(order, wish, route, limits)
        choice = next(iter(ranking.choices), None)
        if choice is None and not (route.hold and ranking.may_change):
            raise unserved(route, ranking)
        asked, id_ = order if choice is None else choice.order, new_video_id()
        video = Video(
            id=id_,
            key=caller.key,
            model=route.name,
            prompt=ask.prompt,
            seconds=asked.seconds + wish.base_seconds,
            size=asked.size,
            created_at=now,
            deadline=now + route.deadline,
            params=await self._sources.keep(id_, wish, order),
            idempotency_key=ask.idempotency,
            fingerprint=ask.fingerprint,
            owner=self._crew.name,
            attempts=0 if choice is None else 1,
            cost=Decimal(0) if choice is None else choice.cost,
            substitutions={} if choice is None else choice.substituted,
        )
        live = Live(video, route)
        taken: Live | Video | None = None
        try:
            opening = (
                self._hold(live, limits) if choice is None else self._open(live, choice, limits)
            )
            taken = await opening
        finally:
            if taken is not live:  # nobody will ask for its picture
                await self._sources.forget(video.params)
        return taken

    async def _hold(self, live: Live, limits: tuple[SpendingLimit, ...]) -> Live | Video:
        """Write a video down that no service can be asked for at the moment."""
        if not await self._crew.books.hold(live):
            return await self._repeats.of_idempotency(live.video, self._conditions.answer_within)
        live.settle()
        self._crew.hold(live, limits)
        return live

    async def _open(
        self, live: Live, choice: Choice, limits: tuple[SpendingLimit, ...]
    ) -> Live | Video:
        attempt, entry = prepare(live, choice, live.video.created_at)
        try:
            is_ours = await self._crew.books.open(live, attempt, entry, limits)
        except BudgetError as error:
            raise out_of_money(str(error)) from None
        if not is_ours:  # another process was faster with the same idempotency key
            return await self._repeats.of_idempotency(live.video, self._conditions.answer_within)
        self._crew.begin(live, choice, limits)
        return live

    async def _answer(self, live: Live) -> Video:
        """Return what the caller of a create is told."""
        live.is_settled = True
        if not live.video.is_terminal or live.paid_for or live.is_answered:
            live.is_answered = True
            return live.video
        await self._history.videos.delete(live.video.id, self._clock.now())
        self._crew.forget(live.video.id)
        raise refusal_of(live.refusals, content_travels=live.route.content_travels)

    async def _route_of(self, ask: Ask, caller: Caller) -> Route:
        """Return the route that is meant; a video made from another goes where that one went."""
        if ask.model or not ask.source:
            return self._route(ask.model or USUAL_MODEL, caller)
        return self._route((await self.video(ask.source, caller)).model, caller)

    def _route(self, model: str, caller: Caller) -> Route:
        route = self._conditions.routes.get(model)
        if route is None:
            raise RefusalError(
                HTTPStatus.NOT_FOUND,
                f"The model '{model}' does not exist; GET /v1/models lists those that do.",
                code="model_not_found",
                param="model",
            )
        if not caller.may_ask(model):
            raise RefusalError(
                HTTPStatus.FORBIDDEN,
                f"This key may not use the model '{model}'.",
                code="model_not_allowed",
                param="model",
            )
        return route


_CLOSING = RefusalError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "This server is about to end; ask again.",
    code="no_service_available",
    retry_after=timedelta(seconds=2),
)


def unknown_video(id_: str, param: str = "video_id") -> RefusalError:
    """Return the refusal of a video that its caller does not have."""
    return RefusalError(
        HTTPStatus.NOT_FOUND,
        f"Video with id '{id_}' not found.",
        code="not_found",
        param=param,
    )
