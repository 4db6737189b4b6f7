"""The pictures that a create builds on, in every form in which clients send them.

It is a file, an address, a data URL or plain base64, alone, in an object or in a list of one. A
picture that cannot be used is refused: no create goes on without it.
"""

import base64
import binascii
import re
from dataclasses import replace
from urllib.parse import quote, unquote_to_bytes

from tallylight.gateway.http.fields import invalid_value, too_long, wrong_type
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import bad_request
from tallylight.model.member_names import folded_name
from tallylight.model.order import Input, Medium, Role
from tallylight.upstreams.media_types import media_type_of

MAX_URL_LENGTH = 20_971_520
"""Limit of `image_url` in the official API description: a data URL holds a whole image."""

_NAMES = (
    "inputreference inputreferences image images imageurl imageurls imagebase64 inputimage "
    "inputimages inputimageurl inputimageurls imagereference referenceurl"
)
"""In lower case and without punctuation: of the Videos API, new-api, vLLM-Omni and SGLang."""

_MEMBERS = ("image_url", "url", "b64_json", "data")
"""Members of an object that hold its picture."""

_DATA_URL = re.compile(r"data:[^,;]*((?:;[^;,]*)*),(.*)", re.DOTALL)
_HTTP_URL = re.compile(r"(https?://)([^\s/?#]+)([^\x00-\x1f\x7f]*)", re.IGNORECASE)
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_KINDS = "a picture (PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF or JPEG XL)"


def is_picture_name(name: str) -> bool:
    """Tell whether a field of this name holds the picture that a create starts from."""
    return folded_name(name) in _NAMES.split()


def picture_reference(fields: FieldTree) -> Input | None:
    """Return the picture in the fields of these names, None if they are empty.

    Raises:
        ApiError: if one holds no picture, or they hold several.
    """
    return _only(_named_pictures(fields))


def picture_references(fields: FieldTree, role: Role, most: int) -> tuple[Input, ...]:
    """Return all pictures in the fields of these names, for one role.

    Args:
        fields: The fields, with one picture or a list of them in each.
        role: What the pictures are for.
        most: How many there may be.

    Raises:
        ApiError: if one holds no picture, or there are too many.
    """
    found = _named_pictures(fields)
    if len(found) > most:
        raise invalid_value(found[most][0], f"{len(found)} pictures", f"at most {most}")
    return tuple(replace(each, role=role) for _, each in found)


def film_reference(upload: Upload, param: str) -> Input:
    """Return an uploaded film as a reference, of the media type that its bytes show."""
    if not upload.body:
        raise invalid_value(param, "an empty file", "a file")
    declared = upload.media_type.partition(";")[0].strip().lower()
    media_type = media_type_of(upload.body) or declared
    return Input(
        body=upload.body,
        media_type=media_type,
        name=upload.name,
        role=Role.SOURCE,
        medium=Medium.VIDEO,
    )


def _named_pictures(fields: FieldTree) -> list[tuple[str, Input]]:
    """Return the pictures in fields, each with the name of its field."""
    found = [
        (name, _reference(each, name))
        for name, value in fields.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return [(name, each) for name, each in found if each is not None]


def _reference(value: object, param: str) -> Input | None:
    match value:
        case None:
            return None
        case Upload():
            return _picture(value.body, param, "file", value.name)
        case str():
            return _reference_in_text(value.strip(), param)
        case list():
            found = [_reference(each, param) for each in value]
            return _only([(param, each) for each in found if each is not None])
        case dict():
            return _reference_in_object(value, param)
        case _:
            raise wrong_type(param, "a file or an object", value)


def _only(found: list[tuple[str, Input]]) -> Input | None:
    """Return the one picture of several places, which some clients fill alike."""
    for name, each in found:
        first, reference = found[0]
        if (each.url, each.body) != (reference.url, reference.body):
            where = f"'{name}'" if name == first else f"'{first}' and '{name}'"
            raise bad_request(
                f"Invalid {where}: several pictures; this gateway takes one for each video.",
                param=name,
            )
    return found[0][1] if found else None


def _reference_in_object(value: FieldTree, param: str) -> Input:
    given = [name for name in (*_MEMBERS, "file_id") if value.get(name) is not None]
    if given == ["file_id"]:
        raise bad_request(
            f"Invalid '{param}.file_id': this gateway stores no files. Send the image as a "
            "file, or as 'image_url' with its URL or a data URL.",
            param=f"{param}.file_id",
        )
    found = _reference(value[given[0]], f"{param}.{given[0]}") if len(given) == 1 else None
    if found is None:
        raise invalid_value(param, "another object", "exactly one of 'image_url' or 'file_id'")
    return found


def _reference_in_text(text: str, param: str) -> Input | None:
    if len(text) > MAX_URL_LENGTH:
        raise too_long(param, text, MAX_URL_LENGTH)
    if not text:
        return None
    if text[:5].lower() == "data:":
        return _data_url_reference(text, param)
    if (address := _HTTP_URL.fullmatch(text)) is not None:
        return Input(url=_encoded_url(address, param))
    body = _base64_bytes(text)
    if body is None or not media_type_of(body):
        raise invalid_value(
            param, "something else", "an http or https URL, a data URL, or a picture in base64"
        )
    return _picture(body, param, "text")


def _data_url_reference(url: str, param: str) -> Input:
    match = _DATA_URL.fullmatch("data:" + url[5:])
    if match is None:
        raise invalid_value(param, "something else", "a data URL such as 'data:image/png;base64,…'")
    parameters, data = match.groups()
    # Line breaks and percent-encoding occur in base64 of real clients.
    raw = unquote_to_bytes(data)
    body = _base64_bytes(raw.decode("latin-1")) if ";base64" in parameters.lower() else raw
    if body is None:
        raise invalid_value(param, "a data URL whose base64 is broken", "a whole one")
    return _picture(body, param, "data URL")


def _picture(body: bytes, param: str, source: str, name: str = "") -> Input:
    """Return a picture, of the media type that its bytes show; clients often declare another."""
    if not body:
        raise invalid_value(param, f"an empty {source}", _KINDS)
    media_type = media_type_of(body)
    if not media_type.startswith("image/"):
        got = f"a {source} of {media_type or 'another kind'}"
        raise invalid_value(param, got, _KINDS)
    return Input(body=body, media_type=media_type, name=name)


def _base64_bytes(text: str) -> bytes | None:
    """Return what base64 encodes, in either alphabet, with or without padding; None if broken."""
    digits = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):  # also characters that are not ASCII
        return None


def _encoded_url(address: re.Match[str], param: str) -> str:
    """Return an address in ASCII; what it has in ASCII stays, since it may be signed."""
    scheme, authority, rest = address.groups()
    try:
        host = authority if authority.isascii() else authority.encode("idna").decode("ascii")
    except UnicodeError:
        raise invalid_value(param, "another host", "the address of a picture") from None
    return f"{scheme}{host}{quote(rest, safe=_ASCII)}"
