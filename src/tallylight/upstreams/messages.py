"""Messages between the adapters and the transport: requests, replies and jobs.

Adapters build and read these values; `transport` sends them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tallylight.model.evidence import Failure
from tallylight.upstreams.inline_files import InlineFile, LongText

#: Statuses that mean success (RFC 9110, section 15.3).
SUCCESS_STATUSES = range(200, 300)


class Phase(StrEnum):
    """The step of using a service that a request belongs to, as the error corpus names it."""

    REACH = "reach"
    PROBE = "probe"  # credentials, model lists, other free requests
    CREATE = "create"
    POLL = "poll"
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
        json: The body as JSON text, "" for none.
        form: The text fields of a multipart body, if `json` is "".
        authorization: The header with the key, ("Authorization", "Bearer …"), or None. It is never
            printed and never sent to another host.
    """

    phase: Phase
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()
    authorization: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, or the error in place of an answer.

    Args:
        status: The HTTP status; None if no complete response head arrived.
        headers: The headers, with names in lower case.
        body: The part of the body that was read, decoded as UTF-8 with replacement.
        long_texts: Texts that were taken out of the body; it has their marks.
        media_type: Of the file in place of a document, as its first bytes show; "" if there is no
            file.
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


Output = Request | InlineFile
"""A way to the result of a job: a download, or the file that the answer held."""


class JobState(StrEnum):
    """The state of an upstream's task, in the words of the Videos API."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the task has ended."""
        return self in {JobState.COMPLETED, JobState.FAILED}


@dataclass(frozen=True, slots=True)
class Job:
    """The upstream's task behind a video, as the last answer describes it.

    A member that the answer does not give is "" or None.

    Args:
        other_id: Another id in the same answer, by which the upstream may know the job instead.
        progress: 0 to 100.
        results: Where the answer says that the result is, best first: http addresses, and files
            inside the answer.
        failure: Why the job failed; None unless `state` is FAILED.
        prompt: The prompt as the upstream repeats it, which reconciles a job in doubt.
        cost: What the upstream charged for the job, in USD.
    """

    id: str
    state: JobState
    other_id: str = ""
    progress: int | None = None
    model: str = ""
    results: tuple[str | InlineFile, ...] = ()
    failure: Failure | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    prompt: str = ""
    seconds: str = ""
    size: str = ""
    cost: Decimal | None = None
