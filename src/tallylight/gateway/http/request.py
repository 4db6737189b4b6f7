"""One HTTP request: its head, and its body read within a limit from JSON or a form.

A body longer than 1 MiB is spooled to disk until it is complete. A thread then reads it once, so
that neither a slow nor a large upload delays other requests.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from tempfile import SpooledTemporaryFile
from urllib.parse import parse_qs, parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive, Scope, Send

from tallylight.gateway.http.forms import FieldTree, Upload, tree_from_form
from tallylight.gateway.http.pictures import MAX_URL_LENGTH, is_picture_name
from tallylight.gateway.http.text_validation import (
    MAX_FIELDS,
    check_storable,
    parsed_json_text,
    tree_from_json,
)
from tallylight.gateway.requests import ApiError, bad_request

_random = Random()  # noqa: S311  # a request's id is for logs, no secret
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
SPOOL_LIMIT = 1024 * 1024
"""Bytes of a body that are held in memory while it arrives."""

_MAX_FILES = 17  # sixteen pictures that are edited, and a mask
_OBJECT_FIELDS = frozenset({"video", "characters", "mask"})
"""Fields beside the pictures whose text may be a JSON object or array: a form has only texts."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The head of one request; cheap to make, since polls arrive by the thousand.

    Args:
        method: "GET".
        path: Decoded, without the query.
        headers: Names in lower case; the last value of a repeated one.
        query: As the client sent it.
        request_id: The client's own id if it is well-formed, else a new one.
        receive: ASGI callable that returns the body.
        send: ASGI callable that takes the response.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: bytes
    request_id: bytes
    receive: Receive = field(repr=False)
    send: Send = field(repr=False)

    @classmethod
    def from_scope(cls, scope: Scope, receive: Receive, send: Send) -> "HttpRequest":
        """Return the request of an ASGI scope."""
        # ASGI servers send header names in lower case.
        headers = dict(scope["headers"])
        client_id = headers.get(b"x-request-id", b"")
        return cls(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            query=scope["query_string"],
            request_id=client_id
            if _REQUEST_ID.fullmatch(client_id)
            else b"req_%032x" % _random.getrandbits(128),
            receive=receive,
            send=send,
        )

    def header(self, name: bytes) -> str:
        """Return a header, "" if it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    def query_parameter(self, name: str) -> str:
        """Return the last value of a query parameter, "" if it is missing."""
        if not self.query:
            return ""
        return parse_qs(self.query.decode("latin-1")).get(name, [""])[-1]


class ClientDisconnectedError(Exception):
    """The client disconnected before its request was complete."""


async def read_fields(request: HttpRequest, limit: int) -> FieldTree:
    """Return the fields of a request's body.

    Args:
        request: The request.
        limit: Limit of the body, in bytes.

    Raises:
        ApiError: if the body is too long, malformed, or of an unsupported media type.
        ClientDisconnectedError: if the client disconnects.
    """
    media_type = request.header(b"content-type").partition(";")[0].strip().lower()
    if request.header(b"content-encoding").strip().lower() not in {"", "identity"}:
        raise _unsupported(f"content-encoding '{request.header(b'content-encoding')[:40]}'")
    # A generator, so the limit applies to every way of reading.
    body = _chunks(request, limit)
    match media_type:
        case "multipart/form-data":
            tree = tree_from_form(await _parse_multipart(request, body))
        case "" | "application/json" | "application/x-www-form-urlencoded":
            tree = await _parse_document(body, is_form=media_type.endswith("urlencoded"))
        case _:
            raise _unsupported(f"content-type '{media_type[:80]}'")
    # The text of a field may be JSON with a whole data URL.
    return await asyncio.to_thread(_checked, tree) if _is_long(request) else _checked(tree)


def _checked(tree: FieldTree) -> FieldTree:
    """Return the fields with the JSON in their texts parsed, once a database can store them."""
    parsed = {
        name: parsed_json_text(value) if name in _OBJECT_FIELDS or is_picture_name(name) else value
        for name, value in tree.items()
    }
    check_storable(parsed)
    return parsed


def _is_long(request: HttpRequest) -> bool:
    length = request.header(b"content-length")
    return not length.isdigit() or int(length) > SPOOL_LIMIT


async def _chunks(request: HttpRequest, limit: int) -> AsyncGenerator[bytes, None]:
    length = request.header(b"content-length")
    # A declared length is refused before any of the body is read.
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    received = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        yield chunk
        if not message.get("more_body", False):
            return


async def _parse_document(body: AsyncGenerator[bytes, None], *, is_form: bool) -> FieldTree:
    start = bytearray()
    async for chunk in body:
        start += chunk
        if len(start) > SPOOL_LIMIT:
            return await _parse_spooled(start, body)
    # `curl -d '{…}'` sends JSON under the media type of a form.
    if is_form and not start.lstrip().startswith(b"{"):
        return tree_from_form(_form_pairs(start.decode("utf-8", "replace")))
    return tree_from_json(start)


def _form_pairs(form: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(form, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise bad_request(
            f"Invalid form: it has more than {MAX_FIELDS} fields.", code="invalid_form"
        ) from None


async def _parse_spooled(start: bytearray, rest: AsyncGenerator[bytes, None]) -> FieldTree:
    with SpooledTemporaryFile(max_size=SPOOL_LIMIT) as file:
        await asyncio.to_thread(file.write, start)
        # The first part is on disk now; free its memory while the rest arrives.
        start.clear()
        async for chunk in rest:
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        return await asyncio.to_thread(lambda: tree_from_json(file.read()))


async def _parse_multipart(
    request: HttpRequest, body: AsyncGenerator[bytes, None]
) -> list[tuple[str, object]]:
    parser = MultiPartParser(
        Headers({"content-type": request.header(b"content-type")}),
        body,
        max_files=_MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_URL_LENGTH,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise bad_request(
            f"We could not parse the multipart body of your request ({error.message})",
            code="invalid_multipart",
        ) from None
    try:
        return [(name, await _part_value(part)) for name, part in form.multi_items()]
    finally:
        # Deletes the temporary files of the uploads.
        await form.close()


async def _part_value(part: str | UploadFile) -> object:
    if isinstance(part, str):
        return part
    # Browsers send a file input without a file like this.
    if not part.filename and not part.size:
        return None
    # Starlette reads a file that lies on disk in a thread of its own.
    return Upload(part.filename or "", part.content_type or "", await part.read())


def _too_large(limit: int) -> ApiError:
    return ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body of your request is too long: the limit is {limit} bytes.",
        code="request_too_large",
    )


def _unsupported(what: str) -> ApiError:
    return ApiError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"The body of your request has {what}; send multipart/form-data or application/json.",
        code="unsupported_media_type",
    )
