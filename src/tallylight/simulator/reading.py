"""What a simulated upstream read from a create, in words that belong to no protocol.

It is kept with the job, so that a test can compare it with the order that a client meant to send.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")
_RATIO_TOLERANCE = 0.01  # 854x480 is called 16:9
_UHD_LINES = 2160


@dataclass(frozen=True, slots=True)
class InputReading:
    """One input of a create.

    Args:
        role: first_frame, last_frame, reference, source or mask.
        medium: image, video or audio.
        source: A URL, or a description of bytes: "image/png, 120 bytes".
    """

    role: str
    medium: str
    source: str


@dataclass(frozen=True, slots=True)
class OrderReading:
    """A create as its upstream understood it; what the API has no word for keeps its default.

    Args:
        seconds: Length of the clip, 0 for a still image.
        resolution: The class that is priced: "720p", "4k".
        aspect: "16:9"; "input" for the aspect of the picture that is sent.
        audio: Whether there is to be sound; None if the model has no switch for it.
        count: Number of outputs.
    """

    model: str
    prompt: str
    seconds: int
    resolution: str
    aspect: str
    width: int
    height: int
    audio: bool | None = None
    quality: str = ""
    count: int = 1
    seed: int | None = None
    negative: str = ""
    inputs: tuple[InputReading, ...] = ()

    @property
    def size(self) -> str:
        """Return the frame size, "1280x720"."""
        return f"{self.width}x{self.height}"


def sized_reading(prompt: str, size: str, seconds: int, model: str) -> OrderReading:
    """Return the reading of a create that gives its frame in pixels ("1280x720")."""
    width, height = (int(side) for side in size.split("x"))
    resolution, aspect = resolution_class(width, height), named_ratio(width, height)
    return OrderReading(model, prompt, seconds, resolution, aspect, width, height)


def resolution_class(width: int, height: int) -> str:
    """Return the resolution class of a frame: "720p" for 1280x720, "4k" from 2160 lines."""
    lines = min(width, height)
    return "4k" if lines >= _UHD_LINES else f"{lines}p"


def named_ratio(width: int, height: int) -> str:
    """Return the customary name of an aspect ratio, else the reduced fraction."""
    for name in _RATIOS:
        across, down = (int(side) for side in name.split(":"))
        if abs(width * down / (height * across) - 1) <= _RATIO_TOLERANCE:
            return name
    divisor = math.gcd(width, height)
    return f"{width // divisor}:{height // divisor}"


def matching_size(sizes: Iterable[str], resolution: str = "", aspect: str = "") -> str | None:
    """Return the first size of a class and an aspect, "" for any; None if there is none."""
    for size in sizes:
        width, height = (int(side) for side in size.split("x"))
        is_class = resolution in {"", resolution_class(width, height)}
        if is_class and aspect in {"", named_ratio(width, height)}:
            return size
    return None
