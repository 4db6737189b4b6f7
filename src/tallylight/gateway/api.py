"""Values that the gateway takes and returns beside videos: content, ranges, pages, characters."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Literal

from tallylight.gateway.requests import ApiError
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
class ImageFile:
    """One stored image.

    Args:
        size: Size in bytes.
        chunks: The bytes; the image is opened when they are first asked for.
    """

    size: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Images:
    """The images that one request made.

    Args:
        video: The row under which they are kept.
        media_type: "image/png".
        quality: The quality that was ordered, "" if it was left to the service.
        files: The images, in order.
    """

    video: Video
    media_type: str
    quality: str
    files: tuple[ImageFile, ...]


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
