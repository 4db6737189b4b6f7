"""Single fields of a request, read as tolerantly as is safe; what a service can do is not asked."""

import re
from collections.abc import Iterable
from http import HTTPStatus

from tallylight.gateway.http.forms import Tree
from tallylight.gateway.http.uploads import Upload
from tallylight.gateway.requests import RefusalError

LONGEST_PROMPT = 32_000
_LONGEST_WORD = 256
_MOST_CHARACTERS = 16
_SECONDS = re.compile(r"[0-9]{1,5}")
_SIZE = re.compile(r"[0-9]{1,5}x[0-9]{1,5}")


def text_of(fields: Tree, name: str, longest: int = _LONGEST_WORD) -> str:
    """Return a text field, "" where it is left out.

    Raises:
        RefusalError: if it is no text, or too long.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if len(value) > longest:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(value)} instead.",
            code="string_above_max_length",
            param=name,
        )
    return value


def needed_text_of(fields: Tree, name: str, longest: int) -> str:
    """Return a text field that must be there and not be empty."""
    text = text_of(fields, name, longest)
    if not text:
        raise missing(name)
    return text


def seconds_of(fields: Tree) -> int | None:
    """Return the length, None where it is left out: `"8"` as the official API has it, or 8.

    Which lengths there are depends on the service: routing decides.
    """
    value = fields.get("seconds")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong_type("seconds", "a number of seconds", value)
    written = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not _SECONDS.fullmatch(written) or int(written) == 0:
        raise invalid("seconds", f"'{written[:20]}'", "a whole number of seconds, such as '8'")
    return int(written)


def size_of(fields: Tree) -> str:
    """Return the size, "" where it is left out; which sizes there are, routing decides."""
    size = text_of(fields, "size")
    if size and not _SIZE.fullmatch(size):
        raise invalid("size", f"'{size}'", "WIDTHxHEIGHT in pixels, such as '1280x720'")
    return size


def characters_of(fields: Tree) -> tuple[str, ...]:
    """Return the characters' ids: `[{"id": "char_1"}]`, or the ids alone."""
    value = fields.get("characters")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_type("characters", "an array of objects", value)
    if len(value) > _MOST_CHARACTERS:
        raise invalid("characters", f"{len(value)} of them", f"at most {_MOST_CHARACTERS}")
    return tuple(id_of(one, "characters") for one in value)


def id_of(value: object, param: str) -> str:
    """Return an id: `{"id": "video_1"}`, or the id alone."""
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or not value or len(value) > _LONGEST_WORD:
        raise wrong_type(param, "an object with an 'id'", value)
    return value


def others(fields: Tree, known: Iterable[str]) -> Tree:
    """Return the fields that we do not know; they go along as they came.

    Raises:
        RefusalError: if one of them is a file: those do not travel.
    """
    unknown = {name: value for name, value in fields.items() if name not in set(known)}
    for name, value in unknown.items():
        if _holds_file(value):
            raise RefusalError(
                HTTPStatus.BAD_REQUEST,
                f"Invalid '{name}': a file cannot be sent in this field.",
                code="unknown_parameter",
                param=name,
            )
    return unknown


def _holds_file(value: object) -> bool:
    match value:
        case Upload():
            return True
        case dict():
            return any(_holds_file(one) for one in value.values())
        case list():
            return any(_holds_file(one) for one in value)
        case _:
            return False


def missing(name: str) -> RefusalError:
    """Return the refusal of a request that lacks a field."""
    return RefusalError(
        HTTPStatus.BAD_REQUEST,
        f"Missing required parameter: '{name}'.",
        code="missing_required_parameter",
        param=name,
    )


def invalid(name: str, got: str, expected: str) -> RefusalError:
    """Return the refusal of a value."""
    return RefusalError(
        HTTPStatus.BAD_REQUEST,
        f"Invalid value for '{name}': expected {expected}, but got {got} instead.",
        code="invalid_value",
        param=name,
    )


def wrong_type(name: str, expected: str, value: object) -> RefusalError:
    """Return the refusal of a value of another kind."""
    return RefusalError(
        HTTPStatus.BAD_REQUEST,
        f"Invalid type for '{name}': expected {expected}, but got {_noun(value)} instead.",
        code="invalid_type",
        param=name,
    )


_NOUNS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal number"),
    (str, "a string"),
    (list, "an array"),
    (Upload, "a file"),
    (dict, "an object"),
)


def _noun(value: object) -> str:
    return next((noun for kind, noun in _NOUNS if isinstance(value, kind)), "nothing")
