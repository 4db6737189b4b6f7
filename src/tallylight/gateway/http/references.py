"""The picture or film that a request builds on: a file, an address, or a data URL."""

import base64
import binascii
import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from tallylight.gateway.http.fields import invalid_value, wrong_type
from tallylight.gateway.http.uploads import Upload
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
