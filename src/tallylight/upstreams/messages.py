"""Messages between the adapters and the transport: requests and replies.

Adapters build and read these values; `transport` sends them.
"""

import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

from tallylight.upstreams.inline_files import LongText
from tallylight.upstreams.json_view import JsonView

#: Statuses that mean success (RFC 9110, section 15.3).
SUCCESS_STATUSES = range(200, 300)

ANY_STATUS = range(100, 600)


class Phase(StrEnum):
    """The step of using a service that a request belongs to, as the error corpus names it.

    A create alone is paid, whatever its method: it is sent once, never redirected, never repeated.
    """

    REACH = "reach"
    PROBE = "probe"  # credentials, model lists, other free requests
    UPLOAD = "upload"  # what a later create needs
    CREATE = "create"
    POLL = "poll"
    RESULT = "result"  # a document beside the poll's that says what a finished job made
    CONTENT = "content"
    LIST = "list"
    STREAM = "stream"
    CANCEL = "cancel"  # also the deletion of a finished job
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart body."""

    field_name: str
    filename: str
    media_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One request to an upstream.

    Args:
        url: An absolute URL, or a path below the upstream's base URL ("/videos").
        json: The body as text, JSON unless a header says otherwise; "" for none.
        form: The text fields of a multipart body, if `json` is "".
        is_signed: The upstream's key goes along, but to the upstream's own origin alone.
        reads: The statuses of answers that a flow reads; any other answer ends the flow.
        is_optional: The flow goes on whatever is answered, even if nothing is.
    """

    phase: Phase
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()
    is_signed: bool = True
    reads: range = SUCCESS_STATUSES
    is_optional: bool = False


def get(
    phase: Phase, url: str, query: Mapping[str, str] | None = None, reads: range = SUCCESS_STATUSES
) -> Request:
    """Return a GET request."""
    return Request(phase, "GET", f"{url}?{urlencode(query)}" if query else url, reads=reads)


def post_json(phase: Phase, url: str, body: Mapping[str, object]) -> Request:
    """Return a POST request with a JSON body."""
    return Request(phase, "POST", url, json=json_text.dumps(body))


def post_form(phase: Phase, url: str, fields: Mapping[str, str]) -> Request:
    """Return a POST request with the fields as a query string for its body."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(phase, "POST", url, headers, json=urlencode(fields))


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, or the error in place of an answer.

    Args:
        status: The HTTP status; None if no complete response head arrived.
        headers: The headers, with names in lower case.
        body: The part of the body that was read, decoded as UTF-8 with replacement.
        long_texts: Texts that were taken out of the body; it has their marks.
        media_type: Of the file in place of a document, as its first bytes show; "" if there is no
            file. Of the answer to a poll that is a file, nothing else is read.
        error: The class and text of the exception that ended the call ("ConnectionRefusedError:
            [Errno 111] Connection refused"), "" for none. With a status, the body broke off.
        was_sent: False only if the request certainly never left this host (the name did not
            resolve, the connection was refused, TLS failed, the time to send was over): nothing
            can have been billed.
        truncated: The body was longer than the limit and was cut.
        seconds: From the start to the last byte read.
        first_byte_seconds: From the start to the response head; None if none arrived.
    """

    phase: Phase
    status: int | None
    headers: Mapping[str, str]
    body: str
    error: str = ""
    was_sent: bool = True
    truncated: bool = False
    seconds: float = 0.0
    first_byte_seconds: float | None = None
    long_texts: tuple[LongText, ...] = ()
    media_type: str = ""

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx; the body may still be cut, or say otherwise."""
        return self.status in SUCCESS_STATUSES

    @property
    def is_whole(self) -> bool:
        """Tell whether a complete answer arrived, with any status."""
        return self.status is not None and not self.error and not self.truncated

    @property
    def json(self) -> JsonView:
        """Return the body as JSON, empty if it is none; it is parsed at each call."""
        return JsonView.parse(self.body)
