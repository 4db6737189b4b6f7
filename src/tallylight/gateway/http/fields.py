"""Single fields of a request: read tolerantly, and refused where they have no meaning.

What a service supports is not checked here: routing does that.
"""

import re
from collections.abc import Iterable

from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import ApiError, bad_request

MAX_PROMPT_LENGTH = 32_000
_MAX_TEXT_LENGTH = 256
_MAX_CHARACTERS = 16
_SECONDS = re.compile(r"([0-9]{1,5})(?:\.0*)?\s*(?:s|secs?|seconds?)?", re.IGNORECASE)


def text_field(fields: FieldTree, name: str, max_length: int = _MAX_TEXT_LENGTH) -> str:
    """Return a text field, "" if it is missing.

    Raises:
        ApiError: if it is not a string, or too long.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if len(value) > max_length:
        raise too_long(name, value, max_length)
    return value


def required_text_field(fields: FieldTree, name: str, max_length: int) -> str:
    """Return a text field that must not be missing or empty."""
    text = text_field(fields, name, max_length)
    if not text:
        raise missing_field(name)
    return text


def seconds_value(name: str, value: object) -> int | None:
    """Return a length in seconds, None for none: `"8"` as in the official API, 8, "8.0" or "8s".

    Raises:
        ApiError: if it is not a whole number of seconds.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    # bool is a subclass of int, and `true` is no number of seconds.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong_type(name, "a number of seconds", value)
    number = str(value).strip()
    found = _SECONDS.fullmatch(number)
    if found is None or int(found[1]) == 0:
        raise invalid_value(name, f"'{number[:20]}'", "a whole number of seconds, such as '8'")
    return int(found[1])


def characters_field(fields: FieldTree) -> tuple[str, ...]:
    """Return the characters' ids, sent as `[{"id": "char_1"}]` or as plain ids."""
    value = fields.get("characters")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_type("characters", "an array of objects", value)
    if len(value) > _MAX_CHARACTERS:
        raise invalid_value("characters", f"{len(value)} of them", f"at most {_MAX_CHARACTERS}")
    return tuple(id_value(one, "characters") for one in value)


def id_value(value: object, param: str) -> str:
    """Return an id, sent as `{"id": "video_1"}` or as the plain id."""
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT_LENGTH:
        raise wrong_type(param, "an object with an 'id'", value)
    return value


def unknown_fields(fields: FieldTree, known: Iterable[str]) -> FieldTree:
    """Return the unknown fields, which are passed to the service unchanged.

    Raises:
        ApiError: if one of them holds a file, which no service would understand.
    """
    names = set(known)
    unknown = {name: value for name, value in fields.items() if name not in names}
    for name, value in unknown.items():
        if _contains_file(value):
            raise bad_request(
                f"Invalid '{name}': a file cannot be sent in this field.",
                code="unknown_parameter",
                param=name,
            )
    return unknown


def _contains_file(value: object) -> bool:
    match value:
        case Upload():
            return True
        case dict():
            return any(_contains_file(one) for one in value.values())
        case list():
            return any(_contains_file(one) for one in value)
        case _:
            return False


def missing_field(name: str) -> ApiError:
    """Return the error for a missing field."""
    return bad_request(
        f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name
    )


def invalid_value(name: str, got: str, expected: str) -> ApiError:
    """Return the error for a value that is not allowed."""
    return bad_request(
        f"Invalid value for '{name}': expected {expected}, but got {got} instead.", param=name
    )


def too_long(name: str, text: str, limit: int) -> ApiError:
    """Return the error for a text that is too long."""
    return bad_request(
        f"Invalid '{name}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {len(text)} instead.",
        code="string_above_max_length",
        param=name,
    )


def wrong_type(name: str, expected: str, value: object) -> ApiError:
    """Return the error for a value of another JSON type."""
    return bad_request(
        f"Invalid type for '{name}': expected {expected}, but got {_type_name(value)} instead.",
        code="invalid_type",
        param=name,
    )


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal number"),
    (str, "a string"),
    (list, "an array"),
    (Upload, "a file"),
    (dict, "an object"),
)


def _type_name(value: object) -> str:
    return next((noun for kind, noun in _TYPE_NAMES if isinstance(value, kind)), "nothing")
