"""Reads JSON that an upstream or a status page wrote, without ever raising.

A member that is absent, or of another type than expected, reads as empty: "", None, `{}` or `[]`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

_MAX_UNWRAPPING = 4
"""How often JSON inside a string or a lone array is unwrapped; each reseller hop adds one."""

_PERCENT = re.compile(r"\s*+(\d{1,3}(?:\.\d{0,30})?)\s*+(%?)\s*+")
_AMOUNT = re.compile(r"\d{1,9}(?:\.\d{1,30})?(?:[eE]-\d{1,2})?")
_SECONDS_OF_YEAR_9999 = 253_402_300_799
_MAX_FILM_SECONDS = 24 * 3600  # what is longer is no length
_NO_MEMBERS: Mapping[str, object] = {}


def parse_json(text: str) -> object:
    """Return the value of a JSON text; None if the text is not JSON (or is `null`)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also a number of too many digits, and "[[[[…"
        return None


def is_json_object(text: str) -> bool:
    """Tell whether a text is a JSON object; a proxy's HTML page is not."""
    return isinstance(parse_json(text), dict)


def unwrapped_object(text: str) -> Mapping[str, object]:
    """Return the JSON object in a text, taken out of strings and arrays of one element."""
    value = parse_json(text)
    for _ in range(_MAX_UNWRAPPING):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, str):
            value = parse_json(value)
    return object_at(value)


def object_at(value: object, *path: str) -> Mapping[str, object]:
    """Return the object at the end of a path of keys; without a path, the value itself."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else _NO_MEMBERS


def objects_at(value: object, key: str) -> Iterator[Mapping[str, object]]:
    """Yield the objects in the array at a key, without its other elements."""
    return (item for item in array_at(value, key) if isinstance(item, dict))


def array_at(value: object, key: str) -> list[object]:
    """Return the array at a key."""
    array = object_at(value).get(key)
    return array if isinstance(array, list) else []


def has_array(value: object, key: str) -> bool:
    """Tell whether there is an array at a key."""
    return isinstance(object_at(value).get(key), list)


def text_at(value: object, key: str) -> str:
    """Return the text or the integer at a key as text."""
    return json_text(object_at(value).get(key))


def first_timestamp(value: object, *keys: str) -> datetime | None:
    """Return the time at the first of the keys that holds one."""
    times = (json_timestamp(object_at(value).get(key)) for key in keys)
    return next((time for time in times if time is not None), None)


def json_text(value: object) -> str:
    """Return a text or an integer as text."""
    if isinstance(value, str):
        # JSON may hold half a surrogate pair, which no database and no socket takes.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def json_percent(value: object) -> int | None:
    """Return a progress from 0 to 100, given as 30, 30.5, "30", "30%", or as the fraction 0.3.

    A whole number is percent: 1 is 1 %, 1.0 is all.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        value = str(value)
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    number, is_percent = Decimal(found[1]), bool(found[2])
    if "." in found[1] and number <= 1 and not is_percent:
        number *= 100
    return min(int(number), 100)


def json_timestamp(value: object) -> datetime | None:
    """Return a time, given as Unix seconds or in ISO 8601, in UTC."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value.strip())
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value <= _SECONDS_OF_YEAR_9999:  # also refuses NaN; new-api writes 0 for "not yet"
        return None
    return datetime.fromtimestamp(value, UTC)


def json_amount(value: object) -> Decimal | None:
    """Return an amount of money, given as a number or its text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def json_seconds(value: object) -> int:
    """Return the length of a film in whole seconds; 0 where it is told by no number, or by none."""
    seconds = json_amount(value)
    return round(seconds) if seconds is not None and seconds <= _MAX_FILM_SECONDS else 0


def json_http_url(value: object) -> str:
    """Return a text that is an absolute http or https URL."""
    url = json_text(value).strip()
    try:
        parts = urlsplit(url)
        is_absolute = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return url if is_absolute else ""
