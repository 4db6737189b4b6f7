"""The profiles of the Videos API's dialects, and the request bodies that they take.

A dialect is a profile: data, not code. The facts and their sources: `docs/protocols.md`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import FilePart
from tallylight.upstreams.protocols.forms import file_part, form_fields, reference_url
from tallylight.upstreams.protocols.paths import path_segment

_ONLY_CREATE = frozenset({Operation.CREATE})


class ImageField(StrEnum):
    """How a create takes a reference image."""

    FILE_OR_OBJECT = "file_or_object"  # a file of the form, or {"image_url": …} in JSON
    FILE_OR_FIELD = "file_or_field"  # a file of the form, or that object as a field's text
    INPUT_REFERENCE = "input_reference"  # a URL or a data URL in this field
    REFERENCE_URL = "reference_url"  # the same in this one


@dataclass(frozen=True, slots=True)
class VideosApiProfile:
    """The properties of one dialect.

    Args:
        multipart: Creates are sent as multipart text fields, as the official SDKs do; else JSON.
        integer_seconds: In JSON, `seconds` is a number; OpenAI accepted only text.
        sends_duration: `duration`, a number, is sent beside `seconds`.
        sends_image: `image` is sent beside `input_reference`, with the same picture.
        variants: The files of a job that the content call has beside the video.
        lists_jobs: The server lists recent jobs, which reconciles a create in doubt.
        has_characters: The server stores characters.
        deletes: DELETE removes a finished job.
        cancels: DELETE stops a running job, and the answer says so.
    """

    multipart: bool
    image_field: ImageField
    integer_seconds: bool = False
    sends_duration: bool = False
    sends_image: bool = False
    lists_jobs: bool = True
    operations: frozenset[Operation] = _ONLY_CREATE
    has_characters: bool = False
    variants: tuple[str, ...] = ()
    deletes: bool = True
    cancels: bool = False


VIDEOS_API_PROFILES: Mapping[str, VideosApiProfile] = {
    "openai": VideosApiProfile(
        multipart=True,
        image_field=ImageField.FILE_OR_OBJECT,
        operations=frozenset(Operation),
        has_characters=True,
        variants=("thumbnail", "spritesheet"),
    ),
    "new_api": VideosApiProfile(
        multipart=False,
        # Of a JSON body, its channels for Vidu, Ali and Hailuo read `duration` alone.
        sends_duration=True,
        # Channels that check requests by `ValidateBasicTaskRequest` read `image` alone.
        sends_image=True,
        image_field=ImageField.INPUT_REFERENCE,
        lists_jobs=False,
        operations=frozenset({Operation.CREATE, Operation.REMIX}),
        deletes=False,
    ),
    # It refuses JSON bodies with 422.
    "vllm_omni": VideosApiProfile(
        multipart=True, image_field=ImageField.FILE_OR_FIELD, cancels=True
    ),
    # Its DELETE removes the record, but the job runs on.
    "sglang": VideosApiProfile(
        multipart=False,
        image_field=ImageField.REFERENCE_URL,
        integer_seconds=True,
    ),
}


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a create and its path: JSON text, or a form with its files."""

    path: str
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()


def request_body_for(order: Order, model: str, profile: VideosApiProfile) -> RequestBody:
    """Return the body for an order; raise LookupError if the dialect cannot express it."""
    if order.operation not in profile.operations:
        raise LookupError(f"this dialect does not support {order.operation}")
    match order.operation:
        case Operation.CREATE:
            return _create(order, model, profile)
        case Operation.REMIX:
            return _remix(order)
        case Operation.EDIT:
            return _edit_body("/videos/edits", order, {"prompt": order.prompt})
        case Operation.EXTEND:
            fields: dict[str, object] = {"prompt": order.prompt, "seconds": str(order.seconds)}
            return _edit_body("/videos/extensions", order, fields)


def _create(order: Order, model: str, profile: VideosApiProfile) -> RequestBody:
    if order.characters and not profile.has_characters:
        raise LookupError("this dialect has no characters")
    if order.source:
        raise LookupError("a create takes no source")
    fields: dict[str, object] = {"model": model, "prompt": order.prompt}
    if order.seconds:
        fields["seconds"] = order.seconds if profile.integer_seconds else str(order.seconds)
        if profile.sends_duration:
            fields["duration"] = order.seconds
    if order.size:
        fields["size"] = order.size
    if not profile.multipart or _needs_json(order, profile):
        return _json_body("/videos", order, fields | _image_json(order.reference, profile))
    files, image_fields = _image_form(order.reference)
    return _form_body("/videos", order, fields | image_fields, files)


def _needs_json(order: Order, profile: VideosApiProfile) -> bool:
    # Only JSON can hold an object; a form field with its text is refused (huobao-drama#49).
    has_object = order.reference is not None and bool(order.reference.url)
    return profile.image_field is ImageField.FILE_OR_OBJECT and (
        has_object or bool(order.characters)
    )


def _image_json(reference: Reference | None, profile: VideosApiProfile) -> dict[str, object]:
    if reference is None:
        return {}
    url = reference_url(reference)
    if profile.image_field is ImageField.FILE_OR_OBJECT:
        return {"input_reference": {"image_url": url}}
    names = [profile.image_field.value, *(["image"] if profile.sends_image else [])]
    return dict.fromkeys(names, url)


def _image_form(
    reference: Reference | None,
) -> tuple[tuple[FilePart, ...], dict[str, object]]:
    if reference is None:
        return (), {}
    if reference.url:
        return (), {"image_reference": json.dumps({"image_url": reference.url})}
    return (file_part("input_reference", reference),), {}


def _remix(order: Order) -> RequestBody:
    if not order.source or order.reference is not None:
        raise LookupError("a remix takes a job as its source, and no reference")
    path = f"/videos/{path_segment(order.source)}/remix"
    return _json_body(path, order, {"prompt": order.prompt})


def _edit_body(path: str, order: Order, fields: dict[str, object]) -> RequestBody:
    if order.source:
        return _json_body(path, order, fields | {"video": {"id": order.source}})
    if order.reference is None or order.reference.url:
        raise LookupError(f"{order.operation} needs a job, or the bytes of a video")
    return _form_body(path, order, fields, (file_part("video", order.reference),))


def _json_body(path: str, order: Order, fields: dict[str, object]) -> RequestBody:
    if order.characters:
        fields["characters"] = [{"id": each} for each in order.characters]
    return RequestBody(path, json=json.dumps({**order.extras, **fields}))


def _form_body(
    path: str, order: Order, fields: dict[str, object], files: tuple[FilePart, ...]
) -> RequestBody:
    return RequestBody(path, form=form_fields({**order.extras, **fields}), files=files)
