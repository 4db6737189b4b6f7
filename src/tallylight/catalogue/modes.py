"""Modes: what a model can make, as boxes; an order must lie in one of them.

A box can say what lists of single values cannot: 1080p at 6 s only, another shape with a picture.
A member that is None, or an empty list of lengths or frames, is not known: it is passed as asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tallylight.model.frames import Frame, frame_of
from tallylight.model.order import Operation, Role

InputSet = tuple[tuple[Role, int], ...]
"""Roles with how many inputs each may have at most; each of them has one at least."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One box of what a model can make.

    Args:
        operations: The operations that it is about; () for a create.
        inputs: The sets of inputs that may be sent together; `()` in it is none at all.
        seconds: The lengths, ascending.
        frames: The frames, cheapest first.
        audio: The values of the switch for sound; () if there is none.
        quality: The qualities; () if there is no such lever.
        count: How many one order may make.
        seed: A seed is taken.
        negative: A negative prompt is taken.
        longest_prompt: Most characters of a prompt.
    """

    operations: tuple[Operation, ...] = ()
    inputs: tuple[InputSet, ...] | None = None
    seconds: tuple[int, ...] = ()
    frames: tuple[Frame, ...] = ()
    audio: tuple[bool, ...] | None = None
    quality: tuple[str, ...] | None = None
    count: tuple[int, ...] = (1,)
    seed: bool | None = None
    negative: bool | None = None
    longest_prompt: int | None = None


def short_modes(lengths: Sequence[int], sizes: Sequence[str]) -> tuple[Mode, ...]:
    """Return the one mode that lists of lengths and of sizes in pixels stand for."""
    if not (lengths or sizes):
        return ()
    return (Mode(seconds=tuple(lengths), frames=tuple(map(frame_of, sizes))),)


def modes_for(modes: Sequence[Mode], operation: Operation) -> tuple[Mode, ...]:
    """Return the modes that limit an operation; a mode that knows nothing if none does."""
    found = tuple(mode for mode in modes if operation in (mode.operations or (Operation.CREATE,)))
    return found or (Mode(),)


def lengths_of(modes: Iterable[Mode]) -> tuple[int, ...]:
    """Return all lengths of some modes, ascending."""
    return tuple(sorted({seconds for mode in modes for seconds in mode.seconds}))


def frames_of(modes: Iterable[Mode]) -> tuple[Frame, ...]:
    """Return all frames of some modes, in their order."""
    return tuple(dict.fromkeys(frame for mode in modes for frame in mode.frames))


def narrowed_modes(
    modes: Sequence[Mode], seconds: int | None, size: str | None
) -> tuple[Mode, ...]:
    """Return modes with one length and one size, as far as they are given and allowed."""
    if seconds is None and size is None:
        return tuple(modes)
    found = []
    for mode in modes or (Mode(),):
        lengths, frames = mode.seconds, mode.frames
        if seconds is not None:
            lengths = (seconds,) if seconds in (lengths or (seconds,)) else ()
        if size is not None:
            known = tuple(each for each in frames if each.size == size)
            frames = known if frames else (frame_of(size),)
        if bool(lengths) >= bool(mode.seconds) and bool(frames) >= bool(mode.frames):
            found.append(replace(mode, seconds=lengths, frames=frames))
    return tuple(found)


def made_frame(modes: Iterable[Mode], size: str) -> Frame | None:
    """Return the frame of a size that a service names, in the class that its modes give it.

    None if the text is not a size.
    """
    try:
        derived = frame_of(size)
    except ValueError:
        return None
    pixels = (derived.width, derived.height)
    known = (each for each in frames_of(modes) if (each.width, each.height) == pixels)
    return next(known, derived)
