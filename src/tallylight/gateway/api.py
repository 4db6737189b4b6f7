"""The interface between the gateway and its HTTP layer: two protocols and their values."""

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
    """A requested part of a video's content.

    Args:
        first: First byte; None if `last` counts from the end.
        last: Last byte, inclusive; None for the end. Without `first`: number of bytes at the end.
    """

    first: int | None
    last: int | None

    def resolve(self, size: int) -> tuple[int, int] | None:
        """Return the first and last byte of content of `size` bytes; None if there are none."""
        if self.first is None:
            begin = size - min(self.last or 0, size)
            return (begin, size - 1) if begin < size else None
        if self.first >= size:
            return None
        return self.first, size - 1 if self.last is None else min(self.last, size - 1)


class RangeNotSatisfiableError(ApiError):
    """The requested range lies behind the end of the content.

    Args:
        size: Size of the content in bytes, None if unknown.
    """

    def __init__(self, size: int | None) -> None:
        super().__init__(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "The requested range lies behind the end of the content.",
            code="range_not_satisfiable",
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Content:
    """An open stream of a video's bytes, or of an image of it.

    Args:
        chunks: The bytes; iteration raises OSError if the stream breaks off.
        media_type: "video/mp4".
        size: Size of the whole content in bytes, None if unknown.
        served_range: First and last byte of this stream, None for the whole content.
    """

    chunks: AsyncIterator[bytes]
    media_type: str
    size: int | None = None
    served_range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class VideoPage:
    """One page of a caller's videos."""

    videos: Sequence[Video]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Character:
    """A character that can appear in videos."""

    id: str
    name: str
    created_at: datetime


class GatewayPort(Protocol):
    """Creates videos and serves them. Every method raises `ApiError` for a refused request.

    A video of another caller is reported as one that does not exist.
    """

    async def create(self, request: CreateRequest, caller: Caller, /) -> Video:
        """Create a video, or return the video that the same request has already created."""
        ...

    async def video(self, id_: VideoId, caller: Caller, /) -> Video:
        """Return the current state of a video."""
        ...

    async def list_videos(
        self, caller: Caller, /, *, after: VideoId, limit: int, order: SortOrder
    ) -> VideoPage:
        """Return the page of a caller's videos after one of them, "" for the first page."""
        ...

    async def delete(self, id_: VideoId, caller: Caller, /) -> None:
        """Delete a completed or failed video."""
        ...

    def content(
        self, id_: VideoId, caller: Caller, variant: str, byte_range: ByteRange | None, /
    ) -> AbstractAsyncContextManager[Content]:
        """Open a completed video's content, or a range of it.

        A service that ignores ranges makes this return the whole content. Raises
        `RangeNotSatisfiableError` for a range behind the end.
        """
        ...

    async def create_character(
        self, name: str, video_file: Reference, model: str, caller: Caller, /
    ) -> Character:
        """Create a character from a video that shows it."""
        ...

    async def character(self, id_: str, caller: Caller, /) -> Character:
        """Return a character."""
        ...

    def models(self, caller: Caller, /) -> Sequence[str]:
        """Return the names of the routes that a caller may use."""
        ...


class KeysPort(Protocol):
    """Authenticates callers by their keys and limits their request rate."""

    async def authenticate(self, secret: str, /) -> Caller | None:
        """Return the caller of a key, None for an unknown or revoked key."""
        ...

    def check_rate_limit(self, caller: Caller, /) -> timedelta | None:
        """Count a request; return how long to wait if it exceeds the rate limit."""
        ...
