"""Parses JSON, and checks that both databases can store the texts and numbers of a request."""

import json
import math
import re
from dataclasses import dataclass

from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import bad_request

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_DEPTH = 32
MAX_FIELDS = 256
"""Limit of the fields of a request, in JSON or a form."""
_MAX_VALUES = 10_000
_MAX_NAME_LENGTH = 256


def tree_from_json(body: bytes | bytearray) -> FieldTree:
    """Return the object in a JSON body; {} for an empty body.

    Raises:
        ApiError: if it is not JSON, or not an object.
    """
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(
            f"We could not parse the JSON body of your request ({_cause(error)}).",
            code="invalid_json",
        ) from None
    if not isinstance(document, dict):
        raise bad_request("Invalid body: expected a JSON object.", code="invalid_type")
    return document


def parsed_json_text(value: object) -> object:
    """Return the object or array in a text, or in the texts of a list; else the value itself."""
    if isinstance(value, list):
        return [parsed_json_text(one) for one in value]
    if not isinstance(value, str) or value[:64].lstrip()[:1] not in {"{", "["}:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def is_storable(text: str) -> bool:
    """Tell whether SQLite and PostgreSQL can both store a text."""
    return not _UNSTORABLE.search(text)


def check_storable(tree: FieldTree) -> None:
    """Raise ApiError for what a database cannot store, or a tree that is too deep or too large.

    A text must not hold a NUL character, and JSON has no infinite numbers.
    """
    if len(tree) > MAX_FIELDS:
        raise bad_request(
            f"Invalid body: it has more than {MAX_FIELDS} fields.", code="too_many_fields"
        )
    budget = _ValueBudget()
    for name, value in tree.items():
        # Most fields are plain texts: skip the recursion for them.
        texts = (value,) if isinstance(value, str) else _texts(value, name, _MAX_DEPTH, budget)
        for text in (_checked_name(name), *texts):
            if not is_storable(text):
                raise bad_request(
                    "Invalid text: it contains a NUL character or half a surrogate pair.",
                    param=_UNSTORABLE.sub("", name),
                )


@dataclass(slots=True)
class _ValueBudget:
    """How many values the fields of a request may hold yet."""

    left: int = _MAX_VALUES

    def spend(self, count: int, name: str) -> None:
        self.left -= count
        if self.left < 0:
            reason = f"it holds more than {_MAX_VALUES} values"
            raise bad_request(f"Invalid '{name}': {reason}.", code="too_many_fields", param=name)


def _checked_name(name: str) -> str:
    if len(name) > _MAX_NAME_LENGTH:
        shown = _UNSTORABLE.sub("", name[:20])
        raise bad_request(
            f"Invalid name of a field: '{shown}…' has more than {_MAX_NAME_LENGTH} characters."
        )
    return name


def _texts(value: object, name: str, depth: int, budget: _ValueBudget) -> list[str]:
    if depth == 0:
        raise bad_request(f"Invalid '{name}': it is nested too deeply.", param=name)
    match value:
        case str():
            return [value]
        case float() if not math.isfinite(value):
            raise bad_request(f"Invalid value for '{name}': {value} is no number.", param=name)
        case Upload():
            return [value.name, value.media_type]
        case dict():
            budget.spend(len(value), name)
            texts = [_checked_name(key) for key in value]
            for one in value.values():
                texts += _texts(one, name, depth - 1, budget)
            return texts
        case list():
            budget.spend(len(value), name)
            return [text for one in value for text in _texts(one, name, depth - 1, budget)]
        case _:
            return []


def _cause(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
