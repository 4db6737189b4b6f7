"""The operations of the Videos API, each from its request to its answer."""

import asyncio
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from tallylight.clock import Clock
from tallylight.gateway.api import GatewayPort, SortOrder
from tallylight.gateway.http import parse, serialize
from tallylight.gateway.http.downloads import (
    Download,
    NotModified,
    etag_of,
    matches_etag,
    parse_range,
)
from tallylight.gateway.http.fields import (
    file_reference,
    invalid_value,
    missing_field,
    required_text_field,
    text_field,
    wrong_type,
)
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.request import HttpRequest, read_fields
from tallylight.gateway.http.response import ApiResponse
from tallylight.gateway.http.serialize import poll_after_header, video_headers
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.settings import GatewaySettings
from tallylight.model.ids import VideoId
from tallylight.model.video import Video, VideoStatus

_VARIANTS = ("video", "thumbnail", "spritesheet")
_SORT_ORDERS: Mapping[str, SortOrder] = {"": "desc", "desc": "desc", "asc": "asc"}
_PAGE_SIZE = 20
_MAX_PAGE_SIZE = 100
_LIMIT = re.compile(r"[0-9]{1,9}")
_MAX_NAME_LENGTH = 80
_INLINE_LIMIT = 256 * 1024  # bytes; what is longer is decoded and digested in a thread


class VideosApiHandlers:
    """Asks the gateway what a request asks for, and puts what it says into the API's words."""

    def __init__(self, gateway: GatewayPort, settings: GatewaySettings, clock: Clock) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._started_at = clock.now()

    async def create(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Make a video."""
        return await self._create_video(request, caller, parse.create_request)

    async def remix(self, request: HttpRequest, caller: Caller, id_: VideoId) -> ApiResponse:
        """Make a finished video anew."""
        return await self._create_video(
            request, caller, lambda tree, said: parse.remix_request(tree, said, id_)
        )

    async def edit(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Change a video."""
        return await self._create_video(request, caller, parse.edit_request)

    async def extend(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Add seconds to a video."""
        return await self._create_video(request, caller, parse.extend_request)

    async def retrieve(self, caller: Caller, id_: VideoId) -> ApiResponse:
        """Show a video, and say when to ask again."""
        video = await self._gateway.video(id_, caller)
        return _video_response(
            video, poll_after_header(video, self._clock.now(), self._settings.poll_after)
        )

    async def list_videos(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Show a page of the caller's videos."""
        page = await self._gateway.list_videos(
            caller,
            after=_after_parameter(request.query_parameter("after")),
            limit=_limit_parameter(request.query_parameter("limit")),
            order=_order_parameter(request.query_parameter("order")),
        )
        return ApiResponse(serialize.video_page_json(page).encode("ascii"))

    async def delete(self, caller: Caller, id_: VideoId) -> ApiResponse:
        """Forget a video."""
        await self._gateway.delete(id_, caller)
        return ApiResponse(serialize.deletion_json(id_).encode("ascii"))

    async def content(
        self, request: HttpRequest, caller: Caller, id_: VideoId
    ) -> Download | NotModified:
        """Give a video's bytes, or those of a picture of it, or a part of them."""
        variant = request.query_parameter("variant") or "video"
        if variant not in _VARIANTS:
            raise invalid_value(
                "variant", f"'{variant[:40]}'", "'video', 'thumbnail' or 'spritesheet'"
            )
        tag = etag_of(id_, variant)
        if matches_etag(request.header(b"if-none-match"), tag):
            video = await self._gateway.video(id_, caller)
            if video.status is VideoStatus.COMPLETED:
                return NotModified(tag)
        # A range is defined for GET alone (RFC 9110, section 14.2).
        range_ = "" if request.method == "HEAD" else request.header(b"range")
        span = parse_range(range_, request.header(b"if-range"), tag)
        name = id_ if variant == "video" else f"{id_}-{variant}"
        return Download(self._gateway.content(id_, caller, variant, span), name, tag)

    async def create_character(self, request: HttpRequest, caller: Caller) -> ApiResponse:
        """Make a character known."""
        fields = await read_fields(request, self._settings.largest_body)
        film = fields.get("video")
        if film is None:
            raise missing_field("video")
        if not isinstance(film, Upload):
            raise wrong_type("video", "a file", film)
        character = await self._gateway.create_character(
            required_text_field(fields, "name", _MAX_NAME_LENGTH),
            file_reference(film, "video"),
            text_field(fields, "model"),
            caller,
        )
        return ApiResponse(serialize.character_json(character).encode("ascii"))

    async def character(self, caller: Caller, id_: str) -> ApiResponse:
        """Show a character."""
        character = await self._gateway.character(id_, caller)
        return ApiResponse(serialize.character_json(character).encode("ascii"))

    async def models(self, caller: Caller) -> ApiResponse:
        """List the routes."""
        names = self._gateway.models(caller)
        return ApiResponse(serialize.model_list_json(names, self._started_at).encode("ascii"))

    async def model(self, caller: Caller, name: str) -> ApiResponse:
        """Show a route."""
        if name not in self._gateway.models(caller):
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                f"The model '{name}' does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            )
        return ApiResponse(serialize.model_json(name, self._started_at).encode("ascii"))

    async def _create_video(
        self,
        request: HttpRequest,
        caller: Caller,
        parser: Callable[[FieldTree, parse.RequestContext], CreateRequest],
    ) -> ApiResponse:
        manner = parse.read_context(request.headers, caller.key)
        fields = await read_fields(request, self._settings.largest_body)
        told = request.header(b"content-length")
        if told.isdigit() and int(told) <= _INLINE_LIMIT:
            ask = parser(fields, manner)
        else:
            ask = await asyncio.to_thread(parser, fields, manner)
        return _video_response(await self._gateway.create(ask, caller))


def _video_response(video: Video, headers: tuple[tuple[bytes, bytes], ...] = ()) -> ApiResponse:
    return ApiResponse(
        serialize.video_json(video).encode("ascii"), (*video_headers(video), *headers)
    )


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
