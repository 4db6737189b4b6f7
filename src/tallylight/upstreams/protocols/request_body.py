"""What a dialect of the Videos API can be asked for, and in which words.

A dialect is a profile: data, not code. The facts and their sources stand in `docs/protocols.md`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import FilePart
from tallylight.upstreams.protocols.forms import file_part, form_fields, reference_url

_ONLY_CREATE = frozenset({Operation.CREATE})
_ONLY_VIDEO = frozenset({"video"})


class ImageField(StrEnum):
    """How a create takes the picture that it begins from."""

    FILE_OR_OBJECT = "file_or_object"  # a file of the form, or {"image_url": …} in JSON
    FILE_OR_FIELD = "file_or_field"  # a file of the form, or that object as a field's text
    INPUT_REFERENCE = "input_reference"  # an address or a data URL in this field
    REFERENCE_URL = "reference_url"  # the same in this one


@dataclass(frozen=True, slots=True)
class VideosApiProfile:
    """How one server differs from the others.

    Args:
        multipart: Creates are sent as multipart text fields, as the official SDKs do; else JSON.
        picture: How a create takes a picture.
        integer_seconds: In JSON, `seconds` is a number; OpenAI's own refused anything but text.
        lists_jobs: It can list recent jobs, which reconciles a create in doubt.
        names_address: A completed job's answer may name the video's address, which goes before
            the content call.
        operations: What it can do.
        characters: It keeps characters.
        variants: What its content call offers.
        deletes: It forgets a finished job when told to.
        cancels: Its DELETE stops a running job, and says so.
    """

    multipart: bool
    image_field: ImageField
    integer_seconds: bool = False
    lists_jobs: bool = True
    returns_url: bool = False
    operations: frozenset[Operation] = _ONLY_CREATE
    has_characters: bool = False
    variants: frozenset[str] = _ONLY_VIDEO
    deletes: bool = True
    cancels: bool = False


VIDEOS_API_PROFILES: Mapping[str, VideosApiProfile] = {
    "openai": VideosApiProfile(
        multipart=True,
        image_field=ImageField.FILE_OR_OBJECT,
        operations=frozenset(Operation),
        has_characters=True,
        variants=frozenset({"video", "thumbnail", "spritesheet"}),
    ),
    # Its content call is a proxy with a limit of 60 s that answers 502 where the address works.
    "new_api": VideosApiProfile(
        multipart=False,
        image_field=ImageField.INPUT_REFERENCE,
        lists_jobs=False,
        returns_url=True,
        operations=frozenset({Operation.CREATE, Operation.REMIX}),
        deletes=False,
    ),
    # JSON bodies are refused with 422.
    "vllm_omni": VideosApiProfile(
        multipart=True, image_field=ImageField.FILE_OR_FIELD, cancels=True
    ),
    # With cloud storage its content call answers 400 and names the address in the job. Its DELETE
    # drops the record and lets the job run on.
    "sglang": VideosApiProfile(
        multipart=False,
        image_field=ImageField.REFERENCE_URL,
        integer_seconds=True,
        returns_url=True,
    ),
}


@dataclass(frozen=True, slots=True)
class RequestBody:
    """What is posted, and where: JSON text, or a form with its files."""

    path: str
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()


def request_body_for(order: Order, model: str, profile: VideosApiProfile) -> RequestBody:
    """Return an order in a dialect's words.

    Raises:
        LookupError: if it has none for it.
    """
    if order.operation not in profile.operations:
        raise LookupError(f"this dialect has no {order.operation}")
    match order.operation:
        case Operation.CREATE:
            return _create(order, model, profile)
        case Operation.REMIX:
            return _remix(order)
        case Operation.EDIT:
            return _edit_body("/videos/edits", order, {"prompt": order.prompt})
        case Operation.EXTEND:
            words: dict[str, object] = {"prompt": order.prompt, "seconds": str(order.seconds)}
            return _edit_body("/videos/extensions", order, words)


def _create(order: Order, model: str, profile: VideosApiProfile) -> RequestBody:
    if order.characters and not profile.has_characters:
        raise LookupError("this dialect has no characters")
    if order.source:
        raise LookupError("a create has no source")
    words: dict[str, object] = {"model": model, "prompt": order.prompt}
    if order.seconds:
        words["seconds"] = order.seconds if profile.integer_seconds else str(order.seconds)
    if order.size:
        words["size"] = order.size
    if not profile.multipart or _needs_json(order, profile):
        return _json_body("/videos", order, words | _image_json(order.reference, profile))
    files, fields = _image_form(order.reference)
    return _form_body("/videos", order, words | fields, files)


def _needs_json(order: Order, profile: VideosApiProfile) -> bool:
    # Only JSON holds an object; the form's text in its place is refused (huobao-drama#49).
    has_object = order.reference is not None and bool(order.reference.url)
    return profile.image_field is ImageField.FILE_OR_OBJECT and (
        has_object or bool(order.characters)
    )


def _image_json(reference: Reference | None, profile: VideosApiProfile) -> dict[str, object]:
    if reference is None:
        return {}
    address = reference_url(reference)
    if profile.image_field is ImageField.FILE_OR_OBJECT:
        return {"input_reference": {"image_url": address}}
    return {profile.image_field.value: address}


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
        raise LookupError("a remix is made from a job, and from nothing else")
    path = f"/videos/{quote(order.source, safe='')}/remix"
    return _json_body(path, order, {"prompt": order.prompt})


def _edit_body(path: str, order: Order, words: dict[str, object]) -> RequestBody:
    if order.source:
        return _json_body(path, order, words | {"video": {"id": order.source}})
    if order.reference is None or order.reference.url:
        raise LookupError(f"to {order.operation} needs a job, or the bytes of a film")
    return _form_body(path, order, words, (file_part("video", order.reference),))


def _json_body(path: str, order: Order, words: dict[str, object]) -> RequestBody:
    if order.characters:
        words["characters"] = [{"id": each} for each in order.characters]
    return RequestBody(path, json=json.dumps({**order.extras, **words}))


def _form_body(
    path: str, order: Order, words: dict[str, object], files: tuple[FilePart, ...]
) -> RequestBody:
    return RequestBody(path, form=form_fields({**order.extras, **words}), files=files)
