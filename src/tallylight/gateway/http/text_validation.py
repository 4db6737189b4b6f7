"""JSON bodies, and what any text in a request must be: storable in both databases."""

import json
import re
from http import HTTPStatus
from typing import Never

from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import ApiError

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_DEPTH = 32


def tree_from_json(body: bytes | bytearray) -> FieldTree:
    """Return the object that a JSON body says; {} for an empty one.

    Raises:
        RefusalError: if it is no JSON, or no object.
    """
    if not body.strip():
        return {}
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"We could not parse the JSON body of your request ({_cause(error)}).",
            code="invalid_json",
        ) from None
    if not isinstance(document, dict):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "Invalid body: expected a JSON object.", code="invalid_type"
        )
    return document


def is_storable(text: str) -> bool:
    """Tell whether both databases can hold a text."""
    return not _UNSTORABLE.search(text)


def check_storable(tree: FieldTree) -> None:
    """Raise RefusalError if a text can be stored nowhere, or the tree is too deep."""
    for name, value in tree.items():
        texts = (name, value) if isinstance(value, str) else _texts({name: value}, name, _MAX_DEPTH)
        for text in texts:
            if not is_storable(text):
                raise ApiError(
                    HTTPStatus.BAD_REQUEST,
                    "Invalid text: it contains a NUL character or half a surrogate pair.",
                    code="invalid_value",
                    param=_UNSTORABLE.sub("", name),
                )


def _texts(value: object, name: str, depth: int) -> list[str]:
    if depth == 0:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid '{name}': it is nested too deeply.",
            code="invalid_value",
            param=name,
        )
    match value:
        case str():
            return [value]
        case Upload():
            return [value.name, value.media_type]
        case dict():
            below = [text for one in value.values() for text in _texts(one, name, depth - 1)]
            return [*value, *below]
        case list():
            return [text for one in value for text in _texts(one, name, depth - 1)]
        case _:
            return []


def _refuse_constant(word: str) -> Never:
    raise ValueError(f"{word} is no JSON")


def _cause(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
