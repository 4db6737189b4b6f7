"""Picking values out of JSON that may hold anything, without ever raising.

What a page does not say, or says in another type than expected, is empty.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

_NOTHING: Mapping[str, object] = {}


def json_document(text: str) -> object:
    """Return a parsed JSON text; None where it is none (or is the word null)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # ValueError also stands for a number of too many digits
        return None


def object_at(value: object, *keys: str) -> Mapping[str, object]:
    """Return the JSON object behind the keys, an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else _NOTHING


def objects_at(value: object, key: str) -> Iterator[Mapping[str, object]]:
    """Yield the JSON objects of the list at a key; whatever else the list holds is left out."""
    listed = value.get(key) if isinstance(value, dict) else None
    if isinstance(listed, list):
        yield from (item for item in listed if isinstance(item, dict))


def has_array(value: object, key: str) -> bool:
    """Tell whether there is a list at a key."""
    return isinstance(value, dict) and isinstance(value.get(key), list)


def text_at(value: Mapping[str, object], key: str) -> str:
    """Return the text at a key; a number is a text too, since some pages number their rows."""
    found = value.get(key)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)  # json refuses numbers of more digits than str does
    return found if isinstance(found, str) else ""


def timestamp_at(value: Mapping[str, object], *keys: str) -> datetime | None:
    """Return the first of the keys that holds an ISO 8601 time, in UTC."""
    for key in keys:
        found = value.get(key)
        if not isinstance(found, str):
            continue
        try:
            parsed = datetime.fromisoformat(found.strip())
            aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
            return aware.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
