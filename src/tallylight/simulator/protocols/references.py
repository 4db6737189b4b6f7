"""The picture that a create begins from, in the forms that servers take it in."""

import base64
import binascii
import json

from starlette.datastructures import UploadFile

from tallylight.simulator.protocols.orders import Fields, InvalidError

_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
_LONGEST_ADDRESS = 20_971_520


def file_or_object(fields: Fields) -> str:
    """Read OpenAI's field: a file, or an object with an address or the id of a file.

    Raises:
        InvalidError: for anything else.
    """
    value = fields.values.get("input_reference")
    if value is None:
        return ""
    if isinstance(value, UploadFile):
        if value.content_type not in _PICTURES:
            raise _wrong(f"Unsupported file type '{value.content_type}'.", "invalid_value")
        return _file(value)
    if isinstance(value, str):
        raise _wrong("Invalid type: expected a file, but got a string instead.", "invalid_type")
    if not isinstance(value, dict) or len({"image_url", "file_id"} & value.keys()) != 1:
        raise _wrong("Provide exactly one of 'image_url' or 'file_id'.", "invalid_value")
    return address(value["image_url"]) if "image_url" in value else str(value["file_id"])


def file_or_field(fields: Fields) -> str:
    """Read vLLM-Omni's fields: a file, or an object as text in a field of its own.

    Raises:
        InvalidError: if there are both, or the text is no such object.
    """
    file, text = fields.values.get("input_reference"), fields.values.get("image_reference")
    if file is not None and text is not None:
        raise _wrong("Provide only one of input_reference or image_reference.")
    if isinstance(file, UploadFile):
        return _file(file)
    if file is not None:
        raise _wrong("Expected UploadFile, received: <class 'str'>", "value_error")
    if text is None:
        return ""
    try:
        value = json.loads(str(text))
    except ValueError as error:
        raise _wrong("image_reference is not valid JSON.") from error
    return address(value.get("image_url") if isinstance(value, dict) else None)


def text_or_file(fields: Fields, name: str) -> str:
    """Read a field that holds an address as it is, or a file of a form.

    Raises:
        InvalidError: for an object, which these servers cannot read.
    """
    value = fields.values.get(name)
    if isinstance(value, UploadFile):
        return _file(value)
    return "" if value is None else address(value)


def address(value: object) -> str:
    """Return an address as it is, or what a data URL holds.

    Raises:
        InvalidError: for anything else.
    """
    if not isinstance(value, str) or len(value) > _LONGEST_ADDRESS:
        raise _wrong("Expected the address of a picture.", "invalid_type")
    if value.startswith(("http://", "https://")):
        return value
    head, comma, text = value.partition(";base64,")
    try:
        if not head.startswith("data:image/") or not comma:
            raise _wrong("Expected a URL or a data URL.", "invalid_value")
        return _described(head.removeprefix("data:"), base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise _wrong("The picture is not base64.", "invalid_value") from error


def _file(file: UploadFile) -> str:
    return _described(file.content_type or "", file.file.read())


def _described(media_type: str, data: bytes) -> str:
    return f"{media_type}, {len(data)} bytes"


def _wrong(message: str, code: str | None = None) -> InvalidError:
    return InvalidError(message, "input_reference", code)
