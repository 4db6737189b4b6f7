"""The input image of a create, in the forms that servers accept."""

import base64
import binascii
import json

from starlette.datastructures import UploadFile

from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.reading import InputReading
from tallylight.simulator.refusals import InvalidRequestError

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
_MAX_URL_LENGTH = 20_971_520


def openai_reference(fields: RequestFields) -> str:
    """Read OpenAI's field: a file, or an object with a URL or a file id.

    Raises InvalidRequestError for anything else.
    """
    value = fields.values.get("input_reference")
    if value is None:
        return ""
    if isinstance(value, UploadFile):
        if value.content_type not in _IMAGE_TYPES:
            raise _invalid_reference(
                f"Unsupported file type '{value.content_type}'.", "invalid_value"
            )
        return _describe_file(value)
    if isinstance(value, str):
        raise _invalid_reference(
            "Invalid type: expected a file, but got a string instead.", "invalid_type"
        )
    if not isinstance(value, dict) or len({"image_url", "file_id"} & value.keys()) != 1:
        raise _invalid_reference(
            "Provide exactly one of 'image_url' or 'file_id'.", "invalid_value"
        )
    return parse_image_url(value["image_url"]) if "image_url" in value else str(value["file_id"])


def vllm_omni_reference(fields: RequestFields) -> str:
    """Read vLLM-Omni's fields: a file, or an object as JSON text in another field.

    Raises InvalidRequestError if both are given, or the text is not such an object.
    """
    file, text = fields.values.get("input_reference"), fields.values.get("image_reference")
    if file is not None and text is not None:
        raise _invalid_reference("Provide only one of input_reference or image_reference.")
    if isinstance(file, UploadFile):
        return _describe_file(file)
    if file is not None:
        raise _invalid_reference("Expected UploadFile, received: <class 'str'>", "value_error")
    if text is None:
        return ""
    try:
        value = json.loads(str(text))
    except ValueError as error:
        raise _invalid_reference("image_reference is not valid JSON.") from error
    return parse_image_url(value.get("image_url") if isinstance(value, dict) else None)


def url_or_file_reference(fields: RequestFields, name: str) -> str:
    """Read a field with a URL or a file; raise InvalidRequestError for an object."""
    value = fields.values.get(name)
    if isinstance(value, UploadFile):
        return _describe_file(value)
    return "" if value is None else parse_image_url(value)


def parse_image_url(value: object, medium: str = "image") -> str:
    """Return an HTTP URL, or a description of a data URL; raise InvalidRequestError otherwise."""
    if not isinstance(value, str) or len(value) > _MAX_URL_LENGTH:
        raise _invalid_reference(f"Expected the URL of an {medium}.", "invalid_type")
    if value.startswith(("http://", "https://")):
        return value
    head, comma, text = value.partition(";base64,")
    try:
        if not head.startswith(f"data:{medium}/") or not comma:
            raise _invalid_reference("Expected a URL or a data URL.", "invalid_value")
        return _describe(head.removeprefix("data:"), base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise _invalid_reference(f"The {medium} is not base64.", "invalid_value") from error


def first_frames(reference: str) -> tuple[InputReading, ...]:
    """Return the inputs of a create whose one picture begins the clip, none for ""."""
    return (InputReading("first_frame", "image", reference),) if reference else ()


def _describe_file(file: UploadFile) -> str:
    return _describe(file.content_type or "", file.file.read())


def _describe(media_type: str, data: bytes) -> str:
    return f"{media_type}, {len(data)} bytes"


def _invalid_reference(message: str, code: str | None = None) -> InvalidRequestError:
    return InvalidRequestError(message, "input_reference", code)
