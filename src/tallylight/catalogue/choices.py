"""What one mode leaves open of what a wish requires, measure by measure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tallylight.catalogue.modes import InputSet, Mode
from tallylight.catalogue.wording import Measure, Wording
from tallylight.model.frames import AS_INPUT, Frame, frame_of, same_aspect, usual_frame
from tallylight.model.order import Form, Medium, Operation, Role
from tallylight.model.wish import DEFAULT_SECONDS, DEFAULT_SIZE, default_frame

_PARAMS: Mapping[Measure, str] = {
    Measure.NEGATIVE: "negative_prompt",
    Measure.RESOLUTION: "size",
    Measure.PIXELS: "size",
    Measure.ASPECT: "aspect_ratio",
    Measure.COUNT: "n",
}
"""The callers' names of measures, where they have another one."""


class Requirements(NamedTuple):
    """What a wish requires of a service; computed once for all services.

    Args:
        seconds: The length; None if we choose it.
        size: The size in pixels; "" if we choose it.
        resolution: The class; "" if we choose it.
        aspect: The aspect ratio; "" if we choose it.
        audio: With or without sound; None if we choose it.
        quality: The quality; "" if we choose it.
        number: How many are made.
        negative: There is a negative prompt.
        seed: There is a seed.
        inputs: Role, medium and form of each input.
        characters: Characters are named.
        derives: An earlier job is named, whose film is worked on.
        substitutes_seconds: The nearest length may replace the requested one.
        substitutes_size: The nearest size may replace the requested one.
    """

    medium: Medium
    operation: Operation
    seconds: int | None
    size: str
    resolution: str
    aspect: str
    audio: bool | None
    quality: str
    number: int
    negative: bool
    seed: bool
    inputs: tuple[tuple[Role, Medium, Form], ...]
    characters: bool
    derives: bool
    substitutes_seconds: bool
    substitutes_size: bool

    @property
    def has_film(self) -> bool:
        """Tell whether it works on a film whose length and frame nobody knows."""
        return any(medium is Medium.VIDEO for _, medium, _ in self.inputs)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A field that a service cannot serve: the requested value and the allowed ones.

    Args:
        progress: How many fields were served before it.
    """

    param: str
    requested: str
    allowed: str = ""
    progress: int = 0

    @classmethod
    def of_measure(cls, measure: Measure, requested: str, allowed: str = "") -> "Mismatch":
        """Return the mismatch of a measure, by the name that callers give it."""
        return cls(_PARAMS.get(measure, measure.value), requested, allowed)


class MeasureChoices(NamedTuple):
    """The values that a mode allows of what a wish requires.

    Args:
        distance: How far the length and the frames are from those that were asked for: in seconds
            or from the default, the length itself, and in pixels.
    """

    seconds: int | None
    frames: tuple[Frame | None, ...]
    audio: tuple[bool | None, ...]
    quality: tuple[str, ...]
    distance: tuple[int, int, int]

    @staticmethod
    def is_default(frame: Frame | None) -> bool:
        """Tell whether a frame has the Videos API's default size."""
        return frame is not None and frame.size == DEFAULT_SIZE


def choices_in(
    mode: Mode, wanted: Requirements, prompt_length: int, wording: Wording
) -> MeasureChoices | Mismatch:
    """Return what a mode leaves open, or the first field that it does not allow."""
    if mismatch := _plain_mismatch(mode, wanted, prompt_length, wording):
        return mismatch
    seconds, frames = _seconds(mode, wanted), _frames(mode, wanted)
    audio, quality = _audio(mode, wanted, wording), _quality(mode, wanted, wording)
    if isinstance(seconds, Mismatch):
        return replace(seconds, progress=1)
    if isinstance(frames, Mismatch):
        return replace(frames, progress=2)
    if isinstance(audio, Mismatch) or isinstance(quality, Mismatch):
        miss = audio if isinstance(audio, Mismatch) else quality
        assert isinstance(miss, Mismatch)  # noqa: S101  # one of them is
        return replace(miss, progress=3)
    length = seconds or 0
    away = abs(length - (wanted.seconds or DEFAULT_SECONDS)) if length else 0
    return MeasureChoices(
        seconds, frames, audio, quality, (away, length, _pixels_away(frames, wanted))
    )


def _plain_mismatch(
    mode: Mode, wanted: Requirements, prompt_length: int, wording: Wording
) -> Mismatch | None:
    """Return the first mismatch of what is either allowed or not."""
    if mode.inputs is not None and not any(_matches(each, wanted) for each in mode.inputs):
        roles = " and ".join(role.value for role, _, _ in wanted.inputs) or "without a picture"
        return Mismatch("input_reference", roles, ", ".join(map(_named, mode.inputs)))
    longest = mode.longest_prompt
    if longest is not None and prompt_length > longest:
        return Mismatch("prompt", f"of {prompt_length} characters", f"at most {longest}")
    if wanted.number not in mode.count:
        return Mismatch("n", str(wanted.number), ", ".join(map(str, mode.count)))
    if wanted.seed and not _is_taken(mode.seed, Measure.SEED, wording):
        return Mismatch("seed", "")
    if wanted.negative and not _is_taken(mode.negative, Measure.NEGATIVE, wording):
        return Mismatch("negative_prompt", "")
    return None


