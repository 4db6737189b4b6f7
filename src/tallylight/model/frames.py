"""Frames: the resolution class that is priced, the aspect ratio, and the pixels.

A fact sheet names the class of its frames. Where it does not, and for a size that a caller or a
service names in pixels, this module derives it: nothing else does.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

AS_INPUT = "input"
"""The aspect of a frame that is shaped like the picture that is sent."""

_CLASS = re.compile(r"[1-9]\d{2,3}p|[1-9](?:\.5)?k", re.ASCII)
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
_RATIO = re.compile(r"([1-9]\d{0,2}):([1-9]\d{0,2})", re.ASCII)
_LINES = {"1k": 1024, "1.5k": 1024, "2k": 1440, "4k": 2160, "8k": 4320}
_NAMED_LINES = {1440: "2k", 2160: "4k"}
_UHD_LINES = 2160
_TOLERANCE = 0.02  # 854x480 counts as 16:9, and 854/480 is 1.779
_ASPECTS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21", "5:4", "4:5")
_RATIOS = {text: Fraction(*map(int, text.split(":"))) for text in _ASPECTS}


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a video or picture.

    Args:
        resolution: The class that is priced: "480p", "720p", "1.5k", "4k".
        aspect: The ratio of width to height, "16:9"; "input" for that of the picture that is sent.
        width: The width in pixels; 0 where the API takes no pixels.
        height: The height in pixels; 0 where the API takes no pixels.
    """

    resolution: str
    aspect: str
    width: int = 0
    height: int = 0

    @property
    def size(self) -> str:
        """Return "1280x720"; without pixels those of its class and aspect, "" if it has no own."""
        if self.width:
            return f"{self.width}x{self.height}"
        return "" if self.aspect == AS_INPUT else size_of(self.resolution, self.aspect)

    def __str__(self) -> str:
        """Return the pixels, or the class and the aspect if there are none."""
        return self.size if self.width else f"{self.resolution} {self.aspect}"


def frame_of(size: str) -> Frame:
    """Return the frame of a size in pixels, with the class and the aspect that follow from it.

    Raises:
        ValueError: if the size is not WIDTHxHEIGHT.
    """
    width, height = _sides(size)
    return Frame(_class_of(width, height), _aspect_of(width, height), width, height)


def resolution_of(size: str) -> str:
    """Return the class that follows from a size: "1280x720" is "720p", "3840x2160" is "4k".

    Raises:
        ValueError: if the size is not WIDTHxHEIGHT.
    """
    return _class_of(*_sides(size))


def size_of(resolution: str, aspect: str) -> str:
    """Return the usual size of a class: "720p" in "16:9" is "1280x720", "480p" is "854x480".

    Raises:
        ValueError: if one of them is unreadable.
    """
    if not is_resolution(resolution):
        raise ValueError(f'"{resolution}" is not a resolution; write 720p, 2k or 4k')
    lines = _LINES.get(resolution) or int(resolution.rstrip("pk"))
    ratio = aspect_ratio(aspect)
    # Even, as codecs want it.
    long_side = 2 * round(lines * max(ratio, 1 / ratio) / 2)
    return f"{long_side}x{lines}" if ratio > 1 else f"{lines}x{long_side}"


def usual_frame(resolution: str, aspect: str) -> Frame:
    """Return the frame of a class and an aspect, with its usual size in pixels.

    Raises:
        ValueError: if one of them is unreadable.
    """
    return Frame(resolution, aspect, *_sides(size_of(resolution, aspect)))


def is_resolution(text: str) -> bool:
    """Tell whether a text names a class: "720p", "1.5k", "4k"."""
    return _CLASS.fullmatch(text) is not None and (text.endswith("p") or text in _LINES)


def aspect_ratio(aspect: str) -> Fraction:
    """Return the ratio of width to height of "16:9".

    Raises:
        ValueError: if it is no such text.
    """
    found = _RATIO.fullmatch(aspect)
    if found is None:
        raise ValueError(f'"{aspect}" is not an aspect ratio; write 16:9')
    return Fraction(int(found[1]), int(found[2]))


def same_aspect(one: str, other: str) -> bool:
    """Tell whether two aspect ratios are the same but for the rounding to whole pixels."""
    if one == other or AS_INPUT in {one, other}:
        return one == other
    return _is_close(aspect_ratio(one), aspect_ratio(other))


def _sides(size: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError(f'"{size[:20]}" is not a size; write WIDTHxHEIGHT, as in 1280x720')
    return int(found[1]), int(found[2])


def _class_of(width: int, height: int) -> str:
    lines = min(width, height, _UHD_LINES)
    return _NAMED_LINES.get(lines, f"{lines}p")


def _aspect_of(width: int, height: int) -> str:
    ratio = Fraction(width, height)
    close = [text for text, each in _RATIOS.items() if _is_close(ratio, each)]
    if close:
        return min(close, key=lambda text: abs(_RATIOS[text] - ratio))
    return f"{ratio.numerator}:{ratio.denominator}"


def _is_close(one: Fraction, other: Fraction) -> bool:
    return abs(one - other) <= _TOLERANCE * other
