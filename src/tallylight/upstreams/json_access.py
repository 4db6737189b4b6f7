"""Reads JSON that somebody else wrote: whatever it holds, a value of ours or nothing comes out."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

_MAX_UNWRAPPING = 4
"""How often JSON inside a string or a lone array is unwrapped; each reseller hop adds one."""

_PERCENT = re.compile(r"\s*+(\d{1,3})(?:\.\d*)?\s*+%?\s*+")
_AMOUNT = re.compile(r"\d{1,9}(?:\.\d{1,30})?(?:[eE]-\d{1,2})?")
_SECONDS_OF_YEAR_9999 = 253_402_300_799


def json_object(value: object) -> Mapping[str, object]:
    """Return a value that is a JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def json_array(value: object) -> list[object]:
    """Return a value that is a JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def json_text(value: object) -> str:
    """Return a value that is a string or an integer as text, anything else as ""."""
    if isinstance(value, str):
        # JSON may hold half a surrogate pair, which no database and no socket takes.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def parse_json(text: str) -> object:
    """Return what a JSON text says, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: "[[[[…"
        return None


def is_json_object(text: str) -> bool:
    """Tell whether a text is a JSON object as it stands; the page of a gateway is none."""
    return isinstance(parse_json(text), dict)


def unwrapped_object(text: str) -> Mapping[str, object] | None:
    """Return the JSON object in a text, out of strings and arrays of one element; None for none."""
    value = parse_json(text)
    for _ in range(_MAX_UNWRAPPING):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, str):
            value = parse_json(value)
    return value if isinstance(value, dict) else None


def json_percent(value: object) -> int | None:
    """Return a progress from 0 to 100 out of 30, 30.5, "30" or "30%"; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        value = str(value)
    if isinstance(value, str) and (number := _PERCENT.fullmatch(value)):
        return min(int(number[1]), 100)
    return None


def json_timestamp(value: object) -> datetime | None:
    """Return the moment that Unix seconds or an ISO text name; None for anything else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value <= _SECONDS_OF_YEAR_9999:  # also refuses NaN; new-api writes 0 for "not yet"
        return None
    return datetime.fromtimestamp(value, UTC)


def json_amount(value: object) -> Decimal | None:
    """Return an amount of money out of a number or its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def json_http_url(value: object) -> str:
    """Return a value that is an absolute http or https address, anything else as ""."""
    address = json_text(value).strip()
    try:
        parts = urlsplit(address)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return address if whole else ""
