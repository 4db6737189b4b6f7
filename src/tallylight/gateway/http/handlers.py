"""The operations of the Videos API, each from its request to its answer."""

import asyncio
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from tallylight.clock import Clock
from tallylight.gateway.api import Direction, GatewayPort
from tallylight.gateway.http import parse, serialize
from tallylight.gateway.http.body import fields_of
from tallylight.gateway.http.downloads import Download, Unchanged, is_held, tag_of
from tallylight.gateway.http.fields import invalid, missing, needed_text_of, text_of, wrong_type
from tallylight.gateway.http.forms import Tree
from tallylight.gateway.http.headers import poll_after, told_of
from tallylight.gateway.http.ranges import span_of
from tallylight.gateway.http.references import film_of
from tallylight.gateway.http.request import Call
from tallylight.gateway.http.response import Answer
from tallylight.gateway.http.settings import DoorTerms
from tallylight.gateway.http.uploads import Upload
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import Ask, RefusalError
from tallylight.model.ids import VideoId
from tallylight.model.video import Video, VideoStatus

_VARIANTS = ("video", "thumbnail", "spritesheet")
_DIRECTIONS: Mapping[str, Direction] = {"": "desc", "desc": "desc", "asc": "asc"}
_PAGE = 20
_LONGEST_PAGE = 100
_LIMIT = re.compile(r"[0-9]{1,9}")
_LONGEST_NAME = 80
_LIGHT = 256 * 1024  # bytes; what is longer is decoded and digested in a thread


class Operations:
    """Asks the gateway what a request asks for, and puts what it says into the API's words."""

    def __init__(self, gateway: GatewayPort, terms: DoorTerms, clock: Clock) -> None:
        self._gateway = gateway
        self._terms = terms
        self._clock = clock
        self._since = clock.now()

    async def create(self, call: Call, caller: Caller) -> Answer:
        """Make a video."""
        return await self._made(call, caller, parse.creation)

    async def remix(self, call: Call, caller: Caller, id_: VideoId) -> Answer:
        """Make a finished video anew."""
        return await self._made(call, caller, lambda tree, said: parse.remix(tree, said, id_))

    async def edit(self, call: Call, caller: Caller) -> Answer:
        """Change a video."""
        return await self._made(call, caller, parse.edit)

    async def extend(self, call: Call, caller: Caller) -> Answer:
        """Add seconds to a video."""
        return await self._made(call, caller, parse.extension)

    async def retrieve(self, caller: Caller, id_: VideoId) -> Answer:
        """Show a video, and say when to ask again."""
        video = await self._gateway.video(id_, caller)
        return _shown(video, poll_after(video, self._clock.now(), self._terms.poll_after))

    async def listed(self, call: Call, caller: Caller) -> Answer:
        """Show a page of the caller's videos."""
        page = await self._gateway.listed(
            caller,
            after=_after_of(call.parameter("after")),
            limit=_limit_of(call.parameter("limit")),
            order=_direction_of(call.parameter("order")),
        )
        return Answer(serialize.page_text(page).encode("ascii"))

    async def delete(self, caller: Caller, id_: VideoId) -> Answer:
        """Forget a video."""
        await self._gateway.delete(id_, caller)
        return Answer(serialize.deleted_text(id_).encode("ascii"))

    async def content(self, call: Call, caller: Caller, id_: VideoId) -> Download | Unchanged:
        """Give a video's bytes, or those of a picture of it, or a part of them."""
        variant = call.parameter("variant") or "video"
        if variant not in _VARIANTS:
            raise invalid("variant", f"'{variant[:40]}'", "'video', 'thumbnail' or 'spritesheet'")
        tag = tag_of(id_, variant)
        if is_held(call.header(b"if-none-match"), tag):
            video = await self._gateway.video(id_, caller)
            if video.status is VideoStatus.COMPLETED:
                return Unchanged(tag)
        # A range is defined for GET alone (RFC 9110, section 14.2).
        range_ = "" if call.method == "HEAD" else call.header(b"range")
        span = span_of(range_, call.header(b"if-range"), tag)
        name = id_ if variant == "video" else f"{id_}-{variant}"
        return Download(self._gateway.content(id_, caller, variant, span), name, tag)

    async def create_character(self, call: Call, caller: Caller) -> Answer:
        """Make a character known."""
        fields = await fields_of(call, self._terms.largest_body)
        film = fields.get("video")
        if film is None:
            raise missing("video")
        if not isinstance(film, Upload):
            raise wrong_type("video", "a file", film)
        character = await self._gateway.create_character(
            needed_text_of(fields, "name", _LONGEST_NAME),
            film_of(film, "video"),
            text_of(fields, "model"),
            caller,
        )
        return Answer(serialize.character_text(character).encode("ascii"))

    async def character(self, caller: Caller, id_: str) -> Answer:
        """Show a character."""
        character = await self._gateway.character(id_, caller)
        return Answer(serialize.character_text(character).encode("ascii"))

    async def models(self, caller: Caller) -> Answer:
        """List the routes."""
        names = self._gateway.models(caller)
        return Answer(serialize.models_text(names, self._since).encode("ascii"))

    async def model(self, caller: Caller, name: str) -> Answer:
        """Show a route."""
        if name not in self._gateway.models(caller):
            raise RefusalError(
                HTTPStatus.NOT_FOUND,
                f"The model '{name}' does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            )
        return Answer(serialize.model_text(name, self._since).encode("ascii"))

    async def _made(
        self, call: Call, caller: Caller, read: Callable[[Tree, parse.Manner], Ask]
    ) -> Answer:
        manner = parse.manner_of(call.headers, caller.key)
        fields = await fields_of(call, self._terms.largest_body)
        told = call.header(b"content-length")
        if told.isdigit() and int(told) <= _LIGHT:
            ask = read(fields, manner)
        else:
            ask = await asyncio.to_thread(read, fields, manner)
        return _shown(await self._gateway.create(ask, caller))


def _shown(video: Video, more: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    return Answer(serialize.video_text(video).encode("ascii"), (*told_of(video), *more))


def _after_of(written: str) -> VideoId:
    if "\x00" in written:
        raise invalid("after", "another text", "a video's id")
    return VideoId(written)


def _limit_of(written: str) -> int:
    if not written:
        return _PAGE
    if not _LIMIT.fullmatch(written) or int(written) > _LONGEST_PAGE:
        raise invalid("limit", f"'{written[:20]}'", f"an integer from 0 to {_LONGEST_PAGE}")
    return int(written)


def _direction_of(written: str) -> Direction:
    if written not in _DIRECTIONS:
        raise invalid("order", f"'{written[:20]}'", "'asc' or 'desc'")
    return _DIRECTIONS[written]
