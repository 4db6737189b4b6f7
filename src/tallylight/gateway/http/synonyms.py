"""Reads the measures of a request under all names and spellings: length, frame, sound and others.

They are read at the top of a request only. A measure anywhere else, or one of another kind, stays
where it is, and routing passes it to no service whose price it could change
(`gateway.routing.measures`).
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from tallylight.gateway.http.fields import (
    MAX_PROMPT_LENGTH,
    invalid_value,
    seconds_value,
    text_field,
    wrong_type,
)
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.requests import ApiError, bad_request
from tallylight.gateway.routing.measures import (
    MeasureKind,
    is_harmless,
    measure_kind,
)
from tallylight.model.frames import frame_of, same_aspect
from tallylight.model.member_names import folded_name
from tallylight.model.wish import DEFAULT_SIZE, WishedMeasures

_T = TypeVar("_T")

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
    "audio": (
        "audio generateaudio generatesound sound withaudio withsound enableaudio enablesound "
        "generateaudioswitch"
    ),
    "quality": "quality",
    "seed": "seed",
    "negative_prompt": "negativeprompt",
}
"""Names in lower case and without punctuation, by what they mean."""

_MEANINGS = {name: own for own, names in _OTHER_NAMES.items() for name in names.split()}
_FRAME_TEXT = re.compile(r"([1-9][0-9]{0,4})\s*[xX*:×]\s*([1-9][0-9]{0,4})")
_NUMBER_TEXT = re.compile(r"\s*[-+]?[0-9]+(?:\.[0-9]*)?\s*")
_SIDE_TEXT = re.compile(r"([1-9][0-9]{0,4})(?:\.0*)?")
_CLASS_TEXT = re.compile(r"[1-9][0-9]{2,3}p|[24]k")
_RATIO_TEXT = re.compile(r"([1-9][0-9]?)\s*[:x/]\s*([1-9][0-9]?)")
_SEED_TEXT = re.compile(r"-?[0-9]{1,19}")
_QUALITY_TEXT = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SWITCH_TEXTS: Mapping[str, bool] = {"true": True, "on": True, "false": False, "off": False}


class RequestedMeasures(NamedTuple):
    """What a request says of what is made.

    Args:
        measures: Length, frame, sound and the like.
        others: The fields that are no name of them.
    """

    measures: WishedMeasures
    others: FieldTree


class _Sizes(NamedTuple):
    """What the fields of a size say, by their names."""

    frames: dict[str, str]
    classes: dict[str, str]
    ratios: dict[str, str]


def requested_measures(fields: FieldTree) -> RequestedMeasures:
    """Return the measures of a request, whatever names it gives them.

    Raises:
        ApiError: if a value cannot be read, two contradict each other, or more than one video is
            requested.
    """
    others: FieldTree = {}
    for name, value in fields.items():
        if _is_read(name, value):
            continue
        if not _is_number_of_videos(name, value):
            others[name] = value
        elif not is_harmless(MeasureKind.NUMBER, value):
            raise bad_request(
                f"Invalid value for '{name}': this gateway makes one video a request; send one "
                "request for each video.",
                param=name,
            )
    size, resolution, aspect = _frame(fields)
    measures = WishedMeasures(
        seconds=_only(fields, "seconds", seconds_value),
        size=size,
        resolution=resolution,
        aspect=aspect,
        audio=_only(fields, "audio", lambda _, value: _switch(value)),
        quality=_only(fields, "quality", _quality) or "",
        negative=_only(fields, "negative_prompt", _negative) or "",
        seed=_only(fields, "seed", _seed),
    )
    return RequestedMeasures(measures, others)


def _is_read(name: str, value: object) -> bool:
    """Tell whether a field is one of the measures that are read here."""
    meaning = _MEANINGS.get(folded_name(name))
    if meaning == "audio":  # under these names some services take a sound track
        return value in (None, "") or _switch(value) is not None
    return meaning is not None or _ratio_text(name, value) is not None


def _only(fields: FieldTree, meaning: str, read: Callable[[str, object], _T | None]) -> _T | None:
    """Return the one value of the fields of a meaning, None for none."""
    found = {name: read(name, fields[name]) for name in _named(fields, meaning)}
    return _agreed({name: value for name, value in found.items() if value is not None})


def _switch(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _SWITCH_TEXTS.get(value.strip().lower()) if isinstance(value, str) else None


def _quality(name: str, value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or _QUALITY_TEXT.fullmatch(value) is None:
        raise invalid_value(name, f"'{str(value)[:20]}'", "one word, such as 'high'")
    return value


def _negative(name: str, value: object) -> str | None:
    return text_field({name: value}, name, MAX_PROMPT_LENGTH) or None


def _seed(name: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    if isinstance(value, bool) or _SEED_TEXT.fullmatch(str(value).strip()) is None:
        raise invalid_value(name, f"'{str(value)[:20]}'", "a whole number")
    return int(str(value))


def _is_number_of_videos(name: str, value: object) -> bool:
    is_numeric = isinstance(value, int | float) or _NUMBER_TEXT.fullmatch(str(value)) is not None
    return is_numeric and measure_kind(name) is MeasureKind.NUMBER


def _frame(fields: FieldTree) -> tuple[str, str, str]:
    """Return the size in pixels, else the class and the aspect ratio; "" for what is not said."""
    sizes = _Sizes(_from_sides(fields), {}, {})
    for name in _named(fields, "size"):
        _add_size(sizes, name, fields[name])
    _check_meaning(sizes, fields)
    ratios = sizes.ratios | _ratios(fields)
    size, aspect = _agreed(sizes.frames) or "", _agreed(ratios) or ""
    resolution = _agreed(sizes.classes) or ""
    if not size:
        return "", resolution, aspect or (frame_of(DEFAULT_SIZE).aspect if resolution else "")
    _check_contradictions(sizes, size, ratios)
    return size, "", ""


def _check_contradictions(sizes: _Sizes, size: str, ratios: Mapping[str, str]) -> None:
    """Refuse a class or an aspect ratio that a size in pixels does not have."""
    frame, name = frame_of(size), next(iter(sizes.frames))
    for other, aspect in ratios.items():
        if not same_aspect(frame.aspect, aspect):
            raise _contradiction(name, size, other, aspect)
    for other, resolution in sizes.classes.items():
        if frame.resolution != resolution:
            raise _contradiction(name, size, other, resolution)


def _add_size(sizes: _Sizes, name: str, value: object) -> None:
    """Add what one field says to the sizes."""
    if value is None:
        return
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    text = value.strip()
    if (ratio := _RATIO_TEXT.fullmatch(text)) is not None and "x" not in text:
        sizes.ratios[name] = _aspect(ratio)
    elif (frame := _FRAME_TEXT.fullmatch(text)) is not None:
        sizes.frames[name] = f"{frame[1]}x{frame[2]}"
    elif _CLASS_TEXT.fullmatch(text.lower()) is not None:
        sizes.classes[name] = text.lower()
    elif text:
        raise _no_size(name, value)


def _check_meaning(sizes: _Sizes, fields: FieldTree) -> None:
    """Refuse half a size: a ratio without a resolution, and as `size` a resolution without a ratio.

    The default ratio of `resolution` is no default of `size`, which names both sides.
    """
    if sizes.frames:
        return
    if sizes.ratios and not sizes.classes:
        name = next(iter(sizes.ratios))
        raise _no_size(name, fields[name])
    if sizes.classes.keys() == {"size"} and not (sizes.ratios or _ratios(fields)):
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


def _ratios(fields: FieldTree) -> dict[str, str]:
    """Return the aspect ratios of a request that can be read, by the names of their fields."""
    found = {name: _ratio_text(name, value) for name, value in fields.items()}
    return {name: aspect for name, aspect in found.items() if aspect is not None}


def _ratio_text(name: str, value: object) -> str | None:
    """Return the aspect ratio that a field tells, "16:9"; None if it tells none."""
    if measure_kind(name) is not MeasureKind.RATIO or not isinstance(value, str):
        return None
    found = _RATIO_TEXT.fullmatch(value.strip())
    return None if found is None else _aspect(found)


def _aspect(found: re.Match[str]) -> str:
    return f"{int(found[1])}:{int(found[2])}"


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
