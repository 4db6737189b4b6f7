"""Single fields of a request: read tolerantly, and refused where they have no meaning.

What a service supports is not checked here: routing does that.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import ApiError, bad_request
from tallylight.model.order import Reference

MAX_URL_LENGTH = 20_971_520
"""Limit of `image_url` in the official API description: a data URL holds a whole image."""

_DATA_URL = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?((?:;[^;,]*)*),(.*)", re.DOTALL)
_HTTP_URL = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"BM.{4}\0{4}", re.DOTALL), "image/bmp"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "image/avif"),
    (re.compile(rb"....ftyp(?:hei[cx]|hev[cx]|mif1|msf1)", re.DOTALL), "image/heic"),
    (re.compile(rb"....ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)
_GENERIC_TYPES = {"", "application/octet-stream", "binary/octet-stream"}
MAX_PROMPT_LENGTH = 32_000
_MAX_TEXT_LENGTH = 256
_MAX_CHARACTERS = 16
_SECONDS = re.compile(r"[0-9]{1,5}")
_SIZE = re.compile(r"[0-9]{1,5}x[0-9]{1,5}")


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
        raise _too_long(name, value, max_length)
    return value


def required_text_field(fields: FieldTree, name: str, max_length: int) -> str:
    """Return a text field that must not be missing or empty."""
    text = text_field(fields, name, max_length)
    if not text:
        raise missing_field(name)
    return text


def seconds_field(fields: FieldTree) -> int | None:
    """Return the length in seconds, None if it is missing: `"8"` as in the official API, or 8."""
    value = fields.get("seconds")
    if value is None or value == "":
        return None
    # bool is a subclass of int, and `true` is no number of seconds.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong_type("seconds", "a number of seconds", value)
    digits = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not _SECONDS.fullmatch(digits) or int(digits) == 0:
        raise invalid_value("seconds", f"'{digits[:20]}'", "a whole number of seconds, such as '8'")
    return int(digits)


def size_field(fields: FieldTree) -> str:
    """Return the frame size, "" if it is missing."""
    size = text_field(fields, "size")
    if size and not _SIZE.fullmatch(size):
        raise invalid_value("size", f"'{size}'", "WIDTHxHEIGHT in pixels, such as '1280x720'")
    return size


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


def image_reference(value: object, param: str = "input_reference") -> Reference | None:
    """Return the input image of a request, None if there is none.

    It is a file, `{"image_url": …}`, or the plain URL, which many resellers accept.

    Raises:
        ApiError: if it is anything else, an empty file, or `{"file_id": …}`.
    """
    match value:
        case None | "":
            return None
        case Upload():
            return file_reference(value, param)
        case str():
            return _url_reference(value, param)
        # The official description allows exactly one of the two members.
        case {"image_url": str(url), **rest} if rest.get("file_id") is None:
            return _url_reference(url, f"{param}.image_url")
        case {"file_id": str(), **rest} if rest.get("image_url") is None:
            raise bad_request(
                f"Invalid '{param}.file_id': this gateway stores no files. Send the image as a "
                "file, or as 'image_url' with its URL or a data URL.",
                param=f"{param}.file_id",
            )
        case dict():
            raise invalid_value(param, "another object", "exactly one of 'image_url' or 'file_id'")
        case _:
            raise wrong_type(param, "a file or an object", value)


def file_reference(upload: Upload, param: str) -> Reference:
    """Return an uploaded file as a reference; an unspecific media type is detected."""
    if not upload.body:
        raise invalid_value(param, "an empty file", "a file")
    declared = upload.media_type.partition(";")[0].strip().lower()
    media_type = _sniff_media_type(upload.body) if declared in _GENERIC_TYPES else declared
    return Reference(body=upload.body, media_type=media_type, name=upload.name)


def _url_reference(url: str, param: str) -> Reference:
    if len(url) > MAX_URL_LENGTH:
        raise _too_long(param, url, MAX_URL_LENGTH)
    if url[:5].lower() == "data:":
        return _data_url_reference(url, param)
    if not _HTTP_URL.fullmatch(url):
        raise invalid_value(param, "something else", "an http or https URL, or a data URL")
    return Reference(url=url)


def _data_url_reference(url: str, param: str) -> Reference:
    match = _DATA_URL.fullmatch("data:" + url[5:])
    if match is None:
        raise invalid_value(param, "something else", "a data URL such as 'data:image/png;base64,…'")
    media_type, parameters, data = match.groups()
    try:
        # Line breaks and percent-encoding occur in base64 of real clients.
        body = (
            base64.b64decode("".join(unquote_to_bytes(data).decode("ascii").split()), validate=True)
            if ";base64" in parameters.lower()
            else unquote_to_bytes(data)
        )
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_value(param, "a data URL whose base64 is broken", "a whole one") from None
    if not body:
        raise invalid_value(param, "an empty data URL", "an image")
    return Reference(body=body, media_type=(media_type or _sniff_media_type(body)).lower())


def _sniff_media_type(body: bytes) -> str:
    """Return the media type that a file's first bytes show, "" if they are unknown."""
    return next((kind for magic, kind in _MAGIC if magic.match(body)), "")


def unknown_fields(fields: FieldTree, known: Iterable[str]) -> FieldTree:
    """Return the unknown fields, which are passed to the service unchanged.

    Raises:
        ApiError: if one of them holds a file, which no service would understand.
    """
    unknown = {name: value for name, value in fields.items() if name not in set(known)}
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


def _too_long(name: str, text: str, limit: int) -> ApiError:
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
