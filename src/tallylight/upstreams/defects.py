"""Compares a delivered file with the order: pure rules over the result of an inspection.

The tolerances allow what good services do, and no more:

- Length: half a second, or 10 %; models make whole blocks of frames (81 frames at 16 fps are sold
  as 5 s).
- Size: 16 pixels, or 2 %, per side; codecs work in blocks of 16 lines (704 for 720).
- Black, frozen: at least one second and half of the video. Fades and still moments are no defects.
- Damage: one broken packet per hundred frames, which a viewer does not notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tallylight.model.evidence import Failure, FailureKind, Fault

_IMAGE_CONTAINERS = frozenset({"png_pipe", "jpeg_pipe", "webp_pipe", "webp", "gif"})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the decoder found in a file.

    Args:
        container: FFmpeg's name of the format ("mov,mp4,m4a,3gp,3g2,mj2"); "" for no media.
        declared_length: The length that the file's header declares; None if it declares none.
        decoded_length: The length of the frames that could be decoded.
        black_ratio: Share of the frames that are black, 0.0 to 1.0.
        longest_frozen: Longest run of frames without a visible change.
        error: Why no frame was decoded, "" if one was.
        hit_limit: Decoding exceeded its time or memory limit, so nothing is known of the file.
    """

    size_bytes: int = 0
    container: str = ""
    declared_length: timedelta | None = None
    decoded_length: timedelta = timedelta()
    width: int = 0
    height: int = 0
    has_audio: bool = False
    frames: int = 0
    black_ratio: float = 0.0
    longest_black: timedelta = timedelta()
    longest_frozen: timedelta = timedelta()
    decode_errors: int = 0
    error: str = ""
    hit_limit: bool = False

    @property
    def is_image(self) -> bool:
        """Tell whether the file is an image rather than a video."""
        return self.container in _IMAGE_CONTAINERS and self.frames <= 1


class Defect(StrEnum):
    """What can be wrong with a file, gravest first."""

    NOT_CHECKED = "not_checked"  # the inspection hit our limits: nothing is known
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    WRONG_MEDIUM = "wrong_medium"  # an image in place of a video, or the reverse
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    BLACK = "black"
    FROZEN = "frozen"
    WRONG_LENGTH = "wrong_length"
    WRONG_SIZE = "wrong_size"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class DefectReport:
    """One difference between a file and its order, and a text that describes it."""

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
    """Return the defects of a file, gravest first.

    The expected length is 0 for an image. A size other than "WIDTHxHEIGHT" ("", "auto") allows any.
    """
    unusable = _unusable(inspection, expected_seconds)
    if unusable is not None:
        return (unusable,)
    candidates = [_wrong_size(inspection, expected_size)]
    if expected_seconds:
        candidates = [
            _truncated(inspection),
            _damaged(inspection),
            _black_or_frozen(inspection),
            _wrong_length(inspection, timedelta(seconds=expected_seconds)),
            *candidates,
        ]
        if audio_expected and not inspection.has_audio:
            candidates.append(DefectReport(Defect.SILENT, "the video has no sound"))
    elif inspection.black_ratio:
        candidates = [DefectReport(Defect.BLACK, "the image is black"), *candidates]
    return tuple(defect for defect in candidates if defect is not None)


def defect_failure(defects: Sequence[DefectReport]) -> Failure | None:
    """Return the failure that a delivery with these defects is, None without defects."""
    if not defects:
        return None
    gravest = defects[0].defect
    is_ours = gravest is Defect.NOT_CHECKED
    return Failure(
        kind=FailureKind.UNKNOWN if is_ours else FailureKind.DEGRADED,
        fault=Fault.OURS if is_ours else Fault.UPSTREAM,
        rule=f"inspection:{gravest}",
        text="; ".join(each.text for each in defects),
    )


def _unusable(inspection: Inspection, expected_seconds: int) -> DefectReport | None:
    if inspection.size_bytes == 0:
        return DefectReport(Defect.EMPTY, "the file is empty")
    if inspection.hit_limit:
        return DefectReport(
            Defect.NOT_CHECKED, f"the file could not be inspected: {inspection.error}"
        )
    if inspection.error or inspection.frames == 0:
        what = "a video" if expected_seconds else "an image"
        why = inspection.error or "no frame"
        return DefectReport(Defect.NOT_MEDIA, f"the file is not {what}: {why}")
    if expected_seconds and inspection.is_image:
        return DefectReport(Defect.WRONG_MEDIUM, "the file is an image, not a video")
    if not expected_seconds and not inspection.is_image:
        return DefectReport(Defect.WRONG_MEDIUM, "the file is a video, not an image")
    return None


def _truncated(inspection: Inspection) -> DefectReport | None:
    if (
        inspection.declared_length is None
        or inspection.decoded_length
        >= inspection.declared_length - _tolerance(inspection.declared_length)
    ):
        return None
    decoded, declared = map(_seconds_text, (inspection.decoded_length, inspection.declared_length))
    return DefectReport(Defect.TRUNCATED, f"the video breaks off after {decoded} of {declared}")


def _damaged(inspection: Inspection) -> DefectReport | None:
    # One error is normal at the end of a file that breaks off, which TRUNCATED reports.
    if inspection.decode_errors <= max(1, inspection.frames * _DAMAGE_RATIO):
        return None
    text = f"{inspection.decode_errors} decoding errors in {inspection.frames} frames"
    return DefectReport(Defect.DAMAGED, text)


def _black_or_frozen(inspection: Inspection) -> DefectReport | None:
    minimum = max(_SECOND, inspection.decoded_length * _BLACK_OR_FROZEN_RATIO)
    total = _seconds_text(inspection.decoded_length)
    if inspection.longest_black >= minimum:
        black = _seconds_text(inspection.longest_black)
        return DefectReport(Defect.BLACK, f"{black} of {total} are black")
    if inspection.longest_frozen >= minimum:
        frozen = _seconds_text(inspection.longest_frozen)
        return DefectReport(Defect.FROZEN, f"{frozen} of {total} are frozen")
    return None


def _wrong_length(inspection: Inspection, expected: timedelta) -> DefectReport | None:
    if abs(inspection.decoded_length - expected) <= _tolerance(expected):
        return None
    ordered, delivered = map(_seconds_text, (expected, inspection.decoded_length))
    return DefectReport(Defect.WRONG_LENGTH, f"{ordered} were ordered, {delivered} delivered")


def _wrong_size(inspection: Inspection, expected_size: str) -> DefectReport | None:
    width, _, height = expected_size.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    sides = ((int(width), inspection.width), (int(height), inspection.height))
    if all(
        abs(delivered - ordered) <= max(_SIZE_TOLERANCE, ordered * _SIZE_TOLERANCE_RATIO)
        for ordered, delivered in sides
    ):
        return None
    text = f"{expected_size} was ordered, {inspection.width}x{inspection.height} delivered"
    return DefectReport(Defect.WRONG_SIZE, text)


def _tolerance(length: timedelta) -> timedelta:
    return max(_LENGTH_TOLERANCE, length * _LENGTH_TOLERANCE_RATIO)


def _seconds_text(length: timedelta) -> str:
    return f"{length.total_seconds():.1f} s"
