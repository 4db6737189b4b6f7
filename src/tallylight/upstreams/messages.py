"""What travels between our words and the socket: requests, replies, and what became of a job.

Adapters make and read these values and open no socket; `transport` sends them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference


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


class JobStream(Protocol):
    """The answer of a create that streams until the video is there (reverse chat services)."""

    def feed(self, chunk: str) -> Job | None:
        """Take in more text; return the job as it stands now if that changed it."""
        ...

    def end(self, error: str) -> Job:
        """Say that no more comes (`error`: the exception's class and text, "" for a clean end).

        Returns a job that is COMPLETED or FAILED.
        """
        ...


class ApiKey(Protocol):
    """A secret that shows itself only when it is asked to."""

    def reveal(self) -> str:
        """Return the key itself, for the one header that needs it."""
        ...


class UpstreamAddress(Protocol):
    """What a protocol has to know of an upstream; `catalogue.services.Upstream` is one.

    Named by its shape, so that what decides need not import the room that reads the environment.
    """

    @property
    def base_url(self) -> str:
        """Return what the protocol's paths are appended to, without a trailing slash."""
        ...

    @property
    def protocol(self) -> str:
        """Return a name in the registry of protocols."""
        ...

    @property
    def dialect(self) -> str:
        """Return a profile of that protocol."""
        ...

    @property
    def key(self) -> ApiKey | None:
        """Return the secret, None for an upstream without one."""
        ...


class VideoProtocol(Protocol):
    """A wire dialect as pure translation: our words to requests, replies to our words.

    An instance is bound to one upstream's address, dialect and key.
    """

    @property
    def streams(self) -> bool:
        """Tell whether a create streams to its end; else it is answered with a job to poll."""
        ...

    @property
    def operations(self) -> frozenset[Operation]:
        """Return in which ways a service here can make a video; `CREATE` is always among them."""
        ...

    @property
    def takes_reference(self) -> bool:
        """Tell whether a create can begin from a picture."""
        ...

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether the address of such a picture will do, and not only its bytes."""
        ...

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be made here and appear in a create."""
        ...

    @property
    def variants(self) -> frozenset[str]:
        """Return what can be downloaded of a completed job; "video" is always among it."""
        ...

    def reach(self) -> Request:
        """Return a free request without the key; any answer proves that somebody is at home."""
        ...

    def credentials(self, model: str) -> Request:
        """Return a free request that only a known key can make: mostly the list of models.

        Where it is a POST, `read_job` of its reply tells whether it has started a job after all.
        """
        ...

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""
        ...

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request that starts a job.

        Raises:
            LookupError: if the order asks for what this dialect has no words for.
        """
        ...

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer to create or poll describes, or why there is none.

        A job that failed is a Job; a Failure is an answer that is no job at all.
        """
        ...

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether an error answer is one that is given only where nothing will be billed."""
        ...

    def open_stream(self) -> JobStream:
        """Return a reader of a streamed create; only where `streams`."""
        ...

    def poll(self, job_id: str) -> Request:
        """Return the request that asks how a job stands."""
        ...

    def content(self, job: Job, variant: str = "video") -> Request:
        """Return the request that downloads a completed job's video, or another of the variants.

        Raises:
            LookupError: if there is no such variant here.
        """
        ...

    def cancel(self, job_id: str) -> Request | None:
        """Return the request that stops a running job so that nothing is billed.

        None where no answer of this dialect could prove that.
        """
        ...

    def read_cancel(self, reply: Reply) -> bool:
        """Tell whether an answer to `cancel` proves that the job was stopped."""
        ...

    def delete(self, job_id: str) -> Request | None:
        """Return the request that forgets a job that is over; None where there is none."""
        ...

    def create_character(self, name: str, video: Reference) -> Request:
        """Return the request that keeps a character from a film.

        Raises:
            LookupError: if this dialect has no characters, or the film's bytes are not here.
        """
        ...

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the upstream's id of a character that was made, or why there is none."""
        ...

    def listing(self, after: str = "") -> Request | None:
        """Return the request that lists jobs, the newest first, None where the dialect has none.

        Args:
            after: Begin behind the job of this id; "" for the newest.
        """
        ...

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a listing."""
        ...
