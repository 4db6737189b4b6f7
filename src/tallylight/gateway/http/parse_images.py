"""Turns the fields of a request for images into a `CreateRequest`. Pure.

What the Images API documents and the fit decides is read here; all other fields pass to a service
whose protocol knows them.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from tallylight.gateway.http.fields import (
    MAX_PROMPT_LENGTH,
    invalid_value,
    missing_field,
    required_text_field,
    text_field,
    unknown_fields,
    wrong_type,
)
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.http.parse import RequestContext, policy_name, with_fingerprint
from tallylight.gateway.http.pictures import is_picture_name, picture_references
from tallylight.gateway.requests import CreateRequest, bad_request
from tallylight.model.order import Medium, Role
from tallylight.model.wish import WishedMeasures

_MOST_IMAGES = 10
_MOST_PICTURES = 16
_MASK = "mask"
_MAX_MODEL_LENGTH = 256
_FIELDS = ("model", "prompt", "n", "size", "quality", "policy", "stream", "partial_images")
_KNOWN = frozenset({*_FIELDS, "response_format"})
_COUNT = re.compile(r"[0-9]{1,4}")
_SIZE = re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
_QUALITY = re.compile(r"[A-Za-z0-9_-]{1,32}")
_AUTO = "auto"
_OFF = (None, False, "", "0", "false")


def generation_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return the request that the fields of a generation describe.

    Raises:
        ApiError: if a field is not valid; so do the other functions here.
    """
    picture = next((name for name in fields if name == _MASK or is_picture_name(name)), None)
    if picture is not None:
        raise bad_request(
            f"Unknown parameter: '{picture}'. Send pictures to /v1/images/edits.",
            picture,
            code="unknown_parameter",
        )
    return with_fingerprint(_common_request(fields, context), context)


def edit_images_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return the request that the fields of an edit describe, in a form or in JSON."""
    pictures = {name: value for name, value in fields.items() if is_picture_name(name)}
    images = picture_references(pictures, Role.REFERENCE, _MOST_PICTURES)
    if not images:
        raise missing_field("image")
    masks = picture_references({_MASK: fields.get(_MASK)}, Role.MASK, 1)
    others = {name: value for name, value in fields.items() if name not in {*pictures, _MASK}}
    request = replace(_common_request(others, context), inputs=(*images, *masks))
    return with_fingerprint(request, context)


def _common_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    _check_answer(fields)
    return CreateRequest(
        model=required_text_field(fields, "model", _MAX_MODEL_LENGTH),
        prompt=required_text_field(fields, "prompt", MAX_PROMPT_LENGTH),
        medium=Medium.IMAGE,
        measures=WishedMeasures(
            size=_word(fields, "size", _SIZE, "WIDTHxHEIGHT in pixels, or 'auto'"),
            quality=_word(fields, "quality", _QUALITY, "one word, such as 'high', or 'auto'"),
            count=_count(fields.get("n")),
        ),
        extras=unknown_fields(fields, _KNOWN),
        policy=policy_name(text_field(fields, "policy") or context.policy),
        idempotency_key=context.idempotency_key,
        is_retry=context.is_retry,
    )


def _check_answer(fields: Mapping[str, object]) -> None:
    """Refuse answers in another form than whole images in JSON."""
    for name in ("stream", "partial_images"):
        if fields.get(name) not in _OFF:
            raise bad_request(
                f"Invalid value for '{name}': this gateway answers whole images; leave it out.",
                name,
            )
    if fields.get("response_format") not in (None, "", "b64_json"):
        raise bad_request(
            "Invalid value for 'response_format': images are answered as 'b64_json'.",
            "response_format",
        )


def _word(fields: FieldTree, name: str, form: re.Pattern[str], expected: str) -> str:
    """Return a field of one word; "" where the service shall choose."""
    value = fields.get(name)
    if value in (None, "", _AUTO):
        return ""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if form.fullmatch(value) is None:
        raise invalid_value(name, f"'{value[:20]}'", expected)
    return value


def _count(value: object) -> int:
    """Return the number of images; a form has it as text."""
    if value is None or value == "":
        return 1
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise wrong_type("n", "an integer", value)
    text = str(value)
    if _COUNT.fullmatch(text) is None or not 1 <= int(text) <= _MOST_IMAGES:
        raise invalid_value("n", text[:20], f"an integer from 1 to {_MOST_IMAGES}")
    return int(text)
