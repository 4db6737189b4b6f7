"""Builds the gateway's requests from the arguments of a client's calls.

The arguments go through the same parser as a request over HTTP, so both accept the same values and
refuse the others with the same errors.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypedDict

from tallylight.documents.nearest import unknown_name_message
from tallylight.gateway.http import parse, parse_images
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.http.text_validation import check_storable
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.routing.routes import DEFAULT_MODEL, Route
from tallylight.model.ids import VideoId

ImageInput = str | Path | bytes
"""The image that a video starts from: a file, the bytes, or a URL."""

_URL_PREFIXES = ("http://", "https://", "data:")


class CreateOptions(TypedDict, total=False):
    """The keyword arguments of `create`.

    Args:
        model: The route; without it the only route, else "sora-2".
        seconds: The length; without it the service's default.
        size: "1280x720"; without it the service's default.
        policy: A policy in place of the route's own: "production", ….
        prefer: A preference in place of a policy: "official", "cheapest", ….
        reference: The image to start from: a path, the bytes, or a URL.
        characters: Ids of characters that appear.
        idempotency_key: The same request under the same key returns the same video.
        extras: Further fields, passed on to the service as they are.
    """

    model: str
    seconds: int | None
    size: str
    policy: str
    prefer: str
    reference: ImageInput | None
    characters: Sequence[str]
    idempotency_key: str
    extras: Mapping[str, object] | None


class ImageOptions(TypedDict, total=False):
    """The keyword arguments of `images`.

    Args:
        model: The route; without it the only route, else "sora-2".
        count: How many, 1 to 10.
        size: "1024x1024"; without it the service's default.
        quality: In the service's own word; without it the cheapest.
        images: Pictures to work on: paths, the bytes, or data URLs.
        mask: Where the first of them is changed.
        policy: A policy in place of the route's own.
        prefer: A preference in place of a policy.
        idempotency_key: The same request under the same key returns the same images.
        extras: Further fields, passed on to the service as they are.
    """

    model: str
    count: int
    size: str
    quality: str
    images: Sequence[ImageInput]
    mask: ImageInput | None
    policy: str
    prefer: str
    idempotency_key: str
    extras: Mapping[str, object] | None


def build_create_request(
    prompt: str, options: CreateOptions, routes: Mapping[str, Route]
) -> CreateRequest:
    """Return the request for a new video; the gateway chooses what the options leave out.

    Raises:
        ApiError: if a value is invalid.
        OSError: if the reference cannot be read.
        TypeError: if there is no such option.
        ValueError: if both a policy and a preference are given.
    """
    _check_names(options, CreateOptions.__annotations__, "create()")
    reference = options.get("reference")
    fields = {
        **(options.get("extras") or {}),
        "prompt": prompt,
        "model": _route_name(options.get("model", ""), routes),
        "seconds": options.get("seconds"),
        "size": options.get("size"),
        "characters": [*options.get("characters", ())],
        "policy": _policy(options.get("policy"), options.get("prefer")),
        "input_reference": None if reference is None else _read_reference(reference),
    }
    given = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return parse.create_request(_checked(given), _context(options.get("idempotency_key", "")))


def build_images_request(
    prompt: str, options: ImageOptions, routes: Mapping[str, Route]
) -> CreateRequest:
    """Return the request for images; the gateway chooses what the options leave out.

    Raises:
        ApiError: if a value is invalid.
        OSError: if a picture cannot be read.
        TypeError: if there is no such option.
        ValueError: if both a policy and a preference are given.
    """
    _check_names(options, ImageOptions.__annotations__, "images()")
    pictures, mask = options.get("images", ()), options.get("mask")
    fields = {
        **(options.get("extras") or {}),
        "prompt": prompt,
        "model": _route_name(options.get("model", ""), routes),
        "n": options.get("count"),
        "size": options.get("size"),
        "quality": options.get("quality"),
        "policy": _policy(options.get("policy"), options.get("prefer")),
        "image": [_read_reference(each) for each in pictures],
        "mask": None if mask is None else _read_reference(mask),
    }
    given = {name: value for name, value in fields.items() if value not in (None, "", [])}
    read = parse_images.edit_images_request if pictures else parse_images.generation_request
    return read(_checked(given), _context(options.get("idempotency_key", "")))


def build_remix_request(source: VideoId, prompt: str, idempotency_key: str) -> CreateRequest:
    """Return the request for a remix of a video.

    Raises:
        ApiError: if the prompt or the key is invalid.
    """
    return parse.remix_request(_checked({"prompt": prompt}), _context(idempotency_key), source)


def _check_names(options: Iterable[str], known: Iterable[str], call: str) -> None:
    names = (*known,)
    for name in options:
        if name not in names:
            raise TypeError(unknown_name_message(f"argument of {call}", name, names))


def _policy(policy: str | None, prefer: str | None) -> str | None:
    if policy and prefer:
        raise ValueError("pass policy or prefer, not both: each orders the services by itself")
    return policy or prefer


def _route_name(name: str, routes: Mapping[str, Route]) -> str:
    """Return the name of a route; "" stands for the only route, else for the default model."""
    if name in routes:
        return name
    if name:
        raise _route_error(unknown_name_message("route", name, routes), "model_not_found")
    # A configuration without routes has two for one service: its model's and its own.
    if len({frozenset(route.services) for route in routes.values()}) == 1:
        return next(iter(routes))
    if DEFAULT_MODEL in routes:
        return DEFAULT_MODEL
    raise _route_error(f"name a model, one of: {', '.join(routes)}", "missing_required_parameter")


def _route_error(message: str, code: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, message, code=code, param="model")


def _checked(fields: FieldTree) -> FieldTree:
    check_storable(fields)
    return fields


def _context(idempotency_key: str) -> RequestContext:
    # The parser refuses half a surrogate pair, as it refuses all else that is not ASCII.
    key = idempotency_key.encode("utf-8", "surrogatepass")
    headers = {b"idempotency-key": key} if idempotency_key else {}
    return parse.read_context(headers, ANONYMOUS.key)


def _read_reference(reference: ImageInput) -> str | Upload:
    if isinstance(reference, bytes):
        return Upload("", "", reference)
    if isinstance(reference, str) and reference.lower().startswith(_URL_PREFIXES):
        return reference
    path = Path(reference)
    return Upload(path.name, "", path.read_bytes())
