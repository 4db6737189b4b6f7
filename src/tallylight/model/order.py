"""Orders: what one service is asked to make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """How a video is made."""

    CREATE = "create"
    REMIX = "remix"  # a finished video anew, with another prompt
    EDIT = "edit"  # a video changed
    EXTEND = "extend"  # seconds added to a video


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture or a film that an order builds on: its bytes, or the address where it lies.

    Args:
        url: An http or https address, "" where the bytes are here.
        body: The bytes, empty where they lie at the address.
        media_type: "image/png"; "" if unknown.
        name: The file's name as the caller gave it.
    """

    url: str = ""
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a service.

    Args:
        prompt: The text.
        seconds: Length of the video; of an extension, the seconds added.
        size: Width and height in pixels, "1280x720".
        operation: How it is made.
        source: The upstream's id of the job whose video is remixed, edited or extended; "" where
            `reference` is that video, or there is none.
        reference: What it builds on.
        characters: The upstream's ids of the characters that appear.
        extras: Fields of the request that we do not know; they go along as they came.
    """

    prompt: str
    seconds: int
    size: str
    operation: Operation = Operation.CREATE
    source: str = ""
    reference: Reference | None = None
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
