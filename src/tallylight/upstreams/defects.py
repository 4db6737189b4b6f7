"""Whether a delivered file is what was ordered: pure rules over what an inspection saw.

Tolerances leave room for what good services do, and no more:

- Length: half a second, or a tenth of it; models count whole blocks of frames (81 frames at 16 a
  second are sold as 5 s).
- Size: 16 pixels, or a fiftieth, a side; codecs work in blocks of 16 lines (704 for 720).
- Black, frozen: at least a second, and half of the video. Fades and still moments are no faults.
- Damage: one broken packet in a hundred pictures; what a viewer never sees is forgiven.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.inspection import Inspection


class Lack(StrEnum):
    """What can be wrong with a file, gravest first."""

    UNJUDGED = "unjudged"  # our limits ended the inspection: nothing is known
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    OTHER_MEDIUM = "other_medium"  # a picture for a video, a video for a picture
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    BLACK = "black"
    FROZEN = "frozen"
    WRONG_LENGTH = "wrong_length"
    WRONG_SIZE = "wrong_size"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """One thing in which a file is not what was ordered, with what was seen."""

    lack: Lack
    text: str


_SECOND = timedelta(seconds=1)
_LENGTH_ROOM = timedelta(seconds=0.5)
_LENGTH_SHARE = 0.1
_SIZE_ROOM = 16
_SIZE_SHARE = 0.02
_DULL_SHARE = 0.5
_DAMAGE_SHARE = 0.01


def shortcomings(
    inspection: Inspection,
    expected_seconds: int,
    expected_size: str,
    *,
    audio_expected: bool,
) -> tuple[Shortcoming, ...]:
    """Return in what a file falls short of an order, gravest first; empty if it is as ordered.

    Args:
        inspection: What was seen.
        expected_seconds: The length ordered; 0 for a picture.
        expected_size: "WIDTHxHEIGHT"; anything else ("", "auto") leaves the size open.
        audio_expected: A video without sound falls short.
    """
    unusable = _unusable(inspection, expected_seconds)
    if unusable is not None:
        return (unusable,)
    found = [_wrong_size(inspection, expected_size)]
    if expected_seconds:
        found = [
            _truncated(inspection),
            _damaged(inspection),
            _dull(inspection),
            _wrong_length(inspection, timedelta(seconds=expected_seconds)),
            *found,
        ]
        if audio_expected and not inspection.has_audio:
            found.append(Shortcoming(Lack.SILENT, "there is no sound in the video"))
    elif inspection.black_share:
        found = [Shortcoming(Lack.BLACK, "the picture is black"), *found]
    return tuple(shortcoming for shortcoming in found if shortcoming is not None)


def failure_of(found: Sequence[Shortcoming]) -> Failure | None:
    """Return the failure that shortcomings make of a delivery, None if there are none."""
    if not found:
        return None
    gravest = found[0].lack
    is_ours = gravest is Lack.UNJUDGED
    return Failure(
        kind=FailureKind.UNKNOWN if is_ours else FailureKind.DEGRADED,
        fault=Fault.OURS if is_ours else Fault.UPSTREAM,
        rule=f"inspection:{gravest}",
        text="; ".join(shortcoming.text for shortcoming in found),
    )


def _unusable(seen: Inspection, expected_seconds: int) -> Shortcoming | None:
    if seen.size == 0:
        return Shortcoming(Lack.EMPTY, "the file is empty")
    if seen.is_limited:
        return Shortcoming(Lack.UNJUDGED, f"the file could not be inspected: {seen.error}")
    if seen.error or seen.frames == 0:
        what = "video" if expected_seconds else "picture"
        return Shortcoming(Lack.NOT_MEDIA, f"the file is no {what}: {seen.error or 'no frame'}")
    if expected_seconds and seen.is_image:
        return Shortcoming(Lack.OTHER_MEDIUM, "the file is a picture, not a video")
    if not expected_seconds and not seen.is_image:
        return Shortcoming(Lack.OTHER_MEDIUM, "the file is a video, not a picture")
    return None


def _truncated(seen: Inspection) -> Shortcoming | None:
    if seen.stated is None or seen.length >= seen.stated - _room(seen.stated):
        return None
    text = f"the video breaks off after {_shown(seen.length)} of {_shown(seen.stated)}"
    return Shortcoming(Lack.TRUNCATED, text)


def _damaged(seen: Inspection) -> Shortcoming | None:
    # One error at the end of a file that breaks off is told as truncated, or not worth telling.
    if seen.decode_errors <= max(1, seen.frames * _DAMAGE_SHARE):
        return None
    text = f"{seen.decode_errors} broken places in {seen.frames} frames"
    return Shortcoming(Lack.DAMAGED, text)


def _dull(seen: Inspection) -> Shortcoming | None:
    least = max(_SECOND, seen.length * _DULL_SHARE)
    if seen.longest_black >= least:
        text = f"{_shown(seen.longest_black)} of {_shown(seen.length)} are black"
        return Shortcoming(Lack.BLACK, text)
    if seen.longest_frozen >= least:
        text = f"the picture stands still for {_shown(seen.longest_frozen)}"
        return Shortcoming(Lack.FROZEN, f"{text} of {_shown(seen.length)}")
    return None


def _wrong_length(seen: Inspection, expected: timedelta) -> Shortcoming | None:
    if abs(seen.length - expected) <= _room(expected):
        return None
    text = f"{_shown(expected)} were ordered, {_shown(seen.length)} delivered"
    return Shortcoming(Lack.WRONG_LENGTH, text)


def _wrong_size(seen: Inspection, expected_size: str) -> Shortcoming | None:
    width, _, height = expected_size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    sides = ((int(width), seen.width), (int(height), seen.height))
    if all(abs(got - asked) <= max(_SIZE_ROOM, asked * _SIZE_SHARE) for asked, got in sides):
        return None
    text = f"{expected_size} was ordered, {seen.width}x{seen.height} delivered"
    return Shortcoming(Lack.WRONG_SIZE, text)


def _room(length: timedelta) -> timedelta:
    return max(_LENGTH_ROOM, length * _LENGTH_SHARE)


def _shown(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
