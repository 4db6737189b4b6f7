"""The operations of the Videos API: one handler each, from the request to the response."""

import asyncio
import re
from collections.abc import Callable, Mapping

from tallylight.clock import Clock
from tallylight.gateway.api import SortOrder
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.http import parse, serialize
from tallylight.gateway.http.downloads import (
    Download,
    etag_of,
    matches_etag,
    not_modified,
    parse_range,
)
from tallylight.gateway.http.fields import (
    invalid_value,
    missing_field,
    required_text_field,
    text_field,
    wrong_type,
)
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.image_answers import ImagesAnswer
from tallylight.gateway.http.parse_images import edit_images_request, generation_request
from tallylight.gateway.http.pictures import film_reference
from tallylight.gateway.http.request import HttpRequest, read_fields
from tallylight.gateway.http.response import ApiResponse
from tallylight.gateway.http.serialize import poll_after_header, video_headers
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import CreateRequest, not_found
from tallylight.gateway.settings import GatewaySettings
from tallylight.model.ids import VideoId
from tallylight.model.video import Video, VideoStatus

_VARIANTS = ("video", "thumbnail", "spritesheet")
_SORT_ORDERS: Mapping[str, SortOrder] = {"": "desc", "desc": "desc", "asc": "asc"}
_PAGE_SIZE = 20
_MAX_PAGE_SIZE = 100
_LIMIT = re.compile(r"[0-9]{1,9}")
_MAX_NAME_LENGTH = 80
_INLINE_LIMIT = 256 * 1024  # bytes; longer bodies are parsed and hashed in a thread


_Parser = Callable[[FieldTree, parse.RequestContext], CreateRequest]
"""Turns the fields of a request into what its caller wants; raises ApiError."""


class VideosApiHandlers:
    """Calls the gateway for each request and serializes the result."""

    def __init__(
        self, gateway: Gateway, settings: Callable[[], GatewaySettings], clock: Clock
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._started_at = clock.now()

    async def create(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Create a video."""
        return await self._create_video(request, caller, parse.create_request)

    async def remix(self, request: HttpRequest, caller: Caller, id_: VideoId) -> ApiResponse:
        """Remix a completed video."""
        return await self._create_video(
            request, caller, lambda fields, context: parse.remix_request(fields, context, id_)
        )

    async def edit(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Edit a video."""
        return await self._create_video(request, caller, parse.edit_request)

    async def extend(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Extend a video."""
        return await self._create_video(request, caller, parse.extend_request)

    async def generate_images(self, request: HttpRequest, caller: Caller) -> ImagesAnswer:
        """Make images from a prompt."""
        create = await self._parsed(request, caller, generation_request)
        return ImagesAnswer(await self._gateway.make_images(create, caller))

    async def edit_images(self, request: HttpRequest, caller: Caller) -> ImagesAnswer:
        """Make images from images."""
        create = await self._parsed(request, caller, edit_images_request)
        return ImagesAnswer(await self._gateway.make_images(create, caller))

    async def retrieve(self, caller: Caller, id_: VideoId) -> ApiResponse:
        """Return a video, with the advised poll interval."""
        video = await self._gateway.video(id_, caller)
        return _video_response(
            video, poll_after_header(video, self._clock.now(), self._settings().poll_after)
        )

    async def list_videos(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Return a page of the caller's videos."""
        page = await self._gateway.list_videos(
            caller,
            after=_after_parameter(request.query_parameter("after")),
            limit=_limit_parameter(request.query_parameter("limit")),
            order=_order_parameter(request.query_parameter("order")),
        )
        return _json(serialize.video_page_json(page))

    async def delete(self, caller: Caller, id_: VideoId) -> ApiResponse:
        """Delete a video."""
        await self._gateway.delete(id_, caller)
        return _json(serialize.deletion_json(id_))

    async def content(
        self, request: HttpRequest, caller: Caller, id_: VideoId
    ) -> Download | ApiResponse:
        """Return the content of a video, or of an image of it, or a range of that."""
        variant = request.query_parameter("variant") or "video"
        if variant not in _VARIANTS:
            raise invalid_value(
                "variant", f"'{variant[:40]}'", "'video', 'thumbnail' or 'spritesheet'"
            )
        etag = etag_of(id_, variant)
        if matches_etag(request.header(b"if-none-match"), etag):
            video = await self._gateway.video(id_, caller)
            if video.status is VideoStatus.COMPLETED:
                return not_modified(etag)
        # A range is defined for GET alone (RFC 9110, section 14.2).
        range_ = "" if request.method == "HEAD" else request.header(b"range")
        byte_range = parse_range(range_, request.header(b"if-range"), etag)
        name = id_ if variant == "video" else f"{id_}-{variant}"
        return Download(self._gateway.content(id_, caller, variant, byte_range), name, etag)

    async def create_character(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Create a character."""
        fields = await read_fields(request, self._settings().largest_body)
        video = fields.get("video")
        if video is None:
            raise missing_field("video")
        if not isinstance(video, Upload):
            raise wrong_type("video", "a file", video)
        character = await self._gateway.create_character(
            required_text_field(fields, "name", _MAX_NAME_LENGTH),
            film_reference(video, "video"),
            text_field(fields, "model"),
            caller,
        )
        return _json(serialize.character_json(character))

    async def character(self, caller: Caller, id_: str) -> ApiResponse:
        """Return a character."""
        character = await self._gateway.character(id_, caller)
        return _json(serialize.character_json(character))

    async def models(self, caller: Caller) -> ApiResponse:
        """Return the list of models: the routes."""
        names = self._gateway.models(caller)
        return _json(serialize.model_list_json(names, self._started_at))

    async def model(self, caller: Caller, name: str) -> ApiResponse:
        """Return one model: a route."""
        if name not in self._gateway.models(caller):
            raise not_found(
                f"The model '{name}' does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            )
        return _json(serialize.model_json(name, self._started_at))

    async def _create_video(
        self, request: HttpRequest, caller: Caller, parser: _Parser
    ) -> ApiResponse:
        create = await self._parsed(request, caller, parser)
        return _video_response(await self._gateway.create(create, caller))

    async def _parsed(self, request: HttpRequest, caller: Caller, parser: _Parser) -> CreateRequest:
        context = parse.read_context(request.headers, caller.key)
        fields = await read_fields(request, self._settings().largest_body)
        length = request.header(b"content-length")
        if length.isdigit() and int(length) <= _INLINE_LIMIT:
            return parser(fields, context)
        return await asyncio.to_thread(parser, fields, context)


def _video_response(video: Video, headers: tuple[tuple[bytes, bytes], ...] = ()) -> ApiResponse:
    return ApiResponse(
        serialize.video_json(video).encode("ascii"), (*video_headers(video), *headers)
    )


def _json(text: str) -> ApiResponse:
    return ApiResponse(text.encode("ascii"))


def _after_parameter(text: str) -> VideoId:
    if "\x00" in text:
        raise invalid_value("after", "another text", "a video's id")
    return VideoId(text)


def _limit_parameter(text: str) -> int:
    if not text:
        return _PAGE_SIZE
    if not _LIMIT.fullmatch(text) or int(text) > _MAX_PAGE_SIZE:
        raise invalid_value("limit", f"'{text[:20]}'", f"an integer from 0 to {_MAX_PAGE_SIZE}")
    return int(text)


def _order_parameter(text: str) -> SortOrder:
    if text not in _SORT_ORDERS:
        raise invalid_value("order", f"'{text[:20]}'", "'asc' or 'desc'")
    return _SORT_ORDERS[text]
