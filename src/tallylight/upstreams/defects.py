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


class Defect(StrEnum):
    """What can be wrong with a file, gravest first."""

    NOT_CHECKED = "unjudged"  # our limits ended the inspection: nothing is known
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    WRONG_MEDIUM = "other_medium"  # a picture for a video, a video for a picture
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    BLACK = "black"
    FROZEN = "frozen"
    WRONG_LENGTH = "wrong_length"
    WRONG_SIZE = "wrong_size"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class DefectReport:
    """One thing in which a file is not what was ordered, with what was seen."""

    defect: Defect
    text: str


_SECOND = timedelta(seconds=1)
_LENGTH_TOLERANCE = timedelta(seconds=0.5)
_LENGTH_TOLERANCE_RATIO = 0.1
_SIZE_TOLERANCE = 16
_SIZE_TOLERANCE_RATIO = 0.02
_BLACK_OR_FROZEN_RATIO = 0.5
_DAMAGE_RATIO = 0.01


def find_defects(
    inspection: Inspection,
    expected_seconds: int,
    expected_size: str,
    *,
    audio_expected: bool,
) -> tuple[DefectReport, ...]:
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
            _black_or_frozen(inspection),
            _wrong_length(inspection, timedelta(seconds=expected_seconds)),
            *found,
        ]
        if audio_expected and not inspection.has_audio:
            found.append(DefectReport(Defect.SILENT, "there is no sound in the video"))
    elif inspection.black_ratio:
        found = [DefectReport(Defect.BLACK, "the picture is black"), *found]
    return tuple(shortcoming for shortcoming in found if shortcoming is not None)


def defect_failure(defects: Sequence[DefectReport]) -> Failure | None:
    """Return the failure that shortcomings make of a delivery, None if there are none."""
    if not defects:
        return None
    gravest = defects[0].defect
    is_ours = gravest is Defect.NOT_CHECKED
    return Failure(
        kind=FailureKind.UNKNOWN if is_ours else FailureKind.DEGRADED,
        fault=Fault.OURS if is_ours else Fault.UPSTREAM,
        rule=f"inspection:{gravest}",
        text="; ".join(shortcoming.text for shortcoming in defects),
    )


def _unusable(inspection: Inspection, expected_seconds: int) -> DefectReport | None:
    if inspection.size_bytes == 0:
        return DefectReport(Defect.EMPTY, "the file is empty")
    if inspection.hit_limit:
        return DefectReport(
            Defect.NOT_CHECKED, f"the file could not be inspected: {inspection.error}"
        )
    if inspection.error or inspection.frames == 0:
        what = "video" if expected_seconds else "picture"
        return DefectReport(
            Defect.NOT_MEDIA, f"the file is no {what}: {inspection.error or 'no frame'}"
        )
    if expected_seconds and inspection.is_image:
        return DefectReport(Defect.WRONG_MEDIUM, "the file is a picture, not a video")
    if not expected_seconds and not inspection.is_image:
        return DefectReport(Defect.WRONG_MEDIUM, "the file is a video, not a picture")
    return None


def _truncated(inspection: Inspection) -> DefectReport | None:
    if (
        inspection.declared_length is None
        or inspection.decoded_length
        >= inspection.declared_length - _tolerance(inspection.declared_length)
    ):
        return None
    text = f"the video breaks off after {_seconds_text(inspection.decoded_length)} of {_seconds_text(inspection.declared_length)}"
    return DefectReport(Defect.TRUNCATED, text)


def _damaged(inspection: Inspection) -> DefectReport | None:
    # One error at the end of a file that breaks off is told as truncated, or not worth telling.
    if inspection.decode_errors <= max(1, inspection.frames * _DAMAGE_RATIO):
        return None
    text = f"{inspection.decode_errors} broken places in {inspection.frames} frames"
    return DefectReport(Defect.DAMAGED, text)


def _black_or_frozen(inspection: Inspection) -> DefectReport | None:
    least = max(_SECOND, inspection.decoded_length * _BLACK_OR_FROZEN_RATIO)
    if inspection.longest_black >= least:
        text = f"{_seconds_text(inspection.longest_black)} of {_seconds_text(inspection.decoded_length)} are black"
        return DefectReport(Defect.BLACK, text)
    if inspection.longest_frozen >= least:
        text = f"the picture stands still for {_seconds_text(inspection.longest_frozen)}"
        return DefectReport(Defect.FROZEN, f"{text} of {_seconds_text(inspection.decoded_length)}")
    return None


def _wrong_length(inspection: Inspection, expected: timedelta) -> DefectReport | None:
    if abs(inspection.decoded_length - expected) <= _tolerance(expected):
        return None
    text = f"{_seconds_text(expected)} were ordered, {_seconds_text(inspection.decoded_length)} delivered"
    return DefectReport(Defect.WRONG_LENGTH, text)


def _wrong_size(inspection: Inspection, expected_size: str) -> DefectReport | None:
    width, _, height = expected_size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    sides = ((int(width), inspection.width), (int(height), inspection.height))
    if all(
        abs(got - asked) <= max(_SIZE_TOLERANCE, asked * _SIZE_TOLERANCE_RATIO)
        for asked, got in sides
    ):
        return None
    text = f"{expected_size} was ordered, {inspection.width}x{inspection.height} delivered"
    return DefectReport(Defect.WRONG_SIZE, text)


def _tolerance(length: timedelta) -> timedelta:
    return max(_LENGTH_TOLERANCE, length * _LENGTH_TOLERANCE_RATIO)


def _seconds_text(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
