"""From what a program asks a client for to what the gateway is asked: read as its doors read it."""

from collections.abc import Mapping
from pathlib import Path

from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.http.text_validation import check_storable
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import CreateRequest
from tallylight.model.ids import VideoId

ImageInput = str | Path | bytes
"""A picture to begin from: its file, its bytes, or the address where it lies."""

_URL_PREFIXES = ("http://", "https://", "data:")


def build_create_request(
    fields: Mapping[str, object], reference: ImageInput | None, idempotency_key: str
) -> CreateRequest:
    """Return what a create asks for; fields that are None or empty are left to the gateway.

    Raises:
        RefusalError: if a field cannot be read.
        OSError: if the reference cannot be.
    """
    said = {name: value for name, value in fields.items() if value not in (None, "", [])}
    if reference is not None:
        said = said | {"input_reference": _read_reference(reference)}
    return parse.create_request(_checked(said), _context(idempotency_key))


def build_remix_request(source: VideoId, prompt: str, idempotency_key: str) -> CreateRequest:
    """Return what a remix asks for.

    Raises:
        RefusalError: if the prompt cannot be read.
    """
    return parse.remix_request(_checked({"prompt": prompt}), _context(idempotency_key), source)


def policy_or_preference(policy: str, prefer: str) -> str:
    """Return the one of the two that is said, "" for neither.

    Raises:
        ValueError: for both.
    """
    if policy and prefer:
        raise ValueError("say policy or prefer, not both: each orders the services by itself")
    return policy or prefer


def _checked(fields: FieldTree) -> FieldTree:
    check_storable(fields)
    return fields


def _context(idempotency_key: str) -> RequestContext:
    key = idempotency_key.encode("utf-8", "surrogatepass")  # half a pair is refused with all else
    headers = {b"idempotency-key": key} if idempotency_key else {}
    return parse.read_context(headers, ANONYMOUS.key)


def _read_reference(reference: ImageInput) -> str | Upload:
    if isinstance(reference, bytes):
        return Upload("", "", reference)
    if isinstance(reference, str) and reference.lower().startswith(_URL_PREFIXES):
        return reference
    path = Path(reference)
    return Upload(path.name, "", path.read_bytes())
