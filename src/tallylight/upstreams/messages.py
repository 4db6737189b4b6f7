"""What travels between our words and the socket: requests, replies, and what became of a job.

Adapters make and read these values and open no socket; `transport` sends them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tallylight.model.evidence import Failure
from tallylight.quick import quick

#: Statuses that mean success (RFC 9110, section 15.3).
SUCCESS_STATUSES = range(200, 300)


class Phase(StrEnum):
    """Which step of a service's use an answer belongs to; the corpus's words."""

    REACH = "reach"
    PROBE = "probe"  # credentials, model lists, other free questions
    CREATE = "create"
    POLL = "poll"
    CONTENT = "content"
    LIST = "list"
    STREAM = "stream"
    CANCEL = "cancel"  # also to forget a finished job
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart body; `label` is the name of its field."""

    field_name: str
    filename: str
    media_type: str
    body: bytes = field(repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """One call to an upstream.

    Args:
        phase: What it is for.
        method: "GET", "POST", "DELETE", "HEAD".
        url: Absolute.
        headers: Without the key; see `authorization`.
        json: The body as JSON text, "" for none.
        form: The body as multipart text fields, where `json` is "".
        files: Files that go along in a multipart body.
        authorization: The header that carries the key, None for none: ("Authorization",
            "Bearer …"); never shown, and never sent to another host.
    """

    phase: Phase
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: str = ""
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[FilePart, ...] = ()
    authorization: tuple[str, str] | None = field(default=None, repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, or how nothing did.

    Args:
        phase: The request's.
        status: The HTTP status; None if no complete answer head came.
        headers: Names in lower case.
        body: The body as far as it was read, decoded as UTF-8 with replacement.
        error: Where no complete answer came: the exception's class and text
            ("ConnectionRefusedError: [Errno 111] Connection refused"); else "". Beside a status it
            says that the body broke off.
        sent: False only where it is certain that the request never left us (the name did not
            resolve, the connection was refused, TLS failed): nothing can have been billed.
        truncated: The body was longer than the limit and was cut.
        seconds: From the start to the last byte read.
        first_byte_seconds: From the start to the head of the answer; None if none came.
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

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx; the body may still be cut, or say otherwise."""
        return self.status in SUCCESS_STATUSES


class JobState(StrEnum):
    """An upstream's task in the words of the Videos API."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more comes of the task."""
        return self in {JobState.COMPLETED, JobState.FAILED}


@quick
@dataclass(frozen=True, slots=True)
class Job:
    """The upstream task behind a video, as its last answer describes it.

    Args:
        id: The upstream's own id.
        state: Where it stands.
        progress: 0 to 100, None if the upstream does not say.
        model: The model the upstream says it used, "" if it does not say.
        content_url: Where the video lies, "" if it must be asked of the protocol's content call.
        failure: Why it failed; None unless `state` is FAILED.
        created_at: When the upstream says it was created.
        expires_at: When the upstream says the video is gone.
        prompt: The prompt as the upstream repeats it, "" if it does not; reconciles a job in doubt.
        strange_word: The upstream's own status word where it is none that we know, else "". Such a
            job is polled on.
        seconds: The length as the upstream says it, "" if it does not.
        size: The size as the upstream says it, "" if it does not.
        cost: What the upstream says it took for the job, in USD; None if it does not.
    """

    id: str
    state: JobState
    progress: int | None = None
    model: str = ""
    content_url: str = ""
    failure: Failure | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    prompt: str = ""
    unknown_status: str = ""
    seconds: str = ""
    size: str = ""
    cost: Decimal | None = None
