"""Reads the length, the size and the number of videos under all names and spellings.

They are read at the top of a request only. A measure anywhere else, or one of another kind, stays
where it is, and routing passes it to no service whose price it could change
(`gateway.routing.measures`).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple, TypeVar

from tallylight.gateway.http.fields import invalid_value, seconds_value, wrong_type
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.requests import ApiError, bad_request
from tallylight.gateway.routing.measures import (
    MeasureKind,
    folded_name,
    is_harmless,
    measure_kind,
)
from tallylight.model.money import resolution_of

_T = TypeVar("_T", int, str, Fraction)

_OTHER_NAMES: Mapping[str, str] = {
    "seconds": (
        "seconds secs sec duration durations durationseconds durationsecs durationsec "
        "durationinseconds numseconds length lengthseconds lengthinseconds videolength "
        "videoduration videoseconds cliplength clipduration outputduration targetduration"
    ),
    "size": (
        "size resolution videosize videoresolution outputsize outputresolution framesize "
        "dimension dimensions"
    ),
    "sides": "width height",
}
"""Names in lower case and without punctuation, by what they mean."""

_MEANINGS = {name: own for own, names in _OTHER_NAMES.items() for name in names.split()}
_FRAME_TEXT = re.compile(r"([1-9][0-9]{0,4})\s*[xX*:×]\s*([1-9][0-9]{0,4})")
_NUMBER_TEXT = re.compile(r"\s*[-+]?[0-9]+(?:\.[0-9]*)?\s*")
_SIDE_TEXT = re.compile(r"([1-9][0-9]{0,4})(?:\.0*)?")
_CLASS_TEXT = re.compile(r"([1-9][0-9]{2,3})p", re.IGNORECASE)
_CLASS_LINES: Mapping[str, int] = {"2k": 1440, "4k": 2160}
_RATIO_TEXT = re.compile(r"([1-9][0-9]?)\s*[:x/]\s*([1-9][0-9]?)")
_DEFAULT_RATIO = Fraction(9, 16)
"""The aspect ratio of the Videos API's default size."""


class RequestedMeasures(NamedTuple):
    """What a request says of the length and the size.

    Args:
        seconds: The length, None if the request has none.
        size: "1280x720", "" if the request has none.
        others: The fields that are no name of them.
    """

    seconds: int | None
    size: str
    others: FieldTree


class _Sizes(NamedTuple):
    """What the fields of a size say, by their names."""

    frames: dict[str, str]
    lines: dict[str, int]  # of a resolution: 720 of "720p"
    ratios: dict[str, Fraction]


def requested_measures(fields: FieldTree) -> RequestedMeasures:
    """Return the length and the size of a request, whatever names it gives them.

    Raises:
        ApiError: if a value cannot be read, two contradict each other, or more than one video is
            requested.
    """
    others: FieldTree = {}
    for name, value in fields.items():
        if folded_name(name) in _MEANINGS:
            continue
        if not _is_number_of_videos(name, value):
            others[name] = value
        elif not is_harmless(MeasureKind.NUMBER, value):
            raise bad_request(
                f"Invalid value for '{name}': this gateway makes one video a request; send one "
                "request for each video.",
                param=name,
            )
    seconds = {name: seconds_value(name, fields[name]) for name in _named(fields, "seconds")}
    return RequestedMeasures(
        _agreed({name: value for name, value in seconds.items() if value is not None}),
        _size(fields),
        others,
    )


def _is_number_of_videos(name: str, value: object) -> bool:
    is_numeric = isinstance(value, int | float) or _NUMBER_TEXT.fullmatch(str(value)) is not None
    return is_numeric and measure_kind(name) is MeasureKind.NUMBER


def _size(fields: FieldTree) -> str:
    """Return the size; a resolution such as "720p" becomes one of the request's aspect ratio."""
    sizes = _Sizes(_from_sides(fields), {}, {})
    for name in _named(fields, "size"):
        _add_size(sizes, name, fields[name])
    _check_meaning(sizes, fields)
    for name, frame in sizes.frames.items():
        width, height = map(int, frame.split("x"))
        for other, ratio in sizes.ratios.items():
            if Fraction(width, height) != ratio:
                raise _contradiction(name, frame, other, fields[other])
    if not sizes.lines:
        return _agreed(sizes.frames) or ""
    ratio = _agreed(sizes.ratios | _ratios(fields)) or _DEFAULT_RATIO
    size = _size_of_ratio(_agreed(sizes.lines) or 0, ratio)
    for name, frame in sizes.frames.items():
        if resolution_of(frame) != resolution_of(size):
            other = next(iter(sizes.lines))
            raise _contradiction(name, frame, other, fields[other])
    return _agreed(sizes.frames) or size


