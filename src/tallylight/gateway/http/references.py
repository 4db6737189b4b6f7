"""The picture or film that a request builds on: a file, an address, or a data URL."""

import base64
import binascii
import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from tallylight.gateway.http.fields import invalid, wrong_type
from tallylight.gateway.http.uploads import Upload
from tallylight.gateway.requests import RefusalError
from tallylight.model.order import Reference

LONGEST_ADDRESS = 20_971_520
"""Of `image_url`, as the official description has it: a data URL holds a whole picture."""

_DATA = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?((?:;[^;,]*)*),(.*)", re.DOTALL)
_WEB = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"....ftyp(?!avif|heic|mif1)", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)
_UNTOLD = {"", "application/octet-stream", "binary/octet-stream"}


def picture_of(value: object, param: str = "input_reference") -> Reference | None:
    """Return the picture of a request, None if there is none.

    A file, `{"image_url": …}`, or the address alone, which many resellers take.

    Raises:
        RefusalError: if it is something else, an empty file, or `{"file_id": …}`.
    """
    match value:
        case None | "":
            return None
        case Upload():
            return film_of(value, param)
        case str():
            return _at(value, param)
        case {"image_url": str(address), **rest} if rest.get("file_id") is None:
            return _at(address, f"{param}.image_url")
        case {"file_id": str(), **rest} if rest.get("image_url") is None:
            raise RefusalError(
                HTTPStatus.BAD_REQUEST,
                f"Invalid '{param}.file_id': no files are kept here. Send the picture as a file, "
                "or as 'image_url' with its address or a data URL.",
                code="invalid_value",
                param=f"{param}.file_id",
            )
        case dict():
            raise invalid(param, "another object", "exactly one of 'image_url' or 'file_id'")
        case _:
            raise wrong_type(param, "a file or an object", value)


def film_of(upload: Upload, param: str) -> Reference:
    """Return a file as what a request builds on."""
    if not upload.body:
        raise invalid(param, "an empty file", "a file")
    said = upload.media_type.partition(";")[0].strip().lower()
    kind = _kind_of(upload.body) if said in _UNTOLD else said
    return Reference(body=upload.body, media_type=kind, name=upload.name)


def _at(address: str, param: str) -> Reference:
    if len(address) > LONGEST_ADDRESS:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid '{param}': string too long. Expected a string with maximum length "
            f"{LONGEST_ADDRESS}, but got a string with length {len(address)} instead.",
            code="string_above_max_length",
            param=param,
        )
    if address[:5].lower() == "data:":
        return _inside(address, param)
    if not _WEB.fullmatch(address):
        raise invalid(param, "something else", "an http or https address, or a data URL")
    return Reference(url=address)


def _inside(address: str, param: str) -> Reference:
    found = _DATA.fullmatch("data:" + address[5:])
    if found is None:
        raise invalid(param, "something else", "a data URL such as 'data:image/png;base64,…'")
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
        raise invalid(param, "a data URL whose base64 is broken", "a whole one") from None
    if not body:
        raise invalid(param, "an empty data URL", "a picture")
    return Reference(body=body, media_type=(kind or _kind_of(body)).lower())


def _kind_of(body: bytes) -> str:
    """Return what a file's first bytes say that it is, "" if they say nothing known."""
    return next((kind for magic, kind in _MAGIC if magic.match(body)), "")
