"""One HTTP request as the doors see it: cheap to make, because polls come by the thousand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

_random = Random()  # noqa: S311  # a name for the log is no secret
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    Args:
        method: "GET".
        path: Without the query, decoded.
        headers: Names in lower case; of a repeated one the last.
        query: As it was sent.
        request_id: The client's own name for it where it has a sane one, else ours.
        receive: Gives its body.
        send: Takes its answer.
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
        headers = dict(scope["headers"])
        theirs = headers.get(b"x-request-id", b"")
        return cls(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            query=scope["query_string"],
            request_id=theirs if _REQUEST_ID.fullmatch(theirs) else b"req_" + _random_id(),
            receive=receive,
            send=send,
        )

    def header(self, name: bytes) -> str:
        """Return a header, "" where there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    def query_parameter(self, name: str) -> str:
        """Return a parameter of the query, "" where there is none; of a repeated one the last."""
        if not self.query:
            return ""
        return parse_qs(self.query.decode("latin-1")).get(name, [""])[-1]


def _random_id() -> bytes:
    return b"%032x" % _random.getrandbits(128)
