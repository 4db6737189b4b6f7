"""The profiles of the Videos API's dialects, and the request bodies that they take.

A dialect is a profile: data, not code. The facts and their sources: `docs/protocols.md`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.model.order import Form, Input, Medium, Operation, Order, Role
from tallylight.upstreams.messages import FilePart
from tallylight.upstreams.protocol import FILM, FIRST_FRAME, ONLY_BYTES
from tallylight.upstreams.protocols.forms import file_part, form_fields
from tallylight.upstreams.protocols.paths import path_segment

_ONLY_CREATE = frozenset({Operation.CREATE})


class ImageField(StrEnum):
    """How a create takes a reference image."""

    FILE_OR_OBJECT = "file_or_object"  # a file of the form, or {"image_url": …} in JSON
    FILE_OR_FIELD = "file_or_field"  # a file of the form, or that object as a field's text
    INPUT_REFERENCE = "input_reference"  # a URL or a data URL in this field
    REFERENCE_URL = "reference_url"  # the same in this one


def _usual_inputs() -> Mapping[tuple[Role, Medium], frozenset[Form]]:
    return {FIRST_FRAME: frozenset(Form), FILM: ONLY_BYTES}


@dataclass(frozen=True, slots=True)
class VideosApiProfile:
    """The properties of one dialect.

    Args:
        multipart: Creates are sent as multipart text fields, as the official SDKs do; else JSON.
        wording: How it spells the measures of an order.
        sends_image: `image` is sent beside `input_reference`, with the same picture.
        variants: The files of a job that the content call has beside the video.
        lists_jobs: The server lists recent jobs, which reconciles a create in doubt.
        has_characters: The server stores characters.
        deletes: DELETE removes a finished job.
        cancels: The method of the call that stops a job, and says so; "" if there is none.
        inputs: The inputs that it takes.
        scheme: The word before the key.
    """

    multipart: bool
    image_field: ImageField
    wording: Wording
    sends_image: bool = False
    lists_jobs: bool = True
    operations: frozenset[Operation] = _ONLY_CREATE
    has_characters: bool = False
    variants: tuple[str, ...] = ()
    deletes: bool = True
    cancels: Literal["", "DELETE", "POST"] = ""
    inputs: Mapping[tuple[Role, Medium], frozenset[Form]] = field(default_factory=_usual_inputs)
    scheme: str = "Bearer"


_SECONDS = Word("seconds", Spelling.TEXT)
_OF_SOURCE = frozenset({Measure.MODEL, Measure.PIXELS, Measure.RESOLUTION, Measure.ASPECT})
"""Measures that a remix, an edit or an extension takes from the video that it works on."""


def _wording(*seconds: Word, more: Mapping[Measure, tuple[Word, ...]] | None = None) -> Wording:
    return Wording(
        {
            Measure.MODEL: (Word("model"),),
            Measure.PROMPT: (Word("prompt"),),
            Measure.SECONDS: seconds,
            Measure.PIXELS: (Word("size", Spelling.PIXELS_X),),
        }
        | dict(more or {})
    )


_OF_ENGINES = {
    Measure.SEED: (Word("seed", Spelling.INTEGER),),
    Measure.NEGATIVE: (Word("negative_prompt"),),
}
"""What both inference servers take beside OpenAI's fields; OpenAI refuses any other field."""
_OF_CHANNELS = _OF_ENGINES | {
    Measure.AUDIO: (Word("generate_audio", Spelling.BOOLEAN),),
    Measure.QUALITY: (Word("quality"),),
}
"""The usual names of what a relay passes on to its channel."""


