"""From a request's fields to what is asked of the gateway, for each way to make a video."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from tallylight.gateway.http.fields import (
    MAX_PROMPT_LENGTH,
    characters_field,
    file_reference,
    id_value,
    image_reference,
    missing_field,
    required_text_field,
    seconds_field,
    size_field,
    text_field,
    unknown_fields,
)
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.routing.presets import policy_named
from tallylight.model.ids import NO_KEY, KeyId, VideoId
from tallylight.model.order import Operation, Reference

_MAX_IDEMPOTENCY_KEY_LENGTH = 255
_COMMON_FIELDS = ("model", "prompt", "seconds", "size", "characters", "policy")
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is known of a request beside its body.

    Args:
        key: Who asks.
        policy: A preset or a preference, "" for the route's own.
        idempotency: The caller's key for this request, "" for none.
        is_repeat: The official SDK says that it sends this again by itself.
    """

    key: KeyId = NO_KEY
    policy: str = ""
    idempotency_key: str = ""
    is_retry: bool = False


def read_context(headers: Mapping[bytes, bytes], key: KeyId) -> RequestContext:
    """Read the headers of somebody's request.

    Raises:
        RefusalError: if the `Idempotency-Key` is none.
    """
    idempotency = headers.get(b"idempotency-key")
    if idempotency is not None and not _is_idempotency_key(idempotency):
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "Invalid header 'Idempotency-Key': expected 1 to "
            f"{_MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters.",
            code="invalid_idempotency_key",
            param="Idempotency-Key",
        )
    retries = headers.get(b"x-stainless-retry-count", b"0")
    return RequestContext(
        key=key,
        policy=headers.get(b"x-tallylight-policy", b"").decode("latin-1"),
        idempotency_key=(idempotency or b"").decode("ascii"),
        # No `int`, which raises on thousands of digits.
        is_retry=retries.isdigit() and retries.strip(b"0") != b"",
    )


def _is_idempotency_key(value: bytes) -> bool:
    return 0 < len(value) <= _MAX_IDEMPOTENCY_KEY_LENGTH and all(
        byte in _PRINTABLE for byte in value
    )


def create_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return what a create asks for.

    Raises:
        RefusalError: if a field cannot be read; so do the others here.
    """
    known = (*_COMMON_FIELDS, "input_reference")
    picture = image_reference(fields.get("input_reference"))
    ask = replace(_common_request(fields, context, known), reference=picture)
    return _with_fingerprint(ask, context)


def remix_request(fields: FieldTree, context: RequestContext, source: VideoId) -> CreateRequest:
    """Return what a remix of one of our videos asks for."""
    ask = replace(
        _common_request(fields, context, _COMMON_FIELDS), operation=Operation.REMIX, source=source
    )
    return _with_fingerprint(ask, context)


def edit_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return what an edit of one of our videos, or of a film that came along, asks for."""
    return _with_fingerprint(
        replace(_request_on_video(fields, context), operation=Operation.EDIT), context
    )


def extend_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return what an extension asks for; its seconds are those added."""
    ask = replace(_request_on_video(fields, context), operation=Operation.EXTEND)
    if ask.seconds is None:
        raise missing_field("seconds")
    return _with_fingerprint(ask, context)


def _request_on_video(fields: FieldTree, context: RequestContext) -> CreateRequest:
    ask = _common_request(fields, context, (*_COMMON_FIELDS, "video"))
    match fields.get("video"):
        case None | "":
            raise missing_field("video")
        case Upload() as film:
            return replace(ask, reference=file_reference(film, "video"))
        case value:
            return replace(ask, source=VideoId(id_value(value, "video")))


def _common_request(
    fields: FieldTree, context: RequestContext, known: tuple[str, ...]
) -> CreateRequest:
    return CreateRequest(
        model=text_field(fields, "model"),
        prompt=required_text_field(fields, "prompt", MAX_PROMPT_LENGTH),
        seconds=seconds_field(fields),
        size=size_field(fields),
        characters=characters_field(fields),
        extras=unknown_fields(fields, known),
        # The body speaks of this one request, a header often of all that a client sends.
        policy=_policy_name(text_field(fields, "policy") or context.policy),
        idempotency_key=context.idempotency_key,
        is_retry=context.is_retry,
    )


def _policy_name(name: str) -> str:
    try:
        return policy_named(name).value if name else ""
    except ValueError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid 'policy': {error}.",
            code="invalid_value",
            param="policy",
        ) from None


def _with_fingerprint(request: CreateRequest, context: RequestContext) -> CreateRequest:
    return replace(request, fingerprint=fingerprint(request, context.key))


def fingerprint(request: CreateRequest, key: KeyId) -> str:
    """Return the SHA-256 of a request's content and its caller, in hexadecimal digits."""
    content = {
        "key": key,
        "operation": request.operation.value,
        "model": request.model,
        "prompt": request.prompt,
        "seconds": request.seconds,
        "size": request.size,
        "source": request.source,
        "reference": None if request.reference is None else _digest(request.reference),
        "characters": request.characters,
        "extras": _as_form(dict(request.extras)),
        "policy": request.policy,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _digest(reference: Reference) -> str:
    return reference.url or hashlib.sha256(reference.body).hexdigest()


def _as_form(value: object) -> object:
    """Return a value as it would come out of a form, where all is text and nothing is null."""
    match value:
        case dict():
            members = {name: _as_form(one) for name, one in value.items()}
            return {name: one for name, one in members.items() if one is not None}
        case list():
            return [_as_form(one) for one in value if one is not None]
        case bool():
            return "true" if value else "false"
        case None | str():
            return value
        case _:
            return str(value)