def _is_taken(in_mode: bool | None, measure: Measure, wording: Wording) -> bool:
    return in_mode is not False and measure in wording.words


def _matches(allowed: InputSet, wanted: Requirements) -> bool:
    counts = Counter(role for role, _, _ in wanted.inputs)
    most = dict(allowed)
    return counts.keys() == most.keys() and all(counts[role] <= most[role] for role in most)


def _named(allowed: InputSet) -> str:
    roles = (role.value if most == 1 else f"{role.value}<={most}" for role, most in allowed)
    return " and ".join(roles) or "none"


def _seconds(mode: Mode, wanted: Requirements) -> int | Mismatch | None:
    seconds = wanted.seconds
    if not mode.seconds:
        if wanted.medium is Medium.IMAGE:
            return None if seconds is None else Mismatch("seconds", str(seconds))
        return None if wanted.has_film and seconds is None else seconds or DEFAULT_SECONDS
    if seconds in mode.seconds:
        return seconds
    if seconds is None or wanted.substitutes_seconds:
        ideal = seconds or DEFAULT_SECONDS
        return min(mode.seconds, key=lambda each: (abs(each - ideal), each))
    return Mismatch("seconds", str(seconds), ", ".join(map(str, mode.seconds)))


def _frames(mode: Mode, wanted: Requirements) -> tuple[Frame | None, ...] | Mismatch:
    try:
        asked = asked_frame(wanted)
    except ValueError:
        return Mismatch("size", wanted.size, ", ".join(map(str, mode.frames)))
    if not mode.frames:
        return (asked or _chosen_frame(wanted),)
    allowed = tuple(each for each in mode.frames if _is_asked(each, asked, wanted))
    if not allowed and asked is not None and wanted.substitutes_size:
        alike = [each for each in mode.frames if _has_aspect(each, asked.aspect)]
        by_size = sorted(alike, key=lambda each: abs(_pixels(each, asked) - _pixels(asked, asked)))
        allowed = tuple(by_size[:1])
    if allowed:
        return allowed
    known = ", ".join(map(str, mode.frames))
    if wanted.aspect and not wanted.resolution:
        return Mismatch("aspect_ratio", wanted.aspect, known)
    return Mismatch("size", wanted.size or f"{wanted.resolution} {wanted.aspect}".strip(), known)


def asked_frame(wanted: Requirements) -> Frame | None:
    """Return the frame that is asked for; None if it is not, or not whole.

    Raises:
        ValueError: if the size or the resolution is unreadable.
    """
    if wanted.size:
        return frame_of(wanted.size)
    if wanted.resolution and wanted.aspect:
        return usual_frame(wanted.resolution, wanted.aspect)
    return None


def _chosen_frame(wanted: Requirements) -> Frame | None:
    """Return the frame where a mode knows none, and none is asked for."""
    if wanted.medium is Medium.IMAGE or wanted.has_film:
        return None
    return default_frame(wanted.resolution, wanted.aspect)


def _is_asked(frame: Frame, asked: Frame | None, wanted: Requirements) -> bool:
    if asked is not None and wanted.size and frame.width:
        return (frame.width, frame.height) == (asked.width, asked.height)
    resolution = wanted.resolution if asked is None else asked.resolution
    aspect = wanted.aspect if asked is None else asked.aspect
    is_class = not resolution or frame.resolution == resolution
    return is_class and (not aspect or _has_aspect(frame, aspect))


def _has_aspect(frame: Frame, aspect: str) -> bool:
    # The Videos API wants a picture of the size that is asked for, so its shape is the asked one.
    return frame.aspect == AS_INPUT or same_aspect(frame.aspect, aspect)


def _pixels_away(frames: Sequence[Frame | None], wanted: Requirements) -> int:
    asked = asked_frame(wanted)
    if asked is None or frames[0] is None:
        return 0
    return min(abs(_pixels(each, asked) - _pixels(asked, asked)) for each in frames if each)


def _pixels(frame: Frame, shaped_as: Frame) -> int:
    aspect = shaped_as.aspect if frame.aspect == AS_INPUT else frame.aspect
    sized = frame if frame.width else usual_frame(frame.resolution, aspect)
    return sized.width * sized.height


def _audio(
    mode: Mode, wanted: Requirements, wording: Wording
) -> tuple[bool | None, ...] | Mismatch:
    if wanted.audio is None:
        return mode.audio or (None,)
    if mode.audio is None and Measure.AUDIO in wording.words:
        return (wanted.audio,)
    if wanted.audio in (mode.audio or ()):
        return (wanted.audio,)
    allowed = ", ".join(str(each).lower() for each in mode.audio or ())
    return Mismatch("audio", str(wanted.audio).lower(), allowed)


def _quality(mode: Mode, wanted: Requirements, wording: Wording) -> tuple[str, ...] | Mismatch:
    if not wanted.quality:
        return mode.quality or ("",)
    if mode.quality is None and Measure.QUALITY in wording.words:
        return (wanted.quality,)
    if wanted.quality in (mode.quality or ()):
        return (wanted.quality,)
    return Mismatch("quality", wanted.quality, ", ".join(mode.quality or ()))
