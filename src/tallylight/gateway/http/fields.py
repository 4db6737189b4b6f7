"""Single fields of a request, read as tolerantly as is safe; what a service can do is not asked."""

import base64
import binascii
import re
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import ApiError
from tallylight.model.order import Reference

MAX_URL_LENGTH = 20_971_520
"""Of `image_url`, as the official description has it: a data URL holds a whole picture."""

_DATA_URL = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?((?:;[^;,]*)*),(.*)", re.DOTALL)
_HTTP_URL = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"....ftyp(?!avif|heic|mif1)", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)
_GENERIC_TYPES = {"", "application/octet-stream", "binary/octet-stream"}
MAX_PROMPT_LENGTH = 32_000
_MAX_TEXT_LENGTH = 256
_MAX_CHARACTERS = 16
_SECONDS = re.compile(r"[0-9]{1,5}")
_SIZE = re.compile(r"[0-9]{1,5}x[0-9]{1,5}")


def text_field(fields: FieldTree, name: str, max_length: int = _MAX_TEXT_LENGTH) -> str:
    """Return a text field, "" where it is left out.

    Raises:
        RefusalError: if it is no text, or too long.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if len(value) > max_length:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid '{name}': string too long. Expected a string with maximum length {max_length}, "
            f"but got a string with length {len(value)} instead.",
            code="string_above_max_length",
            param=name,
        )
    return value


def required_text_field(fields: FieldTree, name: str, max_length: int) -> str:
    """Return a text field that must be there and not be empty."""
    text = text_field(fields, name, max_length)
    if not text:
        raise missing_field(name)
    return text


def seconds_field(fields: FieldTree) -> int | None:
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
        raise invalid_value(
            "seconds", f"'{written[:20]}'", "a whole number of seconds, such as '8'"
        )
    return int(written)


def size_field(fields: FieldTree) -> str:
    """Return the size, "" where it is left out; which sizes there are, routing decides."""
    size = text_field(fields, "size")
    if size and not _SIZE.fullmatch(size):
        raise invalid_value("size", f"'{size}'", "WIDTHxHEIGHT in pixels, such as '1280x720'")
    return size


def characters_field(fields: FieldTree) -> tuple[str, ...]:
    """Return the characters' ids: `[{"id": "char_1"}]`, or the ids alone."""
    value = fields.get("characters")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong_type("characters", "an array of objects", value)
    if len(value) > _MAX_CHARACTERS:
        raise invalid_value("characters", f"{len(value)} of them", f"at most {_MAX_CHARACTERS}")
    return tuple(id_value(one, "characters") for one in value)


def id_value(value: object, param: str) -> str:
    """Return an id: `{"id": "video_1"}`, or the id alone."""
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT_LENGTH:
        raise wrong_type(param, "an object with an 'id'", value)
    return value


def image_reference(value: object, param: str = "input_reference") -> Reference | None:
    """Return the picture of a request, None if there is none.

    A file, `{"image_url": …}`, or the address alone, which many resellers take.

    Raises:
        RefusalError: if it is something else, an empty file, or `{"file_id": …}`.
    """
    match value:
        case None | "":
            return None
        case Upload():
            return file_reference(value, param)
        case str():
            return _url_reference(value, param)
        case {"image_url": str(address), **rest} if rest.get("file_id") is None:
            return _url_reference(address, f"{param}.image_url")
        case {"file_id": str(), **rest} if rest.get("image_url") is None:
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"Invalid '{param}.file_id': no files are kept here. Send the picture as a file, "
                "or as 'image_url' with its address or a data URL.",
                code="invalid_value",
                param=f"{param}.file_id",
            )
        case dict():
            raise invalid_value(param, "another object", "exactly one of 'image_url' or 'file_id'")
        case _:
            raise wrong_type(param, "a file or an object", value)


def file_reference(upload: Upload, param: str) -> Reference:
    """Return a file as what a request builds on."""
    if not upload.body:
        raise invalid_value(param, "an empty file", "a file")
    said = upload.media_type.partition(";")[0].strip().lower()
    kind = _sniff_media_type(upload.body) if said in _GENERIC_TYPES else said
    return Reference(body=upload.body, media_type=kind, name=upload.name)


def _url_reference(url: str, param: str) -> Reference:
    if len(url) > MAX_URL_LENGTH:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid '{param}': string too long. Expected a string with maximum length "
            f"{MAX_URL_LENGTH}, but got a string with length {len(url)} instead.",
            code="string_above_max_length",
            param=param,
        )
    if url[:5].lower() == "data:":
        return _data_url_reference(url, param)
    if not _HTTP_URL.fullmatch(url):
        raise invalid_value(param, "something else", "an http or https address, or a data URL")
    return Reference(url=url)


def _data_url_reference(url: str, param: str) -> Reference:
    found = _DATA_URL.fullmatch("data:" + url[5:])
    if found is None:
        raise invalid_value(param, "something else", "a data URL such as 'data:image/png;base64,…'")
    kind, parameters, written = found.groups()
    try:
        body = (
            base64.b64decode(
                "".join(unquote_to_bytes(written).decode("ascii").split()), validate=True
            )
            if ";base64" in parameters.lower()
            else unquote_to_bytes(written)
        )
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_value(param, "a data URL whose base64 is broken", "a whole one") from None
    if not body:
        raise invalid_value(param, "an empty data URL", "a picture")
    return Reference(body=body, media_type=(kind or _sniff_media_type(body)).lower())


def _sniff_media_type(body: bytes) -> str:
    """Return what a file's first bytes say that it is, "" if they say nothing known."""
    return next((kind for magic, kind in _MAGIC if magic.match(body)), "")


def unknown_fields(fields: FieldTree, known: Iterable[str]) -> FieldTree:
    """Return the fields that we do not know; they go along as they came.

    Raises:
        RefusalError: if one of them is a file: those do not travel.
    """
    unknown = {name: value for name, value in fields.items() if name not in set(known)}
    for name, value in unknown.items():
        if _contains_file(value):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
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
    """Return the refusal of a request that lacks a field."""
    return ApiError(
        HTTPStatus.BAD_REQUEST,
        f"Missing required parameter: '{name}'.",
        code="missing_required_parameter",
        param=name,
    )


def invalid_value(name: str, got: str, expected: str) -> ApiError:
    """Return the refusal of a value."""
    return ApiError(
        HTTPStatus.BAD_REQUEST,
        f"Invalid value for '{name}': expected {expected}, but got {got} instead.",
        code="invalid_value",
        param=name,
    )


def wrong_type(name: str, expected: str, value: object) -> ApiError:
    """Return the refusal of a value of another kind."""
    return ApiError(
        HTTPStatus.BAD_REQUEST,
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