def _add_size(sizes: _Sizes, name: str, value: object) -> None:
    """Add what one field says to the sizes."""
    if value is None:
        return
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    text = value.strip()
    if (ratio := _RATIO_TEXT.fullmatch(text)) is not None and "x" not in text:
        sizes.ratios[name] = Fraction(int(ratio[1]), int(ratio[2]))
    elif (frame := _FRAME_TEXT.fullmatch(text)) is not None:
        sizes.frames[name] = f"{frame[1]}x{frame[2]}"
    elif (named := _CLASS_TEXT.fullmatch(text)) is not None:
        sizes.lines[name] = int(named[1])
    elif text.lower() in _CLASS_LINES:
        sizes.lines[name] = _CLASS_LINES[text.lower()]
    elif text:
        raise _no_size(name, value)


def _check_meaning(sizes: _Sizes, fields: FieldTree) -> None:
    """Refuse half a size: a ratio without a resolution, and as `size` a resolution without a ratio.

    The default ratio of `resolution` is no default of `size`, which names both sides.
    """
    if sizes.frames:
        return
    if sizes.ratios and not sizes.lines:
        name = next(iter(sizes.ratios))
        raise _no_size(name, fields[name])
    if sizes.lines.keys() == {"size"} and not (sizes.ratios or _ratios(fields)):
        raise _no_size("size", fields["size"])


def _from_sides(fields: FieldTree) -> dict[str, str]:
    sides: dict[str, str] = {}
    for name in _named(fields, "sides"):
        value = fields[name]
        if value in (None, ""):
            continue
        side = None if isinstance(value, bool) else _SIDE_TEXT.fullmatch(str(value).strip())
        if side is None:
            raise invalid_value(name, f"'{str(value)[:20]}'", "a number of pixels")
        sides[folded_name(name)] = side[1]
    if not sides:
        return {}
    if sides.keys() != {"width", "height"}:
        given = next(iter(sides))
        raise bad_request(
            f"Invalid '{given}': it needs the other side too; send 'size', such as '1280x720'.",
            param=given,
        )
    return {"width and height": f"{sides['width']}x{sides['height']}"}


def _ratios(fields: FieldTree) -> dict[str, Fraction]:
    """Return the aspect ratios of a request that can be read, by the names of their fields."""
    return {
        name: Fraction(int(found[1]), int(found[2]))
        for name, value in fields.items()
        if measure_kind(name) is MeasureKind.RATIO and isinstance(value, str)
        if (found := _RATIO_TEXT.fullmatch(value.strip())) is not None
    }


def _size_of_ratio(lines: int, ratio: Fraction) -> str:
    # Even, as codecs want it: 480p in 16:9 is 854x480.
    long_side = 2 * round(lines * max(ratio, 1 / ratio) / 2)
    return f"{long_side}x{lines}" if ratio > 1 else f"{lines}x{long_side}"


def _named(fields: FieldTree, meaning: str) -> list[str]:
    """Return the fields of a meaning, first the one with the name of the Videos API."""
    names = [name for name in fields if _MEANINGS.get(folded_name(name)) == meaning]
    return sorted(names, key=lambda name: name != meaning)


def _agreed(read: Mapping[str, _T]) -> _T | None:
    """Return the one value of several names, None for none."""
    first: str | None = None
    for name, value in read.items():
        if first is None:
            first = name
        elif value != read[first]:
            raise _contradiction(first, read[first], name, value)
    return None if first is None else read[first]


def _contradiction(one: str, its_value: object, other: str, value: object) -> ApiError:
    return bad_request(
        f"'{one}' ({its_value}) and '{other}' ({value}) contradict each other; send one of them.",
        param=other,
    )


def _no_size(name: str, value: object) -> ApiError:
    return invalid_value(
        name,
        f"'{str(value)[:20]}'",
        "WIDTHxHEIGHT in pixels, such as '1280x720', or a resolution such as '720p' with an "
        "'aspect_ratio' such as '16:9'",
    )
