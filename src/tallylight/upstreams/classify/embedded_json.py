"""Finds JSON in texts: as a JSON string, behind a prefix, or in Python's notation.

new-api puts its upstream's body as a JSON string into `message`, once more for each reseller on
the way (QuantumNous/new-api relay/relay_task.go); sora2api prints a Python dict after a prefix.
"""

import ast
import json
from typing import Final

from tallylight.upstreams.json_access import parse_json

#: How many nested strings are searched.
MAX_NESTING: Final = 8
_MAX_LITERAL = 20_000
_DECODER = json.JSONDecoder()


def embedded_value(text: str) -> object | None:
    """Return the object or array in a text, None if there is none."""
    if text.lstrip().startswith('"'):
        inner = parse_json(text)
        return embedded_value(inner) if isinstance(inner, str) else None
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    while start >= 0:
        value = _decoded(text, start)
        if isinstance(value, dict) and value:
            return value
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return value
        start = text.find("{", start + 1)
        if text.count("{", 0, start + 1) > MAX_NESTING:
            return None
    return None


def _decoded(text: str, start: int) -> object | None:
    try:
        value: object = _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return _literal(text[start : text.rfind("}") + 1])
    return value


def _literal(text: str) -> object | None:
    """Return the value of a Python dict in text."""
    if not text.startswith("{") or len(text) > _MAX_LITERAL:
        return None
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value
