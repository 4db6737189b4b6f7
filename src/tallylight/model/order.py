"""Orders: what one service is asked to make, complete and in our words.

`catalogue.fit` makes an order of a caller's wish; a `Wording` spells it in the service's protocol.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tallylight.model.frames import Frame

_UNKNOWN_TYPE = "application/octet-stream"


class Operation(StrEnum):
    """How a video is made."""

    CREATE = "create"
    REMIX = "remix"  # make a finished video again with another prompt
    EDIT = "edit"  # change a video
    EXTEND = "extend"  # add seconds to a video


class Medium(StrEnum):
    """What a model generates, or what an input is."""

    VIDEO = "video"
    IMAGE = "image"


class Role(StrEnum):
    """What an input is for."""

    FIRST_FRAME = "first_frame"
    LAST_FRAME = "last_frame"
    REFERENCE = "reference"  # something that shall appear, or a style
    SOURCE = "source"  # the video or picture that is edited or extended
    MASK = "mask"  # where a picture is edited


class Form(StrEnum):
    """How an input is handed over."""

    URL = "url"
    INLINE = "inline"  # its bytes are in the request


@dataclass(frozen=True, slots=True)
class Input:
    """A picture or video that an order builds on, as bytes or as a URL.

    Args:
        url: An http or https URL, "" if the bytes are given.
        media_type: The media type, such as "image/png"; "" if unknown.
        name: The file name that the caller gave.
        role: What it is for.
        medium: What it is.
        handle: What the upstream calls it, where it was uploaded there before.
    """

    url: str = ""
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""
    name: str = ""
    role: Role = Role.FIRST_FRAME
    medium: Medium = Medium.IMAGE
    handle: str = ""

    @property
    def form(self) -> Form:
        """Return how it is handed over."""
        return Form.URL if self.url else Form.INLINE

    @property
    def address(self) -> str:
        """Return its URL, or its bytes as a data URL."""
        if self.url:
            return self.url
        text = base64.b64encode(self.body).decode("ascii")
        return f"data:{self.media_type or _UNKNOWN_TYPE};base64,{text}"


@dataclass(frozen=True, slots=True)
class Order:
    """The request to one service, before it is spelled in the service's protocol.

    Args:
        model: The id of the model on the upstream's wire.
        seconds: The length of the video; for an extension, the seconds to add. None for a picture,
            and for work on a film whose length nobody knows.
        frame: Resolution class, aspect ratio and pixels; None where nothing is said of them.
        audio: With or without sound; None where the model has no switch.
        quality: The quality of a picture, "high"; "" where the model has no such lever.
        count: How many are made.
        negative: What shall not appear.
        seed: The seed of chance; None leaves it to the service.
        inputs: Pictures and films that it builds on.
        source: The upstream's id of the job whose video is remixed, edited or extended; "" if an
            input is that video, or there is none.
        characters: The upstream's ids of the characters that appear.
        extras: Fields of the caller's request that we do not know; they are passed on unchanged.
    """

    model: str
    prompt: str
    operation: Operation = Operation.CREATE
    seconds: int | None = None
    frame: Frame | None = None
    audio: bool | None = None
    quality: str = ""
    count: int = 1
    negative: str = ""
    seed: int | None = None
    inputs: tuple[Input, ...] = ()
    source: str = ""
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """Return the size of its frame, "1280x720"; "" if it has none."""
        return "" if self.frame is None else self.frame.size

    @property
    def input_images(self) -> int:
        """Return how many pictures it builds on."""
        return sum(each.medium is Medium.IMAGE for each in self.inputs)
