"""The form of modes in configuration and fact sheet files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from tallylight.catalogue.modes import InputSet, Mode, short_modes
from tallylight.documents.parsers import Lengths
from tallylight.documents.section import Section
from tallylight.model.frames import AS_INPUT, Frame, aspect_ratio, frame_of, is_resolution
from tallylight.model.order import Operation, Role

_INPUT = re.compile(r"([a-z_]{1,40})(?:<=([1-9]\d?))?", re.ASCII)
_ROLES = ", ".join(Role)


def parse_frames(value: object) -> tuple[Frame, ...]:
    """Return the frames of {720p: [16:9]} or {720p: {16:9: 1280x720}}, in their order."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            "is not a list of frames; write {720p: [16:9]} or {720p: {16:9: 1280x720}}"
        )
    return tuple(
        frame for resolution, shapes in value.items() for frame in _frames(resolution, shapes)
    )


def _frames(resolution: object, shapes: object) -> list[Frame]:
    if not isinstance(resolution, str) or not is_resolution(resolution):
        raise ValueError(f"'{resolution}' is not a resolution; write 720p, 1.5k or 4k")
    if isinstance(shapes, Mapping):
        return [_frame(resolution, aspect, frame_of(str(size))) for aspect, size in shapes.items()]
    if isinstance(shapes, list | tuple):
        return [_frame(resolution, aspect, None) for aspect in shapes]
    raise ValueError(f"'{resolution}' needs aspect ratios; write [16:9, 9:16]")


def _frame(resolution: str, aspect: object, pixels: Frame | None) -> Frame:
    text = str(aspect)
    if text != AS_INPUT:
        aspect_ratio(text)
    if pixels is None:
        return Frame(resolution, text)
    return Frame(resolution, text, pixels.width, pixels.height)


def parse_inputs(value: object) -> tuple[InputSet, ...]:
    """Return the sets of inputs of [[], [first_frame], ["reference<=7"]]."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, list) for each in value):
        raise ValueError("is not a list of sets of inputs; write [[], [first_frame]]")
    return tuple(tuple(map(_input, each)) for each in value)


def _input(item: object) -> tuple[Role, int]:
    found = _INPUT.fullmatch(str(item))
    if found is None or found[1] not in set(Role):
        raise ValueError(f"'{item}' is not an input; write one of {_ROLES}, or reference<=7")
    return Role(found[1]), int(found[2] or 1)


Frames = Annotated[
    tuple[Frame, ...],
    BeforeValidator(parse_frames),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "examples": [{"720p": ["16:9"]}, {"720p": {"16:9": "1280x720"}}],
            "additionalProperties": {
                "anyOf": [
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "object", "additionalProperties": {"type": "string"}},
                ]
            },
        }
    ),
]
"""Frames by resolution class: aspect ratios, or the size in pixels of each."""

Inputs = Annotated[
    tuple[InputSet, ...],
    BeforeValidator(parse_inputs),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}},
            "examples": [[[], ["first_frame"], ["reference<=7"]]],
        }
    ),
]
"""Sets of inputs that may be sent together."""


class ModeOptions(Section):
    """One box of what a model can make; an order must lie in one of them."""

    operations: tuple[Operation, ...] = Field(
        (), description="The operations that it is about (default: create)."
    )
    inputs: Inputs | None = Field(
        None,
        description="Sets of inputs that may be sent together, [[], [first_frame]] "
        "(default: not known).",
    )
    seconds: Lengths = Field((), description="Lengths in seconds (default: not known).")
    frames: Frames = Field(
        (), description="Frames by resolution class, cheapest first (default: not known)."
    )
    audio: tuple[bool, ...] = Field(
        (), description="Values of the switch for sound (default: there is none)."
    )
    quality: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Qualities (default: there is no such lever)."
    )
    count: Lengths = Field((1,), description="How many one order may make.")
    seed: bool = Field(default=False, description="A seed is taken.")
    negative: bool = Field(default=False, description="A negative prompt is taken.")
    longest_prompt: int | None = Field(
        None, gt=0, description="Most characters of a prompt (default: not known)."
    )

    def mode(self) -> Mode:
        """Return the mode that these options describe."""
        return Mode(
            operations=self.operations,
            inputs=self.inputs,
            seconds=self.seconds,
            frames=self.frames,
            audio=self.audio,
            quality=self.quality,
            count=self.count,
            seed=self.seed,
            negative=self.negative,
            longest_prompt=self.longest_prompt,
        )


Modes = Annotated[tuple[ModeOptions, ...], Field(min_length=1)]
"""Boxes of which an order must lie in one."""


def overlaid_modes(
    base: Sequence[Mode],
    modes: Sequence[ModeOptions] | None,
    lengths: Sequence[int] | None,
    sizes: Sequence[str] | None,
) -> tuple[Mode, ...]:
    """Return modes with those of a file laid over them; lengths and sizes replace those of each."""
    found = tuple(base) if modes is None else tuple(each.mode() for each in modes)
    if lengths is None and sizes is None:
        return found
    short = next(iter(short_modes(lengths or (), sizes or ())), Mode())
    return tuple(
        replace(
            each,
            seconds=each.seconds if lengths is None else short.seconds,
            frames=each.frames if sizes is None else short.frames,
        )
        for each in found or (Mode(),)
    )
