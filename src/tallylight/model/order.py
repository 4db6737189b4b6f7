"""Orders: the video that one service is asked to make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """How a video is made."""

    CREATE = "create"
    REMIX = "remix"  # make a finished video again with another prompt
    EDIT = "edit"  # change a video
    EXTEND = "extend"  # add seconds to a video


@dataclass(frozen=True, slots=True)
class Reference:
    """An image or video that an order builds on, as bytes or as a URL.

    Args:
        url: An http or https URL, "" if the bytes are given.
        media_type: The media type, such as "image/png"; "" if unknown.
        name: The file name that the caller gave.
    """

    url: str = ""
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """The request to one service, before it is encoded in the service's protocol.

    Args:
        seconds: The length of the video; for an extension, the seconds to add.
        size: Width and height in pixels, "1280x720".
        source: The upstream's id of the job whose video is remixed, edited or extended; "" if
            `reference` is that video, or there is none.
        characters: The upstream's ids of the characters that appear.
        extras: Fields of the caller's request that we do not know; they are passed on unchanged.
    """

    prompt: str
    seconds: int
    size: str
    operation: Operation = Operation.CREATE
    source: str = ""
    reference: Reference | None = None
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
