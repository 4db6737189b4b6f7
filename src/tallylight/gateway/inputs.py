"""Inputs of a video: its pictures, source video and characters. Stores and resolves them.

A source video and characters exist at one service only, so a video that uses them is pinned to
that service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.api import Character
from tallylight.gateway.assets.names import files_of, input_name
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.requests import (
    ApiError,
    CreateRequest,
    bad_request,
    not_found,
    video_not_found,
)
from tallylight.gateway.routing.routes import Route
from tallylight.model.evidence import Failure, Fault
from tallylight.model.frames import frame_of
from tallylight.model.ids import NO_SERVICE, KeyId, ServiceId, VideoId
from tallylight.model.order import Input, Operation
from tallylight.model.video import CreateParams, Video, VideoStatus
from tallylight.model.wish import Wish
from tallylight.storage.characters import CharacterRow
from tallylight.storage.database import Storage
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.protocols.registry import adapter_for

log = structlog.get_logger()

_SENT_MEASURES: Mapping[Operation, frozenset[str]] = {
    Operation.CREATE: frozenset({"seconds", "size", "aspect_ratio"}),
    Operation.EXTEND: frozenset({"seconds"}),
}
"""Measures that an operation sends; all others are those of the video it works on."""


class InputResolver:
    """Stores and resolves the inputs of videos."""

    def __init__(
        self,
        board: Board,
        storage: Storage,
        client: UpstreamClient,
        store: AssetStore,
        clock: Clock,
    ) -> None:
        self._board = board
        self._storage = storage
        self._client = client
        self._store = store
        self._clock = clock

    async def resolve(
        self, request: CreateRequest, key: KeyId, route: Route
    ) -> tuple[CreateParams, Wish]:
        """Return a request's parameters, and the wish with all inputs resolved.

        Raises:
            ApiError: if an input does not exist, is at a service outside the route, or has
                other measures than the request.
        """
        source, job, pinned = None, "", NO_SERVICE
        if request.source:
            source, job, pinned = await self._source_video(request.source, key)
        _check_measures(request, source)
        if request.characters:
            at, characters = await self._resolve_characters(request.characters, key)
            if pinned and at != pinned:
                raise bad_request(
                    "The source video and the characters are at different services.", "characters"
                )
            pinned = at
        else:
            characters = ()
        if pinned:
            self._check_route_has(pinned, route)
        measures = request.measures
        if source is not None:  # a derived video has the length and the size of its source
            measures = replace(
                measures,
                seconds=measures.seconds or source.told_seconds,
                size=source.told_size,
                resolution="",
                aspect="",
            )
        wish = Wish(
            prompt=request.prompt,
            operation=request.operation,
            medium=request.medium,
            measures=measures,
            inputs=request.inputs,
            source=job,
            characters=characters,
            extras=request.extras,
        )
        params = CreateParams(
            operation=request.operation,
            measures=measures,
            source=request.source,
            inputs=tuple(replace(each, body=b"") for each in request.inputs),
            characters=request.characters,
            extras=request.extras,
            pinned_service=pinned,
            policy=request.policy,
            base_seconds=source.told_seconds
            if source and request.operation is Operation.EXTEND
            else 0,
        )
        return params, wish

    async def store_inputs(
        self, id_: VideoId, params: CreateParams, inputs: Sequence[Input]
    ) -> CreateParams:
        """Store the bytes of inputs, since later attempts send them again."""
        bodies = [each.body for each in inputs if each.body]
        if not bodies:
            return params
        stored = replace(params, input_asset=input_name(id_, len(bodies)))
        try:
            for name, body in zip(files_of(stored.input_asset), bodies, strict=True):
                await self._store.put(name, body)
        except BaseException:
            await self.delete_inputs(stored)
            raise
        return stored

    async def delete_inputs(self, params: CreateParams) -> None:
        """Delete the bytes of inputs that no attempt will need any more."""
        for name in files_of(params.input_asset):
            try:
                await self._store.delete(name)
            except StorageError as error:
                log.warning("reference.delete_failed", name=name, error=str(error))

    async def wish_for(self, video: Video) -> Wish:
        """Return the wish of a stored video, with its inputs loaded."""
        params, wish = video.params, video.wish()
        if params.input_asset:
            wish = replace(wish, inputs=await self._loaded(params))
        if params.source:
            _, job, _ = await self._source_video(params.source, video.key)
            wish = replace(wish, source=job)
        if params.characters:
            _, characters = await self._resolve_characters(params.characters, video.key)
            wish = replace(wish, characters=characters)
        return wish

    async def _loaded(self, params: CreateParams) -> tuple[Input, ...]:
        """Return inputs with their bytes."""
        names = iter(files_of(params.input_asset))
        loaded: list[Input] = []
        for each in params.inputs:
            if each.url:
                loaded.append(each)
                continue
            async with self._store.open(next(names)) as (_, chunks):
                body = b"".join([chunk async for chunk in chunks])
            loaded.append(replace(each, body=body))
        return tuple(loaded)

    async def create_character(
        self, name: str, video_file: Input, route: Route, key: KeyId
    ) -> Character:
        """Create a character at the first service of a route that supports characters.

        Raises:
            ApiError: if no service supports or accepts it.
        """
        able = [service for service in self._services(route) if _supports_characters(service)]
        if not able:
            raise bad_request(f"No service of '{route.name}' supports characters.", "model")
        reason = ""
        for service in able:
            answer = await self._client.create_character(name, video_file, service.upstream)
            # Another service may accept what one refuses, except for a fault of the caller.
            if isinstance(answer, Failure):
                if answer.fault is Fault.CALLER:
                    raise bad_request(answer.text or answer.rule, "video")
                reason = f"{service.id}: {answer.text or answer.rule}"
                continue
            row = CharacterRow(
                id=f"char_{uuid4().hex}",
                key=key,
                name=name,
                service=service.id,
                upstream_id=answer,
                created_at=self._clock.now(),
            )
            await self._storage.characters.add(row)
            return Character(row.id, row.name, row.created_at)
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"No service accepted the character. {reason}",
            code="no_service_available",
        )

    async def character(self, id_: str, key: KeyId) -> Character:
        """Return a character."""
        row = await self._character_row(id_, key, "character_id")
        return Character(row.id, row.name, row.created_at)

    async def _character_row(self, id_: str, key: KeyId, param: str) -> CharacterRow:
        row = await self._storage.characters.get(id_)
        if row is None or row.key != key:
            raise not_found(f"Character with id '{id_}' not found.", param)
        return row

    def _services(self, route: Route) -> list[Service]:
        return [self._board.service(id_) for id_ in route.services if id_ in self._board]

    def _check_route_has(self, pinned: ServiceId, route: Route) -> None:
        """Refuse inputs at a service that the route does not have."""
        if pinned not in self._board:
            why = "which was removed from the configuration"
        elif pinned not in route.services:
            why = f"which '{route.name}' does not have; use a model that has it"
        else:
            return
        raise bad_request(
            f"The inputs of this video are at the service '{pinned}', {why}.", "model"
        )

    async def _source_video(self, id_: VideoId, key: KeyId) -> tuple[Video, str, ServiceId]:
        video = await self._storage.videos.get(id_)
        if video is None or video.key != key:
            raise video_not_found(id_, "video")
        if video.status is not VideoStatus.COMPLETED:
            message = f"Video {id_} is {video.status}; only a completed video can be used."
            raise bad_request(message, "video")
        delivered = await self._storage.attempts.delivered(id_)
        assert delivered is not None  # noqa: S101  # the video is completed
        return video, delivered.job_id, delivered.service

    async def _resolve_characters(
        self, ids: tuple[str, ...], key: KeyId
    ) -> tuple[ServiceId, tuple[str, ...]]:
        rows = [await self._character_row(id_, key, "characters") for id_ in ids]
        if len({row.service for row in rows}) > 1:
            message = "The characters are at different services; use characters of one service."
            raise bad_request(message, "characters")
        return rows[0].service, tuple(row.upstream_id for row in rows)


def _supports_characters(service: Service) -> bool:
    return adapter_for(service.upstream).create_character is not None


def _check_measures(request: CreateRequest, source: Video | None) -> None:
    """Refuse a measure that the operation does not send, unless it equals that of the source.

    Otherwise the price would be computed from it, and "seconds": "1" would evade a spending limit.
    """
    measures = request.measures
    says_size = bool(measures.size or measures.resolution)
    requested = {
        "seconds": measures.seconds,
        "size": measures.shown_size if says_size else None,
        "aspect_ratio": measures.aspect or None,
    }
    known = {} if source is None else _measures_of_source(source)
    for param, value in requested.items():
        is_sent = param in _SENT_MEASURES.get(request.operation, ())
        if is_sent or value in {None, known.get(param)}:
            continue
        actual = f", here {known[param]}" if param in known else ""
        raise bad_request(
            f"Invalid value for '{param}': {value}. The result has that of its source"
            f"{actual}; leave it out.",
            param,
        )


def _measures_of_source(source: Video) -> Mapping[str, int | str]:
    size = source.told_size
    return {
        "seconds": source.told_seconds,
        "size": size,
        "aspect_ratio": frame_of(size).aspect,
    }
