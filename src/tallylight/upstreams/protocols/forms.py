"""Encodes fields and files for multipart forms, and files as data URLs."""

import json
from collections.abc import Iterator, Mapping

from tallylight.model.order import Input
from tallylight.upstreams.media_types import named_for_type
from tallylight.upstreams.messages import FilePart

_UNKNOWN_TYPE = "application/octet-stream"


def form_fields(fields: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return fields as text; nested ones are named `meta[a]` and `tags[]`, as the SDKs do."""
    return tuple(pair for name, value in fields.items() for pair in _form_pairs(name, value))


def file_part(field_name: str, reference: Input) -> FilePart:
    """Return the bytes of a reference as a file, with the suffix of its media type."""
    media_type = reference.media_type or _UNKNOWN_TYPE
    name = named_for_type(reference.name, media_type)
    return FilePart(field_name, name, media_type, reference.body)


def _form_pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _form_pairs(f"{name}[{key}]", item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _form_pairs(f"{name}[]", item)
    elif isinstance(value, str):
        yield name, value
    elif value is not None:
        yield name, json.dumps(value)
