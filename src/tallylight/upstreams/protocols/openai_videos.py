"""The Videos API that OpenAI offered until 2026-09-24, as relays and own servers offer it now.

A dialect is a profile: data, not code. The facts and their sources: `docs/protocols.md`.
"""

from urllib.parse import quote

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.json_access import text_at, unwrapped_object
from tallylight.upstreams.messages import Job, Output, Phase, Reply, Request
from tallylight.upstreams.protocol import JobStream, VideoProtocol
from tallylight.upstreams.protocols.base import RequestBuilder, path_segment
from tallylight.upstreams.protocols.failures import reply_failure
from tallylight.upstreams.protocols.forms import file_part
from tallylight.upstreams.protocols.model_list import read_model_list
from tallylight.upstreams.protocols.not_billed import new_api_proves_not_billed
from tallylight.upstreams.protocols.request_body import (
    VIDEOS_API_PROFILES,
    RequestBody,
    request_body_for,
)
from tallylight.upstreams.protocols.video_object import VideoObjectReader


class OpenAIVideos(VideoProtocol):
    """The adapter for `/v1/videos` at one upstream."""

    streams = False

    def __init__(self, upstream: Upstream) -> None:
        self._requests = RequestBuilder.of(upstream)
        self._dialect = upstream.dialect
        self._profile = VIDEOS_API_PROFILES[upstream.dialect]
        self._reader = VideoObjectReader(upstream.dialect, self._requests.base_url)

    @property
    def operations(self) -> frozenset[Operation]:
        """Return the supported operations."""
        return self._profile.operations

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether a create accepts the URL of such an image: all these servers do."""
        return True

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be created and used in a create."""
        return self._profile.has_characters

    @property
    def variants(self) -> frozenset[str]:
        """Return the variants of the content call."""
        return self._profile.variants

    def reach(self) -> Request:
        """Return the request for the list of models, without the key."""
        return self._requests.reach()

    def credentials(self, model: str) -> Request:  # noqa: ARG002  # the list holds all models
        """Return the request for the list of models."""
        return self._requests.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is refused; None if both are accepted."""
        return read_model_list(reply, self._dialect, model)

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request that starts a job."""
        return self._create_request(request_body_for(order, model, self._profile))

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer to a create or a poll, or why it holds none."""
        return self._reader.read_job(reply)

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether this dialect gives an error answer only if nothing is billed."""
        return self._dialect == "new_api" and new_api_proves_not_billed(reply)

    def open_stream(self) -> JobStream:
        """Raise LookupError: a create returns a job at once."""
        raise LookupError("openai_videos answers a create with a job; there is no stream")

    def poll(self, job_id: str) -> Request:
        """Return the request for the state of a job."""
        return self._requests.get(Phase.POLL, _job_path(job_id))

    def outputs(self, job: Job, variant: str = "video") -> tuple[Output, ...]:
        """Return the ways to a result: those that the job names, then the content call."""
        if variant not in self.variants:
            raise LookupError(
                f"there is no variant {variant}, only {', '.join(sorted(self.variants))}"
            )
        path = f"{_job_path(job.id)}/content"
        if variant != "video":
            return (self._requests.get(Phase.CONTENT, f"{path}?variant={variant}"),)
        named = self._requests.outputs(job.results)
        return (*named, self._requests.get(Phase.CONTENT, path)) if job.id else named

    def cancel(self, job_id: str) -> Request | None:
        """Return the request that stops a running job; None if no answer would prove that."""
        return self._delete_request(job_id) if self._profile.cancels else None

    def read_cancel(self, reply: Reply) -> bool:
        """Tell whether an answer to `cancel` proves that the job was stopped."""
        answer = unwrapped_object(reply.body)
        is_whole = reply.is_success and not reply.error
        return self._profile.cancels and is_whole and answer.get("deleted") is True

    def delete(self, job_id: str) -> Request | None:
        """Return the request that deletes a finished job; None if the dialect has none."""
        return self._delete_request(job_id) if self._profile.deletes else None

    def create_character(self, name: str, video: Reference) -> Request:
        """Return the request that creates a character from a video."""
        if not self._profile.has_characters or not video.body:
            raise LookupError(
                "a character needs a server that has characters, and the bytes of a video"
            )
        files = (file_part("video", video),)
        return self._create_request(
            RequestBody("/videos/characters", form=(("name", name),), files=files)
        )

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the upstream's id of the created character, or why there is none."""
        answer = unwrapped_object(reply.body)
        is_refusal = not reply.is_success or bool(answer.get("error"))
        character_id = "" if is_refusal else text_at(answer, "id")
        return character_id or reply_failure(reply, self._dialect, "character:unreadable")

    def listing(self, after: str = "") -> Request | None:
        """Return the request that lists jobs, newest first; None if the dialect has none."""
        if not self._profile.lists_jobs:
            return None
        cursor = f"&after={quote(after, safe='')}" if after else ""
        return self._requests.get(Phase.LIST, f"/videos?limit=50&order=desc{cursor}")

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a listing."""
        return self._reader.read_list(reply)

    def _create_request(self, body: RequestBody) -> Request:
        return Request(
            Phase.CREATE,
            "POST",
            f"{self._requests.base_url}{body.path}",
            json=body.json,
            form=body.form,
            files=body.files,
            authorization=self._requests.authorization,
        )

    def _delete_request(self, job_id: str) -> Request:
        url = f"{self._requests.base_url}{_job_path(job_id)}"
        return Request(Phase.CANCEL, "DELETE", url, authorization=self._requests.authorization)


def _job_path(job_id: str) -> str:
    return f"/videos/{path_segment(job_id)}"
