"""Reads other names of the length, the size and the number of videos as those of the Videos API.

They are read at the top of a request only. A measure anywhere else, or one of another kind, stays
where it is, and routing passes it to no service whose price it could change
(`gateway.routing.measures`).
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from tallylight.gateway.http.fields import invalid_value, seconds_field, size_field
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.requests import ApiError, bad_request
from tallylight.gateway.routing.measures import (
    MeasureKind,
    folded_name,
    is_harmless,
    measure_kind,
)
from tallylight.model.money import resolution_of

_T = TypeVar("_T", int, str)

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
_LENGTH_TEXT = re.compile(r"([0-9]{1,5})(?:\.0+)?\s*(?:s|sec|secs|seconds)?", re.IGNORECASE)
_SIZE_TEXT = re.compile(r"([0-9]{1,5})\s*[xX*:×]\s*([0-9]{1,5})")
_NUMBER_TEXT = re.compile(r"\s*[-+]?[0-9]+(?:\.[0-9]*)?\s*")
_SIDE_TEXT = re.compile(r"[1-9][0-9]{0,4}")
_CLASS_TEXT = re.compile(r"([1-9][0-9]{2,3})p", re.IGNORECASE)
_CLASS_LINES: Mapping[str, int] = {"2k": 1440, "4k": 2160}
_RATIO_TEXT = re.compile(r"([1-9][0-9]?)[:x/]([1-9][0-9]?)")
_DEFAULT_RATIO = (9, 16)
"""The aspect ratio of the Videos API's default size."""


def with_own_names(fields: FieldTree) -> FieldTree:
    """Return the fields with the length and the size under our names, and without a number.

    Raises:
        ApiError: if a value cannot be read, two contradict each other, or more than one video is
            requested.
    """
    others = {
        name: value
        for name, value in fields.items()
        if name not in {"seconds", "size"} and _is_other_name(name, value)
    }
    if not others:
        return fields
    read = {name: value for name, value in fields.items() if name not in others}
    for name, value in others.items():
        if measure_kind(name) is MeasureKind.NUMBER and not is_harmless(MeasureKind.NUMBER, value):
            raise bad_request(
                f"Invalid value for '{name}': this gateway makes one video a request; send one "
                "request for each video.",
                param=name,
            )
    read["seconds"] = _seconds(fields, others)
    read["size"] = _size(fields, others)
    return read


def _is_other_name(name: str, value: object) -> bool:
    if folded_name(name) in _MEANINGS:
        return True
    is_numeric = isinstance(value, int | float) or _NUMBER_TEXT.fullmatch(str(value)) is not None
    return is_numeric and measure_kind(name) is MeasureKind.NUMBER


def _seconds(fields: FieldTree, others: FieldTree) -> object:
    read = {"seconds": seconds_field(fields)}
    read |= {name: _length(name, others[name]) for name in _named(others, "seconds")}
    return _agreed({name: value for name, value in read.items() if value is not None})


def _length(name: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    found = None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        found = _LENGTH_TEXT.fullmatch(str(value).strip())
    if found is None or int(found[1]) == 0:
        raise _unreadable(name, value, "a whole number of seconds, such as '8'")
    return int(found[1])


def _size(fields: FieldTree, others: FieldTree) -> object:
    """Return the size; a resolution such as "720p" becomes one of the request's aspect ratio."""
    sizes = {"size": size} if (size := size_field(fields)) else {}
    lines: dict[str, int] = {}
    for name in _named(others, "size"):
        match _size_or_lines(name, others[name]):
            case str() as size:
                sizes[name] = size
            case int() as found:
                lines[name] = found
            case None:
                pass
    sizes |= _from_sides(others)
    if not lines:
        return _agreed(sizes)
    short_side = _agreed(lines)
    ratio_size = _size_of_ratio(short_side or 0, fields)
    for name, size in sizes.items():
        if resolution_of(size) != resolution_of(ratio_size):
            other = next(iter(lines))
            raise _contradiction(name, size, other, others[other])
    return _agreed(sizes) or ratio_size


def _size_or_lines(name: str, value: object) -> str | int | None:
    if value in (None, ""):
        return None
    text = value.strip() if isinstance(value, str) else ""
    if (size := _SIZE_TEXT.fullmatch(text)) is not None:
        return f"{size[1]}x{size[2]}"
    if (named := _CLASS_TEXT.fullmatch(text)) is not None:
        return int(named[1])
    lines = _CLASS_LINES.get(text.lower())
    if lines is None:
        raise _unreadable(name, value, "WIDTHxHEIGHT in pixels, or a resolution such as '720p'")
    return lines


def _from_sides(others: FieldTree) -> dict[str, str]:
    sides: dict[str, str] = {}
    for name in _named(others, "sides"):
        value = others[name]
        if value in (None, ""):
            continue
        if isinstance(value, bool) or not _SIDE_TEXT.fullmatch(str(value)):
            raise _unreadable(name, value, "a number of pixels")
        sides[folded_name(name)] = str(value)
    if not sides:
        return {}
    if sides.keys() != {"width", "height"}:
        given = next(iter(sides))
        raise bad_request(
            f"Invalid '{given}': it needs the other side too; send 'size', such as '1280x720'.",
            param=given,
        )
    return {"width and height": f"{sides['width']}x{sides['height']}"}


def _size_of_ratio(lines: int, fields: FieldTree) -> str:
    ratio = _DEFAULT_RATIO
    for name, value in fields.items():
        if measure_kind(name) is MeasureKind.RATIO and isinstance(value, str):
            found = _RATIO_TEXT.fullmatch(value.strip())
            ratio = ratio if found is None else (int(found[1]), int(found[2]))
    width, height = ratio
    # Even, as codecs want it: 480p in 16:9 is 854x480.
    long_side = 2 * round(lines * max(ratio) / min(ratio) / 2)
    return f"{long_side}x{lines}" if width > height else f"{lines}x{long_side}"


def _named(others: FieldTree, meaning: str) -> list[str]:
    return [name for name in others if _MEANINGS.get(folded_name(name)) == meaning]


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


def _unreadable(name: str, value: object, expected: str) -> ApiError:
    return invalid_value(name, f"'{str(value)[:20]}'", expected)