VIDEOS_API_PROFILES: Mapping[str, VideosApiProfile] = {
    "openai": VideosApiProfile(
        multipart=True,
        image_field=ImageField.FILE_OR_OBJECT,
        # As JSON, too, OpenAI accepted only text.
        wording=_wording(_SECONDS),
        operations=frozenset(Operation),
        has_characters=True,
        variants=("thumbnail", "spritesheet"),
    ),
    "new_api": VideosApiProfile(
        multipart=False,
        # Of a JSON body, its channels for Vidu, Ali and Hailuo read `duration` alone.
        wording=_wording(_SECONDS, Word("duration", Spelling.INTEGER), more=_OF_CHANNELS),
        # Channels that check requests by `ValidateBasicTaskRequest` read `image` alone.
        sends_image=True,
        image_field=ImageField.INPUT_REFERENCE,
        lists_jobs=False,
        operations=frozenset({Operation.CREATE, Operation.REMIX}),
        deletes=False,
    ),
    # It refuses JSON bodies with 422.
    "vllm_omni": VideosApiProfile(
        multipart=True,
        image_field=ImageField.FILE_OR_FIELD,
        wording=_wording(
            _SECONDS,
            more=_OF_ENGINES | {Measure.AUDIO: (Word("generate_sound", Spelling.BOOLEAN),)},
        ),
        cancels="DELETE",
    ),
    # Its DELETE removes the record, but the job runs on.
    "sglang": VideosApiProfile(
        multipart=False,
        image_field=ImageField.REFERENCE_URL,
        wording=_wording(Word("seconds", Spelling.INTEGER), more=_OF_ENGINES),
    ),
    # Its list is that of one supplier, and names no prompt; its other operations are OpenAI's.
    "litellm": VideosApiProfile(
        multipart=True,
        image_field=ImageField.FILE_OR_OBJECT,
        wording=_wording(_SECONDS),
        lists_jobs=False,
        deletes=False,
        inputs={FIRST_FRAME: ONLY_BYTES},
    ),
    "inworld": VideosApiProfile(
        multipart=False,
        image_field=ImageField.INPUT_REFERENCE,
        wording=_wording(_SECONDS),
        cancels="POST",
        inputs={},
        scheme="Basic",
    ),
}


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a create and its path: JSON text, or a form with its files."""

    path: str
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()


def request_body_for(order: Order, wording: Wording, profile: VideosApiProfile) -> RequestBody:
    """Return the body for an order; raise LookupError if the dialect cannot express it."""
    if order.operation not in profile.operations:
        raise LookupError(f"this dialect does not support {order.operation}")
    match order.operation:
        case Operation.CREATE:
            return _create(order, wording, profile)
        case Operation.REMIX:
            return _remix(order, wording)
        case Operation.EDIT:
            fields = wording.without(_OF_SOURCE | {Measure.SECONDS}).write(order)
            return _edit_body("/videos/edits", order, fields)
        case Operation.EXTEND:
            fields = wording.without(_OF_SOURCE).write(order)
            return _edit_body("/videos/extensions", order, fields)


def _create(order: Order, wording: Wording, profile: VideosApiProfile) -> RequestBody:
    if order.characters and not profile.has_characters:
        raise LookupError("this dialect has no characters")
    if order.source:
        raise LookupError("a create takes no source")
    fields, picture = wording.write(order), next(iter(order.inputs), None)
    if not profile.multipart or _needs_json(order, profile):
        return _json_body("/videos", order, fields | _image_json(picture, profile))
    files, image_fields = _image_form(picture)
    return RequestBody("/videos", form=form_fields(fields | image_fields), files=files)


def _needs_json(order: Order, profile: VideosApiProfile) -> bool:
    # Only JSON can hold an object; a form field with its text is refused (huobao-drama#49).
    has_object = any(each.url for each in order.inputs)
    return profile.image_field is ImageField.FILE_OR_OBJECT and (
        has_object or bool(order.characters)
    )


def _image_json(picture: Input | None, profile: VideosApiProfile) -> dict[str, object]:
    if picture is None:
        return {}
    if profile.image_field is ImageField.FILE_OR_OBJECT:
        return {"input_reference": {"image_url": picture.address}}
    names = [profile.image_field.value, *(["image"] if profile.sends_image else [])]
    return dict.fromkeys(names, picture.address)


def _image_form(picture: Input | None) -> tuple[tuple[FilePart, ...], dict[str, object]]:
    if picture is None:
        return (), {}
    if picture.url:
        return (), {"image_reference": json.dumps({"image_url": picture.url})}
    return (file_part("input_reference", picture),), {}


def _remix(order: Order, wording: Wording) -> RequestBody:
    if not order.source or order.inputs:
        raise LookupError("a remix takes a job as its source, and no reference")
    path = f"/videos/{path_segment(order.source)}/remix"
    return _json_body(path, order, wording.without(_OF_SOURCE | {Measure.SECONDS}).write(order))


def _edit_body(path: str, order: Order, fields: dict[str, object]) -> RequestBody:
    if order.source:
        return _json_body(path, order, fields | {"video": {"id": order.source}})
    film = next(iter(order.inputs), None)
    if film is None or film.url:
        raise LookupError(f"{order.operation} needs a job, or the bytes of a video")
    return RequestBody(path, form=form_fields(fields), files=(file_part("video", film),))


def _json_body(path: str, order: Order, fields: dict[str, object]) -> RequestBody:
    if order.characters:
        fields["characters"] = [{"id": each} for each in order.characters]
    return RequestBody(path, json=json.dumps(fields))
