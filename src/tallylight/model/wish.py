"""Wishes: what a caller asks for, before it is fitted to a service."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallylight.model.frames import Frame, frame_of, usual_frame
from tallylight.model.order import Input, Medium, Operation, Order

DEFAULT_SECONDS = 4
DEFAULT_SIZE = "720x1280"
"""The Videos API's defaults for a request without a length or a size."""

_DEFAULT_FRAME = frame_of(DEFAULT_SIZE)


@dataclass(frozen=True, slots=True)
class WishedMeasures:
    """What a request says of what is made; None and "" leave it to the service.

    Args:
        seconds: The length; for an extension, the seconds to add.
        size: The size in pixels, "1280x720".
        resolution: The class, "720p", where the request names no pixels.
        aspect: The ratio of width to height, "16:9", where the request names no pixels.
        audio: With or without sound.
        quality: The quality, in the service's own word.
        count: How many are made.
        negative: What shall not appear.
        seed: The seed of chance.
    """

    seconds: int | None = None
    size: str = ""
    resolution: str = ""
    aspect: str = ""
    audio: bool | None = None
    quality: str = ""
    count: int = 1
    negative: str = ""
    seed: int | None = None

    @property
    def shown_seconds(self) -> int:
        """Return the length that stands for what is asked."""
        return self.seconds or DEFAULT_SECONDS

    @property
    def shown_size(self) -> str:
        """Return the size in pixels that stands for what is asked."""
        return self.size or default_frame(self.resolution, self.aspect).size


NOTHING_ASKED = WishedMeasures()
"""A request that leaves all measures to the service."""


def default_frame(resolution: str, aspect: str) -> Frame:
    """Return the frame of a class and an aspect; for "" those of the Videos API's default.

    Raises:
        ValueError: if one of them is unreadable.
    """
    return usual_frame(resolution or _DEFAULT_FRAME.resolution, aspect or _DEFAULT_FRAME.aspect)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for; every service is asked for something that fits it.

    Args:
        medium: What shall be made.
        measures: What the request says of length, frame, sound and the like. A remix, edit or
            extension has the measures of the video that it works on, as far as they are known.
        inputs: Pictures and films that it builds on.
        source: The upstream's id of the job that it works on; "" for none.
        characters: The upstream's ids of the characters that appear.
        extras: Fields of the request that we do not know.
    """

    prompt: str
    operation: Operation = Operation.CREATE
    medium: Medium = Medium.VIDEO
    measures: WishedMeasures = NOTHING_ASKED
    inputs: tuple[Input, ...] = ()
    source: str = ""
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)

    def complete(self, order: Order) -> Order:
        """Return an order that was fitted to this wish, with the wish's own texts and inputs."""
        return replace(
            order,
            prompt=self.prompt,
            negative=self.measures.negative,
            seed=self.measures.seed,
            inputs=self.inputs,
            source=self.source,
            characters=self.characters,
            extras=self.extras,
        )
