"""Turns the fields of a request into a `CreateRequest`, for each operation."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from tallylight.gateway.http.fields import (
    MAX_PROMPT_LENGTH,
    characters_field,
    id_value,
    missing_field,
    required_text_field,
    text_field,
    unknown_fields,
)
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.pictures import film_reference, is_picture_name, picture_reference
from tallylight.gateway.http.synonyms import requested_measures
from tallylight.gateway.requests import CreateRequest, bad_request
from tallylight.gateway.routing.presets import policy_named
from tallylight.model.ids import NO_KEY, KeyId, VideoId
from tallylight.model.order import Input, Operation

_MAX_IDEMPOTENCY_KEY_LENGTH = 255
_COMMON_FIELDS = ("model", "prompt", "characters", "policy")
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The properties of a request beside its body.

    Args:
        key: Id of the caller's API key.
        policy: Preset or preference, "" for the route's own.
        idempotency_key: The caller's key for this request, "" for none.
        is_retry: The official SDK marked the request as an automatic retry.
    """

    key: KeyId = NO_KEY
    policy: str = ""
    idempotency_key: str = ""
    is_retry: bool = False


def read_context(headers: Mapping[bytes, bytes], key: KeyId) -> RequestContext:
    """Return the properties that a request's headers carry.

    Raises:
        ApiError: if the `Idempotency-Key` is not valid.
    """
    # An empty header is an error: ignoring it would lose the protection that the caller wants.
    idempotency_key = headers.get(b"idempotency-key")
    if idempotency_key is not None and not _is_idempotency_key(idempotency_key):
        raise bad_request(
            "Invalid header 'Idempotency-Key': expected 1 to "
            f"{_MAX_IDEMPOTENCY_KEY_LENGTH} printable ASCII characters.",
            code="invalid_idempotency_key",
            param="Idempotency-Key",
        )
    retries = headers.get(b"x-stainless-retry-count", b"0")
    return RequestContext(
        key=key,
        policy=headers.get(b"x-tallylight-policy", b"").decode("latin-1"),
        idempotency_key=(idempotency_key or b"").decode("ascii"),
        # Not by `int`, which raises on thousands of digits.
        is_retry=retries.isdigit() and retries.strip(b"0") != b"",
    )


def _is_idempotency_key(value: bytes) -> bool:
    return 0 < len(value) <= _MAX_IDEMPOTENCY_KEY_LENGTH and all(
        byte in _PRINTABLE for byte in value
    )


def create_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return the request that a create's fields describe.

    Raises:
        ApiError: if a field is not valid; so do the other functions here.
    """
    pictures = [name for name in fields if is_picture_name(name)]
    picture = picture_reference({name: fields[name] for name in pictures})
    request = replace(
        _common_request(fields, context, (*_COMMON_FIELDS, *pictures)),
        inputs=() if picture is None else (picture,),
    )
    return with_fingerprint(request, context)


def remix_request(fields: FieldTree, context: RequestContext, source: VideoId) -> CreateRequest:
    """Return the request to remix one of the gateway's videos."""
    request = replace(
        _common_request(fields, context, _COMMON_FIELDS), operation=Operation.REMIX, source=source
    )
    return with_fingerprint(request, context)


def edit_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return the request to edit one of the gateway's videos, or an uploaded one."""
    return with_fingerprint(
        replace(_request_on_video(fields, context), operation=Operation.EDIT), context
    )


def extend_request(fields: FieldTree, context: RequestContext) -> CreateRequest:
    """Return the request to extend a video; its seconds are those to be added."""
    request = replace(_request_on_video(fields, context), operation=Operation.EXTEND)
    if request.measures.seconds is None:
        raise missing_field("seconds")
    return with_fingerprint(request, context)


def _request_on_video(fields: FieldTree, context: RequestContext) -> CreateRequest:
    request = _common_request(fields, context, (*_COMMON_FIELDS, "video"))
    match fields.get("video"):
        case None | "":
            raise missing_field("video")
        case Upload() as upload:
            return replace(request, inputs=(film_reference(upload, "video"),))
        case value:
            return replace(request, source=VideoId(id_value(value, "video")))


def _common_request(
    fields: FieldTree, context: RequestContext, known: tuple[str, ...]
) -> CreateRequest:
    measures, fields = requested_measures(fields)
    return CreateRequest(
        model=text_field(fields, "model"),
        prompt=required_text_field(fields, "prompt", MAX_PROMPT_LENGTH),
        measures=measures,
        characters=characters_field(fields),
        extras=unknown_fields(fields, known),
        # The body wins: a header is often set once for all requests of a client.
        policy=policy_name(text_field(fields, "policy") or context.policy),
        idempotency_key=context.idempotency_key,
        is_retry=context.is_retry,
    )


def policy_name(name: str) -> str:
    """Return the policy of a name, in its own spelling; "" for none."""
    try:
        return policy_named(name).value if name else ""
    except ValueError as error:
        raise bad_request(f"Invalid 'policy': {error}.", param="policy") from None


def with_fingerprint(request: CreateRequest, context: RequestContext) -> CreateRequest:
    """Return a request with the digest of its content."""
    return replace(request, fingerprint=fingerprint(request, context.key))


def fingerprint(request: CreateRequest, key: KeyId) -> str:
    """Return the SHA-256 of a request's content and its caller, in hexadecimal digits.

    The encoding of the request does not count: a form and JSON of the same content are equal, as
    are files of different names.
    """
    content = {
        "key": key,
        "operation": request.operation.value,
        "model": request.model,
        "prompt": request.prompt,
        "measures": asdict(request.measures),
        "source": request.source,
        "medium": request.medium.value,
        "inputs": [(each.role.value, _digest(each)) for each in request.inputs],
        "characters": request.characters,
        "extras": _as_form(dict(request.extras)),
        "policy": request.policy,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _digest(each: Input) -> str:
    return each.url or hashlib.sha256(each.body).hexdigest()


def _as_form(value: object) -> object:
    """Return a value as a form would carry it: every scalar is text, nothing is null."""
    match value:
        case dict():
            members = {name: _as_form(one) for name, one in value.items()}
            return {name: one for name, one in members.items() if one is not None}
        case list():
            return [_as_form(one) for one in value if one is not None]
        # As the official SDKs write booleans into forms.
        case bool():
            return "true" if value else "false"
        case None | str():
            return value
        case _:
            return str(value)
