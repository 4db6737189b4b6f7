"""What a video builds on: a reference, another video, characters; kept, and found again.

A video that was made from another, or with characters, can be made only where those are.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.api import Character
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.routing.routes import Route
from tallylight.model.attempt import AttemptState
from tallylight.model.evidence import Failure, Fault
from tallylight.model.ids import NO_SERVICE, KeyId, ServiceId, VideoId
from tallylight.model.order import Operation, Order, Reference
from tallylight.model.video import CreateParams, Video, VideoStatus
from tallylight.storage.characters import CharacterRow
from tallylight.storage.database import Storage
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_DEFAULT_SECONDS, _DEFAULT_SIZE = 4, "720x1280"
"""What the Videos API takes where nothing is said."""

_SENT_MEASURES: Mapping[Operation, frozenset[str]] = {
    Operation.CREATE: frozenset({"seconds", "size"}),
    Operation.EXTEND: frozenset({"seconds"}),
}
"""Which measures a service is told, by operation; the others are those of the film it works on."""


class InputResolver:
    """Keeps what videos build on."""

    def __init__(
        self, board: Board, storage: Storage, transport: Transport, store: AssetStore, clock: Clock
    ) -> None:
        self._board = board
        self._storage = storage
        self._transport = transport
        self._store = store
        self._clock = clock

    async def resolve(
        self, request: CreateRequest, key: KeyId, route: Route
    ) -> tuple[CreateParams, Order]:
        """Return what a request asks for, in full.

        Raises:
            RefusalError: if what it builds on is not there, is out of the route's reach, or has
                other measures.
        """
        source, job, pinned = None, "", NO_SERVICE
        if request.source:
            source, job, pinned = await self._source_video(request.source, key)
        _check_measures(request, source)
        if request.characters:
            at, characters = await self._resolve_characters(request.characters, key)
            if pinned and at != pinned:
                raise _invalid(
                    "The source video and the characters are at different services.", "characters"
                )
            pinned = at
        else:
            characters = ()
        if pinned:
            self._check_route_has(pinned, route)
        # What is made from another video is as long and as large as that one.
        is_free = source is None
        chosen = ["seconds"] if is_free and request.seconds is None else []
        chosen += ["size"] if is_free and not request.size else []
        order = Order(
            prompt=request.prompt,
            seconds=request.seconds or (source.seconds if source else _DEFAULT_SECONDS),
            size=request.size or (source.size if source else _DEFAULT_SIZE),
            operation=request.operation,
            source=job,
            reference=request.reference,
            characters=characters,
            extras=request.extras,
        )
        wish = CreateParams(
            operation=request.operation,
            source=request.source,
            reference=None if request.reference is None else replace(request.reference, body=b""),
            characters=request.characters,
            extras=request.extras,
            pinned_service=pinned,
            defaulted_fields=tuple(chosen),
            policy=request.policy,
            base_seconds=source.seconds if source and request.operation is Operation.EXTEND else 0,
        )
        return wish, order

    async def store_reference(
        self, id_: VideoId, params: CreateParams, order: Order
    ) -> CreateParams:
        """Keep the bytes of a reference, for services that may have to be asked later."""
        reference = order.reference
        if reference is None or not reference.body:
            return params
        name = f"references/{id_}"
        await self._store.put(name, reference.body)
        return replace(params, reference_asset=name)

    async def delete_reference(self, params: CreateParams) -> None:
        """Delete the bytes of a reference that no service will be asked for any more."""
        if not params.reference_asset:
            return
        try:
            await self._store.delete(params.reference_asset)
        except StorageError as error:
            log.warning("reference.delete_failed", name=params.reference_asset, error=str(error))

    async def order_for(self, video: Video) -> Order:
        """Return all that is asked of a service for a video, read from where it is kept."""
        wish, order = video.params, video.order()
        if wish.reference_asset and wish.reference is not None:
            async with self._store.open(wish.reference_asset) as (_, chunks):
                body = b"".join([chunk async for chunk in chunks])
            order = replace(order, reference=replace(wish.reference, body=body))
        if wish.source:
            _, job, _ = await self._source_video(wish.source, video.key)
            order = replace(order, source=job)
        if wish.characters:
            _, characters = await self._resolve_characters(wish.characters, video.key)
            order = replace(order, characters=characters)
        return order

    async def create_character(
        self, name: str, video_file: Reference, route: Route, key: KeyId
    ) -> Character:
        """Make a character known at the first service of a route that can have one.

        Raises:
            RefusalError: if no service can or does take it.
        """
        able = [service for service in self._services(route) if _supports_characters(service)]
        if not able:
            raise _invalid(f"No service of '{route.name}' has characters.", "model")
        said = ""
        for service in able:
            adapter = adapter_for(service.upstream)
            request = adapter.create_character(name, video_file)
            answer = adapter.read_character(await self._transport.send(request, service.upstream))
            if isinstance(answer, Failure):
                if answer.fault is Fault.CALLER:
                    raise _invalid(answer.text or answer.rule, "video")
                said = f"{service.id}: {answer.text or answer.rule}"
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
            f"No service took the character. {said}",
            code="no_service_available",
        )

    async def character(self, id_: str, key: KeyId) -> Character:
        """Return a character."""
        row = await self._storage.characters.get(id_)
        if row is None or row.key != key:
            raise _not_found(f"Character with id '{id_}' not found.", "character_id")
        return Character(row.id, row.name, row.created_at)

    def _services(self, route: Route) -> list[Service]:
        return [self._board.service(id_) for id_ in route.services if id_ in self._board]

    def _check_route_has(self, pinned: ServiceId, route: Route) -> None:
        """Refuse what is at a service that cannot be asked by this route, now or later."""
        if pinned not in self._board:
            why = "which has left the configuration"
        elif pinned not in route.services:
            why = f"which is none of '{route.name}'; name a model that has it"
        else:
            return
        raise _invalid(f"What this is made from is at the service '{pinned}', {why}.", "model")

    async def _source_video(self, id_: VideoId, key: KeyId) -> tuple[Video, str, ServiceId]:
        video = await self._storage.videos.get(id_)
        if video is None or video.key != key:
            raise _not_found(f"Video with id '{id_}' not found.", "video")
        if video.status is not VideoStatus.COMPLETED:
            message = f"Video {id_} is {video.status}; only a completed one can be used."
            raise _invalid(message, "video")
        attempts = await self._storage.attempts.for_video(id_)
        made = next(a for a in attempts if a.state is AttemptState.DELIVERED)
        return video, made.job, made.service

    async def _resolve_characters(
        self, ids: tuple[str, ...], key: KeyId
    ) -> tuple[ServiceId, tuple[str, ...]]:
        rows = []
        for id_ in ids:
            row = await self._storage.characters.get(id_)
            if row is None or row.key != key:
                raise _not_found(f"Character with id '{id_}' not found.", "characters")
            rows.append(row)
        if len({row.service for row in rows}) > 1:
            message = "The characters are at different services; use those of one."
            raise _invalid(message, "characters")
        return rows[0].service, tuple(row.upstream_id for row in rows)


def _supports_characters(service: Service) -> bool:
    adapter = adapter_for(service.upstream)
    return adapter.takes_characters and Operation.CREATE in adapter.operations


def _check_measures(request: CreateRequest, source: Video | None) -> None:
    """Refuse a measure that no service would be told, unless it is that of the source anyway.

    By it the price would be reckoned, and a limit of spending passed with "seconds": "1".
    """
    asked = {"seconds": request.seconds, "size": request.size or None}
    known = {} if source is None else {"seconds": source.seconds, "size": source.size}
    for param, value in asked.items():
        is_said = param in _SENT_MEASURES.get(request.operation, ())
        if is_said or value in {None, known.get(param)}:
            continue
        theirs = f", here {known[param]}" if param in known else ""
        raise _invalid(
            f"Invalid value for '{param}': {value}. This operation takes that of its film"
            f"{theirs}; leave it out.",
            param,
        )


def _invalid(message: str, param: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, message, code="invalid_value", param=param)


def _not_found(message: str, param: str) -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, message, code="not_found", param=param)
