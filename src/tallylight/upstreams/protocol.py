"""The port to video APIs: what a protocol adapter offers, and what it needs of an upstream."""

from typing import Protocol

from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import Job, Output, Reply, Request


class JobStream(Protocol):
    """Reads the answer to a create that streams until the video is ready (chat services)."""

    def feed(self, chunk: str) -> Job | None:
        """Read the next chunk; return the job if it has changed."""

    def end(self, error: str) -> Job:
        """Return the job, COMPLETED or FAILED, at the end of the stream.

        Args:
            error: The class and text of the exception that ended the stream, "" for a clean end.
        """


class VideoProtocol(Protocol):
    """Translates orders to requests, and replies to jobs or failures, without I/O.

    An instance is bound to the address, the dialect and the key of one upstream. The bodies here
    are those of a protocol without the capability.
    """

    @property
    def streams(self) -> bool:
        """Tell whether a create streams until the job ends, rather than returns a job to poll."""

    @property
    def operations(self) -> frozenset[Operation]:
        """Return the supported operations; `CREATE` is always one of them."""

    @property
    def takes_reference(self) -> bool:
        """Tell whether a create accepts a reference image."""
        return True

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether a create accepts the URL of a reference image, and not only its bytes."""

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be created and used in a create."""
        return False

    @property
    def variants(self) -> frozenset[str]:
        """Return the downloads of a completed job; "video" is always one of them."""
        return frozenset({"video"})

    def reach(self) -> Request:
        """Return a free request without the key; any answer proves that the API responds."""

    def credentials(self, model: str) -> Request:
        """Return a free request that needs a valid key: mostly the list of models.

        If it is a POST, `read_job` of its reply tells whether it started a job after all.
        """

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is refused; None if both are accepted."""

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request of a job; raise LookupError if the dialect cannot express it."""

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer to a create or a poll, or why it holds none.

        A failed job is a Job; a Failure is an answer without a job.
        """

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether this dialect gives an error answer only if nothing is billed."""

    def open_stream(self) -> JobStream:
        """Return a reader for the answer to a create; raise LookupError unless `streams`."""

    def poll(self, job_id: str) -> Request:
        """Return the request for the state of a job; raise LookupError if jobs cannot be polled."""

    def outputs(self, job: Job, variant: str = "video") -> tuple[Output, ...]:
        """Return the ways to the result of a completed job, in the order in which they are tried.

        Raises LookupError for an unknown variant.
        """

    def cancel(self, job_id: str) -> Request | None:  # noqa: ARG002
        """Return the request that stops a running job so that nothing is billed.

        None if no answer of this dialect proves that.
        """
        return None

    def read_cancel(self, reply: Reply) -> bool:  # noqa: ARG002
        """Tell whether an answer to `cancel` proves that the job was stopped."""
        return False

    def delete(self, job_id: str) -> Request | None:  # noqa: ARG002
        """Return the request that deletes a finished job; None if the dialect has none."""
        return None

    def create_character(self, name: str, video: Reference) -> Request:
        """Return the request that creates a character from a video.

        Raises LookupError if this dialect has no characters, or `video` holds no bytes.
        """

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the upstream's id of the created character, or why there is none."""

    def listing(self, after: str = "") -> Request | None:  # noqa: ARG002
        """Return the request that lists jobs, newest first; None if the dialect has none.

        `after` is the id of the last job of the previous page, "" for the first page.
        """
        return None

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a listing."""
