"""Records a new video with its first attempt, and starts to follow it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.gateway.errors import SHUTTING_DOWN, no_service_error, spending_limit_error
from tallylight.gateway.failover import Failover
from tallylight.gateway.finish import measures_of
from tallylight.gateway.further import new_attempt
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import CreateRequest
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.gateway.settings import GatewaySettings
from tallylight.jobs.parts import JobParts
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.ids import VideoId
from tallylight.model.ledger import SpendingLimit
from tallylight.model.order import Medium
from tallylight.model.video import CreateParams, Video, VideoKind, VideoRecord
from tallylight.upstreams.protocols.registry import adapter_for


class VideoCreator:
    """Creates callers' videos."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        settings: Callable[[], GatewaySettings],
        selector: ServiceSelector,
        inputs: InputResolver,
        jobs: JobParts,
        failover: Failover,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._selector = selector
        self._inputs = inputs
        self._jobs = jobs
        self._failover = failover
        self._clock = clock

    async def create(
        self, request: CreateRequest, caller: Caller, route: Route
    ) -> TrackedVideo | None:
        """Record a new video and start its first attempt.

        Returns:
            The video; None if another process has recorded the same idempotency key.

        Raises:
            ApiError: if no service can or may make it; then nothing is recorded.
            StorageError: if the database is unavailable; then nothing is recorded.
        """
        if self._jobs.followers.is_closing:
            raise SHUTTING_DOWN
        params, wish = await self._inputs.resolve(request, caller.key, route)
        limits = caller.spending_limits(self._settings().budget)
        ranking = self._selector.rank_wish(wish, params, route, limits)
        choice = next(iter(ranking.choices), None)
        if choice is None and not (route.hold and ranking.may_change):
            raise no_service_error(route, ranking)
        if choice is not None and _uploads_first(choice):
            choice = None  # the video is recorded first, and its caller does not wait for that
        id_ = VideoId(f"{request.medium.value}_{uuid4().hex}")
        params = await self._inputs.store_inputs(id_, params, request.inputs)
        video = self._new_video(id_, request, caller, route, params)
        tracked: TrackedVideo | None = None
        try:
            tracked = await self._record(video, choice, limits)
        finally:
            if tracked is None:  # no attempt of this video will need its pictures
                await self._inputs.delete_inputs(params)
        return tracked

    def _new_video(
        self,
        id_: VideoId,
        request: CreateRequest,
        caller: Caller,
        route: Route,
        params: CreateParams,
    ) -> Video:
        now, is_film = self._clock.now(), request.medium is Medium.VIDEO
        measures = params.measures
        return Video(
            id=id_,
            key=caller.key,
            model=route.name,
            prompt=request.prompt,
            seconds=measures.shown_seconds + params.base_seconds if is_film else 0,
            size=measures.shown_size if is_film else measures.size,
            created_at=now,
            deadline=now + route.deadline,
            params=params,
            idempotency_key=request.idempotency_key,
            fingerprint=request.fingerprint,
            kind=VideoKind.VIDEO if is_film else VideoKind.IMAGE,
            owner=self._jobs.followers.owner,
        )

    async def _record(
        self,
        video: Video,
        choice: Choice | None,
        limits: tuple[SpendingLimit, ...],
    ) -> TrackedVideo | None:
        """Record a video and follow it; without a choice its first attempt comes later."""
        began = self._clock.boottime()
        new = None
        if choice is not None:
            new = new_attempt(video, 1, choice, limits, video.created_at, self._jobs.timing)
            video = replace(video, made=measures_of(video, new.attempt))
        try:
            record = await self._jobs.journal.create(video, new)
        except BudgetError as error:
            raise spending_limit_error(str(error)) from None
        if record is None:
            return None
        return self._start(record, choice, began)

    def _start(self, record: VideoRecord, choice: Choice | None, began: float) -> TrackedVideo:
        tracked = TrackedVideo(record, began)
        if choice is None:
            tracked.resolve()
            self._jobs.followers.start(tracked)
        else:
            tracked.intended_at[record.attempts[-1].id] = began
            tracked.is_sending = True
            following = self._failover.begin(tracked, choice.service, choice.order)
            self._jobs.followers.start(tracked, following)
        return tracked


def _uploads_first(choice: Choice) -> bool:
    """Tell whether inputs have to be handed over before the first attempt."""
    adapter = adapter_for(choice.service.upstream)
    return adapter.upload is not None and bool(choice.order.inputs)
