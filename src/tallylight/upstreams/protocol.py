"""The port to video APIs: what every protocol adapter offers, and what it needs to know."""

from typing import Protocol

from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import Job, Reply, Request


class JobStream(Protocol):
    """The answer of a create that streams until the video is there (reverse chat services)."""

    def feed(self, chunk: str) -> Job | None:
        """Take in more text; return the job as it stands now if that changed it."""

    def end(self, error: str) -> Job:
        """Say that no more comes (`error`: the exception's class and text, "" for a clean end).

        Returns a job that is COMPLETED or FAILED.
        """


class ApiKey(Protocol):
    """A secret that shows itself only when it is asked to."""

    def reveal(self) -> str:
        """Return the key itself, for the one header that needs it."""


class UpstreamAddress(Protocol):
    """What a protocol has to know of an upstream; `catalogue.services.Upstream` is one.

    Named by its shape, so that what decides need not import the room that reads the environment.
    """

    @property
    def base_url(self) -> str:
        """Return what the protocol's paths are appended to, without a trailing slash."""

    @property
    def protocol(self) -> str:
        """Return a name in the registry of protocols."""

    @property
    def dialect(self) -> str:
        """Return a profile of that protocol."""

    @property
    def key(self) -> ApiKey | None:
        """Return the secret, None for an upstream without one."""


class VideoProtocol(Protocol):
    """A wire dialect as pure translation: our words to requests, replies to our words.

    An instance is bound to one upstream's address, dialect and key.
    """

    @property
    def streams(self) -> bool:
        """Tell whether a create streams to its end; else it is answered with a job to poll."""

    @property
    def operations(self) -> frozenset[Operation]:
        """Return in which ways a service here can make a video; `CREATE` is always among them."""

    @property
    def takes_reference(self) -> bool:
        """Tell whether a create can begin from a picture."""

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether the address of such a picture will do, and not only its bytes."""

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be made here and appear in a create."""

    @property
    def variants(self) -> frozenset[str]:
        """Return what can be downloaded of a completed job; "video" is always among it."""

    def reach(self) -> Request:
        """Return a free request without the key; any answer proves that somebody is at home."""

    def credentials(self, model: str) -> Request:
        """Return a free request that only a known key can make: mostly the list of models.

        Where it is a POST, `read_job` of its reply tells whether it has started a job after all.
        """

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request that starts a job.

        Raises:
            LookupError: if the order asks for what this dialect has no words for.
        """

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer to create or poll describes, or why there is none.

        A job that failed is a Job; a Failure is an answer that is no job at all.
        """

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether an error answer is one that is given only where nothing will be billed."""

    def open_stream(self) -> JobStream:
        """Return a reader of a streamed create; only where `streams`."""

    def poll(self, job_id: str) -> Request:
        """Return the request that asks how a job stands."""

    def content(self, job: Job, variant: str = "video") -> Request:
        """Return the request that downloads a completed job's video, or another of the variants.

        Raises:
            LookupError: if there is no such variant here.
        """

    def cancel(self, job_id: str) -> Request | None:
        """Return the request that stops a running job so that nothing is billed.

        None where no answer of this dialect could prove that.
        """

    def read_cancel(self, reply: Reply) -> bool:
        """Tell whether an answer to `cancel` proves that the job was stopped."""

    def delete(self, job_id: str) -> Request | None:
        """Return the request that forgets a job that is over; None where there is none."""

    def create_character(self, name: str, video: Reference) -> Request:
        """Return the request that keeps a character from a film.

        Raises:
            LookupError: if this dialect has no characters, or the film's bytes are not here.
        """

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the upstream's id of a character that was made, or why there is none."""

    def listing(self, after: str = "") -> Request | None:
        """Return the request that lists jobs, the newest first, None where the dialect has none.

        Args:
            after: Begin behind the job of this id; "" for the newest.
        """

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a listing."""
