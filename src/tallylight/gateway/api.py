"""What the HTTP face needs of the gateway, and what it is given back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal, Protocol

from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.model.ids import VideoId
from tallylight.model.order import Reference
from tallylight.model.video import Video

SortOrder = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a content that is asked for.

    Args:
        first: Its first byte; None if `last` counts from the end.
        last: Its last byte, inclusive; None for all that follows. Without `first`: how many
            bytes of the end.
    """

    first: int | None
    last: int | None

    def resolve(self, size: int) -> tuple[int, int] | None:
        """Return its first and last byte in a content of a size, None if it has none there."""
        if self.first is None:
            begin = size - min(self.last or 0, size)
            return (begin, size - 1) if begin < size else None
        if self.first >= size:
            return None
        return self.first, size - 1 if self.last is None else min(self.last, size - 1)


class RangeNotSatisfiableError(ApiError):
    """A part of a content that it does not have.

    Args:
        size: How many bytes it has, None if nobody knows.
    """

    def __init__(self, size: int | None) -> None:
        super().__init__(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "The content does not reach as far as the range that was asked for.",
            code="range_not_satisfiable",
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Content:
    """A video's bytes, or those of a picture of it, on their way.

    Args:
        chunks: The bytes as they come; raises OSError where they break off.
        media_type: "video/mp4".
        size: Of the whole, None if nobody knows.
        part: First and last byte of what comes, None if all of it does.
    """

    chunks: AsyncIterator[bytes]
    media_type: str
    size: int | None = None
    served_range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class VideoPage:
    """Some of a caller's videos."""

    videos: Sequence[Video]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Character:
    """Somebody who can appear in videos."""

    id: str
    name: str
    created_at: datetime


class GatewayPort(Protocol):
    """Makes and keeps videos. What it does not serve it refuses with a `RefusalError`.

    A video of another caller is refused as one that does not exist.
    """

    async def create(self, request: CreateRequest, caller: Caller, /) -> Video:
        """Take an order, or find the video that the same order has led to before."""
        ...

    async def video(self, id_: VideoId, caller: Caller, /) -> Video:
        """Return a video as it stands."""
        ...

    async def list_videos(
        self, caller: Caller, /, *, after: VideoId, limit: int, order: SortOrder
    ) -> VideoPage:
        """Return a caller's videos behind one of them, "" for the first."""
        ...

    async def delete(self, id_: VideoId, caller: Caller, /) -> None:
        """Forget a video that has an end."""
        ...

    def content(
        self, id_: VideoId, caller: Caller, variant: str, byte_range: ByteRange | None, /
    ) -> AbstractAsyncContextManager[Content]:
        """Open a finished video's content, or the part of it that is asked for.

        Where a part cannot be had alone, the whole comes. Raises `SpanError` where there is no
        such part.
        """
        ...

    async def create_character(
        self, name: str, video_file: Reference, model: str, caller: Caller, /
    ) -> Character:
        """Make a character known, from a film that shows it."""
        ...

    async def character(self, id_: str, caller: Caller, /) -> Character:
        """Return a character."""
        ...

    def models(self, caller: Caller, /) -> Sequence[str]:
        """Return the names of the routes that a caller may ask for."""
        ...


class KeysPort(Protocol):
    """Knows the callers by their keys, and counts their requests."""

    async def authenticate(self, secret: str, /) -> Caller | None:
        """Return whose key it is, None if it opens nothing."""
        ...

    def check_rate_limit(self, caller: Caller, /) -> timedelta | None:
        """Count a request; return how long its caller has to wait if it made too many."""
        ...
