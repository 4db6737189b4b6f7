"""By what a repeated request is known: a digest of who asks, and for what.

How it was written does not count: neither a form's boundary, nor JSON or form, nor the name of a
file.
"""

import hashlib
import json

from tallylight.gateway.requests import CreateRequest
from tallylight.model.ids import KeyId
from tallylight.model.order import Reference


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
