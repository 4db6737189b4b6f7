"""A request's body, read within a limit: multipart or JSON, to one tree of fields.

What is longer than 1 MiB lies on disk until all of it has come; only then is it read, once, in a
thread, so that neither a slow nor a big upload keeps others waiting.
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tallylight.gateway.http.forms import Tree, tree_of
from tallylight.gateway.http.references import LONGEST_ADDRESS
from tallylight.gateway.http.request import Call
from tallylight.gateway.http.text_validation import check_texts, tree_of_json
from tallylight.gateway.http.uploads import Upload
from tallylight.gateway.requests import RefusalError

IN_MEMORY = 1024 * 1024
"""So many bytes of a body are held in memory while it comes."""

_MOST_FIELDS = 256
_MOST_FILES = 4
_OBJECTS = frozenset({"input_reference", "video"})
"""Fields that may be objects in a form too: parts of application/json, by the API's description."""


class GoneError(Exception):
    """The client has left before its request was whole."""


async def fields_of(call: Call, limit: int) -> Tree:
    """Return the fields of a request's body.

    Args:
        call: The request.
        limit: How many bytes the body may have.

    Raises:
        RefusalError: if it is too long, cannot be read, or is of another kind.
        GoneError: if the client leaves.
    """
    kind = call.header(b"content-type").partition(";")[0].strip().lower()
    if call.header(b"content-encoding").strip().lower() not in {"", "identity"}:
        raise _unsupported(f"content-encoding '{call.header(b'content-encoding')[:40]}'")
    body = _body(call, limit)
    match kind:
        case "multipart/form-data":
            tree = tree_of(await _form(call, body))
        case "" | "application/json" | "application/x-www-form-urlencoded":
            tree = await _document(body, is_form=kind.endswith("urlencoded"))
        case _:
            raise _unsupported(f"content-type '{kind[:80]}'")
    if _is_long(call):
        await asyncio.to_thread(check_texts, tree)
    else:
        check_texts(tree)
    return tree


def _is_long(call: Call) -> bool:
    told = call.header(b"content-length")
    return not told.isdigit() or int(told) > IN_MEMORY


async def _body(call: Call, limit: int) -> AsyncGenerator[bytes, None]:
    told = call.header(b"content-length")
    if told.isdigit() and int(told) > limit:
        raise _too_long(limit)
    came = 0
    while True:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk: bytes = message.get("body", b"")
        came += len(chunk)
        if came > limit:
            raise _too_long(limit)
        yield chunk
        if not message.get("more_body", False):
            return


async def _document(body: AsyncGenerator[bytes, None], *, is_form: bool) -> Tree:
    start = bytearray()
    async for chunk in body:
        start += chunk
        if len(start) > IN_MEMORY:
            return await _long_document(start, body)
    # What `curl -d '{…}'` sends calls itself a form.
    if is_form and not start.lstrip().startswith(b"{"):
        return tree_of(_pairs(start.decode("utf-8", "replace")))
    return tree_of_json(start)


def _pairs(form: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(form, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid form: it has more than {_MOST_FIELDS} fields.",
            code="invalid_form",
        ) from None


async def _long_document(start: bytearray, rest: AsyncGenerator[bytes, None]) -> Tree:
    with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        await asyncio.to_thread(file.write, start)
        start.clear()
        async for chunk in rest:
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        return await asyncio.to_thread(lambda: tree_of_json(file.read()))


async def _form(call: Call, body: AsyncGenerator[bytes, None]) -> list[tuple[str, object]]:
    parser = MultiPartParser(
        Headers({"content-type": call.header(b"content-type")}),
        body,
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=LONGEST_ADDRESS,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"We could not parse the multipart body of your request ({error.message})",
            code="invalid_multipart",
        ) from None
    try:
        return [(name, await _value(name, part)) for name, part in form.multi_items()]
    finally:
        await form.close()


async def _value(name: str, part: str | UploadFile) -> object:
    if isinstance(part, str):
        is_object = name in _OBJECTS and part.startswith("{")
        return await asyncio.to_thread(_object_in, part) if is_object else part
    # Its own `read` returns to the loop's thread while a file in memory is copied; both are once.
    return Upload(part.filename or "", part.content_type or "", await part.read())


def _object_in(text: str) -> object:
    """Return the object that a text writes, the text itself where it writes none."""
    try:
        return tree_of_json(text.encode("utf-8", "surrogatepass"))
    except RefusalError:
        return text


def _too_long(limit: int) -> RefusalError:
    return RefusalError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body of your request is too long: at most {limit} bytes are read.",
        code="request_too_large",
    )


def _unsupported(what: str) -> RefusalError:
    return RefusalError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"The body of your request has {what}; send multipart/form-data or application/json.",
        code="unsupported_media_type",
    )
