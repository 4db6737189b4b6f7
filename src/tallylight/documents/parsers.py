"""Notation of durations, money, lengths and sizes in configuration files.

The options models of all packages use the annotated types at the end.
"""

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from tallylight.model.frames import is_resolution, resolution_of, size_of

OFF = "off"
"""Disables an interval."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_LENGTHS = re.compile(r"(\d{1,20})\s*-\s*(\d{1,20})")
_SIZE = re.compile(r"[1-9]\d{1,4}x[1-9]\d{1,4}")
_MAX_CLIP_SECONDS = 3600
_MAX_AMOUNT = 1_000_000
_MAX_DECIMALS = 30

_SIZE_CLASSES = ("360p", "480p", "540p", "720p", "768p", "1080p", "2k", "4k")
"""Classes that stand for sizes: both orientations of 16:9."""


def parse_duration(value: object) -> timedelta:
    """Return the duration that "30s", "10m", "3h", "2d" or "500ms" stands for."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_quoted(value)} is not a duration; write 30s, 10m, 3h or 2d")
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError(f"{_quoted(value)} is too long") from None


def parse_interval(value: object) -> timedelta | None:
    """Return an interval: a duration, or None for "off"."""
    # YAML 1.1 editors may have turned the bare word into false.
    if value is None or value is False or value == OFF:
        return None
    return parse_positive_duration(value)


def parse_positive_duration(value: object) -> timedelta:
    """Return a duration that is longer than 0."""
    length = parse_duration(value)
    if length <= timedelta():
        raise ValueError(f"{_quoted(value)} must be longer than 0")
    return length


def serialize_duration(value: timedelta) -> str:
    """Return a duration in the notation of the file, in the largest unit that divides it."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def parse_money(value: object) -> Decimal:
    """Return an amount in USD, exactly as it is written."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{_quoted(value)} is not an amount; write US dollars as in 0.10")  # noqa: TRY004  # pydantic takes ValueError
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(
            f"{_quoted(value)} is not an amount; write US dollars as in 0.10"
        ) from None
    if not amount.is_finite() or not 0 <= amount <= _MAX_AMOUNT:
        raise ValueError(f"{_quoted(value)} is not an amount from 0 to {_MAX_AMOUNT} US dollars")
    # Printed in full, 1e-999999999 would fill the memory.
    if abs(int(amount.as_tuple().exponent)) > _MAX_DECIMALS:
        raise ValueError(f"{_quoted(value)} has more than {_MAX_DECIMALS} decimals")
    return amount


def parse_lengths(value: object) -> tuple[int, ...]:
    """Return clip lengths in seconds, ascending, from [4, 8, 12] or "3-15"."""
    if isinstance(value, str) and (match := _LENGTHS.fullmatch(value.strip())):
        first, last = int(match[1]), min(int(match[2]), _MAX_CLIP_SECONDS)
        if 0 < first <= last:
            return tuple(range(first, last + 1))
    if isinstance(value, list | tuple) and all(_is_length(item) for item in value):
        return tuple(sorted(set(value)))
    raise ValueError(
        f"{_quoted(value)} is not a list of lengths; write [4, 8, 12] or 3-15, in seconds"
    )


def parse_sizes(value: object) -> tuple[str, ...]:
    """Return sizes as WIDTHxHEIGHT; a class such as "720p" means 16:9 and 9:16."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{_quoted(value)} is not a list of sizes; write [720p] or [1280x720]")  # noqa: TRY004  # pydantic takes ValueError
    return tuple(dict.fromkeys(size for item in value for size in _expand_size(item)))


def _expand_size(item: object) -> tuple[str, ...]:
    if isinstance(item, str) and item in _SIZE_CLASSES:
        return size_of(item, "16:9"), size_of(item, "9:16")
    if isinstance(item, str) and _SIZE.fullmatch(item):
        return (item,)
    known = ", ".join(_SIZE_CLASSES)
    raise ValueError(f"{_quoted(item)} is not a size; write WIDTHxHEIGHT or one of {known}")


def parse_size(value: object) -> str:
    """Return one size as WIDTHxHEIGHT; a class such as "720p" means landscape."""
    return _expand_size(value)[0]


def parse_resolution(value: object) -> str:
    """Return the key of a rate: "720p", "4k", "*" for all others, or a size in its class."""
    if isinstance(value, str) and _SIZE.fullmatch(value):
        return resolution_of(value)
    if isinstance(value, str) and (value == "*" or is_resolution(value)):
        return value
    raise ValueError(f'{_quoted(value)} is not a resolution; write 720p, 4k or "*" for all others')


def _is_length(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and 0 < item <= _MAX_CLIP_SECONDS


def _quoted(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str | int | float | Decimal) else "this value"


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$",
    "examples": ["30s", "10m", "3h", "2d"],
}
_LENGTHS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 1}},
        {"type": "string", "pattern": r"^\s*\d+\s*-\s*\d+\s*$"},
    ]
}
_SIZES_SCHEMA = {"type": "array", "items": {"type": "string"}, "examples": [["720p", "1024x1792"]]}
_duration_serializer = PlainSerializer(serialize_duration, return_type=str)

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_positive_duration),
    _duration_serializer,
    WithJsonSchema(_DURATION_SCHEMA),
]
"""A duration longer than 0: "30s"."""

IntervalOption = Annotated[
    timedelta | None,
    BeforeValidator(parse_interval),
    PlainSerializer(lambda value: OFF if value is None else serialize_duration(value)),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": OFF}]}),
]
"""An interval: a duration, or "off"."""

Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "examples": [0.1, "2.00"]}),
]
"""US dollars, exact."""

Lengths = Annotated[
    tuple[int, ...], BeforeValidator(parse_lengths), WithJsonSchema(_LENGTHS_SCHEMA)
]
"""Clip lengths in seconds: [4, 8, 12] or "3-15"."""

Sizes = Annotated[tuple[str, ...], BeforeValidator(parse_sizes), WithJsonSchema(_SIZES_SCHEMA)]
"""Frame sizes: WIDTHxHEIGHT or a class such as 720p."""

Size = Annotated[str, BeforeValidator(parse_size)]
"""One frame size."""

Resolution = Annotated[str, BeforeValidator(parse_resolution)]
"""The key of a rate."""
