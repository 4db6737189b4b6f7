"""The gateway: creates videos and images, and serves their state, content and list."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus

from tallylight.clock import Clock
from tallylight.documents.nearest import did_you_mean
from tallylight.gateway.api import ByteRange, Character, Content, Images, SortOrder, VideoPage
from tallylight.gateway.assets.contents import ContentReader
from tallylight.gateway.creation import VideoCreator
from tallylight.gateway.errors import create_error, images_error
from tallylight.gateway.idempotency import RequestDeduplicator
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.keys import Caller
from tallylight.gateway.recent_videos import RecentVideos
from tallylight.gateway.requests import ApiError, CreateRequest, not_found, video_not_found
from tallylight.gateway.routing.routes import DEFAULT_MODEL, Route
from tallylight.gateway.settings import GatewaySettings
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import VideoId
from tallylight.model.order import Input
from tallylight.model.video import Video, VideoKind, VideoStatus
from tallylight.storage.database import Storage
from tallylight.storage.engine import run_to_completion

_STORING_TIME = timedelta(minutes=1)
"""How long after its deadline a request for images may still store what was made in time."""


class Gateway:
    """Creates, follows and serves videos, for the HTTP layer and the Python client alike.

    Every method raises `ApiError` for a refused request. A video of another caller is reported as
    one that does not exist.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        settings: Callable[[], GatewaySettings],
        storage: Storage,
        creator: VideoCreator,
        recent: RecentVideos,
        inputs: InputResolver,
        contents: ContentReader,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._creator = creator
        self._recent = recent
        self._inputs = inputs
        self._contents = contents
        self._deduplicator = RequestDeduplicator(storage, recent, clock)
        self._clock = clock

    async def create(self, request: CreateRequest, caller: Caller) -> Video:
        """Create a video, or return the video that the same request has already created.

        Returns once a service has accepted the job, an attempt is in doubt, or `answer_within` has
        passed. The video is followed in any case.

        Raises:
            ApiError: if no service can or may make the video; then it costs nothing.
        """
        created = await self._found_or_begun(request, caller)
        if isinstance(created, Video):
            return created
        await self._recent.wait_until_resolved(created, self._settings().answer_within)
        return await self._answer(created, request, caller)

    async def make_images(self, request: CreateRequest, caller: Caller) -> Images:
        """Make images, or join the same request, and return them once they are stored.

        A client that disconnects stops nothing: the same request finds them later.

        Raises:
            ApiError: if there will be none, or none in the time that the route allows.
        """
        created = await self._found_or_begun(request, caller)
        video = created if isinstance(created, Video) else created.video
        until = video.deadline + _STORING_TIME
        if isinstance(created, TrackedVideo):
            await self._recent.wait_until_over(created, until - self._clock.now())
            video = await self._answer(created, request, caller)
        video = await self._recent.wait_for_content(video, until, self._storage.videos.get)
        if video.status is not VideoStatus.COMPLETED:
            raise images_error(video)
        return await self._contents.images(video)

    async def video(self, id_: VideoId, caller: Caller) -> Video:
        """Return the current state of a video."""
        video = self._recent.cached(id_)
        if video is None:
            video = await self._storage.videos.get(id_)
            if video is not None and video.is_terminal:
                self._recent.cache(video)
        if video is None or not _is_shown(video, caller):
            raise video_not_found(id_)
        return video

    async def wait_for_change(self, id_: VideoId, caller: Caller, within: timedelta) -> Video:
        """Return a video after its next change, or unchanged after `within`."""
        await self._recent.wait_for_change(id_, within)
        return await self.video(id_, caller)

    async def list_videos(
        self, caller: Caller, *, after: VideoId, limit: int, order: SortOrder
    ) -> VideoPage:
        """Return the page of a caller's videos after one of them, "" for the first page."""
        last = await self._storage.videos.get_including_deleted(after) if after else None
        if after and (last is None or not _may_see(last, caller)):
            raise video_not_found(after, "after")
        stored = await self._storage.videos.list_page(
            caller.key, after=last, limit=limit, order=order
        )
        known = (self._recent.cached(video.id) or video for video in stored[:limit])
        videos = [video for video in known if video.deleted_at is None]
        return VideoPage(videos, has_more=len(stored) > limit)

    async def delete(self, id_: VideoId, caller: Caller) -> None:
        """Delete a completed or failed video."""
        video = await self.video(id_, caller)
        if not video.is_terminal:
            raise ApiError(
                HTTPStatus.CONFLICT,
                f"Video {id_} is {video.status}; only completed or failed videos can be deleted.",
                code="video_not_finished",
                param="video_id",
            )
        await self._contents.delete(video)
        await self._storage.videos.delete(id_, self._clock.now())
        self._recent.evict(id_)

    @asynccontextmanager
    async def content(
        self, id_: VideoId, caller: Caller, variant: str, byte_range: ByteRange | None
    ) -> AsyncIterator[Content]:
        """Open a completed video's content, or a range of it.

        A service that ignores ranges makes this return the whole content. Entering the block
        raises `RangeNotSatisfiableError` for a range behind the end.
        """
        video = await self.video(id_, caller)
        if video.status is not VideoStatus.COMPLETED:
            raise not_found(
                f"Video {id_} is {video.status}; it has no content yet.",
                code="video_not_completed",
                param="video_id",
            )
        async with self._contents.open(video, variant, byte_range) as content:
            yield content

    async def create_character(
        self, name: str, video_file: Input, model: str, caller: Caller
    ) -> Character:
        """Create a character from a video that shows it."""
        route = self._allowed_route(model or DEFAULT_MODEL, caller)
        return await self._inputs.create_character(name, video_file, route, caller.key)

    async def character(self, id_: str, caller: Caller) -> Character:
        """Return a character."""
        return await self._inputs.character(id_, caller.key)

    def models(self, caller: Caller) -> Sequence[str]:
        """Return the names of the routes that a caller may use."""
        return [name for name in self._settings().routes if caller.may_use(name)]

    async def _found_or_begun(self, request: CreateRequest, caller: Caller) -> TrackedVideo | Video:
        """Return what the same request has already created, or begin."""
        route = await self._route_for(request, caller)
        async with self._deduplicator.wait_for_original(request, caller):
            created = await self._deduplicator.find(request, caller, self._settings().answer_within)
            if created is None:
                # Not cancelled if the client disconnects: a recorded attempt is always sent.
                created = await run_to_completion(self._begin(request, caller, route))
        return created

    async def _answer(self, tracked: TrackedVideo, request: CreateRequest, caller: Caller) -> Video:
        """Return the response to a create; expect it again if it is refused for now."""
        try:
            return await self._create_result(tracked)
        except ApiError as error:
            if error.retry_after is not None:
                self._deduplicator.expect_retry(request, caller)
            raise

    async def _begin(
        self, request: CreateRequest, caller: Caller, route: Route
    ) -> TrackedVideo | Video:
        """Record a new video and start its first attempt, or find the one of the same request."""
        created = await self._creator.create(request, caller, route)
        if created is not None:
            return created
        # Another process recorded the same idempotency key first.
        return await self._deduplicator.find_by_key(request, caller, self._settings().answer_within)

    async def _create_result(self, tracked: TrackedVideo) -> Video:
        """Return the response to a create; raise if every service refused."""
        while tracked.is_ending and not tracked.is_over:  # there may be no video
            await tracked.wait_for_change()
        tracked.is_resolved = True
        if tracked.video.deleted_at is None:
            tracked.is_answered = True
            return tracked.video
        route = self._settings().routes.get(tracked.video.model)
        travels = route is not None and route.content_travels
        raise create_error(tracked.refusals, content_travels=travels)

    async def _route_for(self, request: CreateRequest, caller: Caller) -> Route:
        """Return the route of a request; a derived video defaults to the route of its source."""
        if request.model or not request.source:
            return self._allowed_route(request.model or DEFAULT_MODEL, caller)
        return self._allowed_route((await self.video(request.source, caller)).model, caller)

    def _allowed_route(self, model: str, caller: Caller) -> Route:
        route = self._settings().routes.get(model)
        if route is None:
            # Only names that the caller may use: a hint must not reveal other routes.
            hint = did_you_mean(model, self.models(caller)) or "GET /v1/models lists the models."
            message = f"The model '{model}' does not exist. {hint}"
            raise not_found(message, "model", code="model_not_found")
        if not caller.may_use(model):
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                f"This key may not use the model '{model}'.",
                code="model_not_allowed",
                param="model",
            )
        return route


def _may_see(video: Video, caller: Caller) -> bool:
    """Tell whether a row is a caller's film; its images are answered to their request alone."""
    return video.key == caller.key and video.kind is VideoKind.VIDEO


def _is_shown(video: Video, caller: Caller) -> bool:
    return video.deleted_at is None and _may_see(video, caller)
