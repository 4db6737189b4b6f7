"""The Videos API that OpenAI offered until 2026-09-24, as it lives on at relays and own servers.

A dialect is a profile: data, not code. The facts and their sources stand in `docs/protocols.md`.
"""

from urllib.parse import quote

from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.json_access import text_at, unwrapped_object
from tallylight.upstreams.messages import Job, Phase, Reply, Request
from tallylight.upstreams.protocol import JobStream, UpstreamAddress
from tallylight.upstreams.protocols.base import RequestBuilder
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


class OpenAIVideos:
    """`/v1/videos` at one address."""

    streams = False

    def __init__(self, address: UpstreamAddress) -> None:
        self._requests = RequestBuilder.of(address)
        self._dialect = address.dialect
        self._profile = VIDEOS_API_PROFILES[address.dialect]
        self._reader = VideoObjectReader(address.dialect, self._profile.returns_url)

    @property
    def operations(self) -> frozenset[Operation]:
        """Return in which ways a service here can make a video."""
        return self._profile.operations

    @property
    def takes_reference(self) -> bool:
        """Tell whether a create can begin from a picture: at all these servers it can."""
        return True

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether the address of such a picture will do: at all these servers it does."""
        return True

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be made here and appear in a create."""
        return self._profile.has_characters

    @property
    def variants(self) -> frozenset[str]:
        """Return what the content call offers."""
        return self._profile.variants

    def reach(self) -> Request:
        """Return the question for models, without the key."""
        return self._requests.reach()

    def credentials(self, model: str) -> Request:  # noqa: ARG002  # the list names them all
        """Return the question for models."""
        return self._requests.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""
        return read_model_list(reply, self._dialect, model)

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request that starts a job."""
        return self._create_request(request_body_for(order, model, self._profile))

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer to create or poll describes, or why there is none."""
        return self._reader.read_job(reply)

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether an error answer is one that is given only where nothing will be billed."""
        return self._dialect == "new_api" and new_api_proves_not_billed(reply)

    def open_stream(self) -> JobStream:
        """Raise: a create is answered at once here."""
        raise LookupError("openai_videos answers a create at once; there is no stream to read")

    def poll(self, job_id: str) -> Request:
        """Return the request that asks how a job stands."""
        return self._requests.get(Phase.POLL, _job_path(job_id))

    def content(self, job: Job, variant: str = "video") -> Request:
        """Return the download of a completed job; the key goes along only to our own upstream."""
        if variant not in self.variants:
            raise LookupError(
                f"there is no {variant} here, only {', '.join(sorted(self.variants))}"
            )
        if variant != "video":
            return self._requests.get(
                Phase.CONTENT, f"{_job_path(job.id)}/content?variant={variant}"
            )
        if job.content_url:
            return self._requests.download(job.content_url)
        return self._requests.get(Phase.CONTENT, f"{_job_path(job.id)}/content")

    def cancel(self, job_id: str) -> Request | None:
        """Return the request that stops a running job, None where nothing would prove it."""
        return self._delete_request(job_id) if self._profile.cancels else None

    def read_cancel(self, reply: Reply) -> bool:
        """Tell whether an answer to `cancel` proves that the job was stopped."""
        answer = unwrapped_object(reply.body)
        is_whole = reply.is_success and not reply.error
        return self._profile.cancels and is_whole and answer.get("deleted") is True

    def delete(self, job_id: str) -> Request | None:
        """Return the request that forgets a job that is over, None where there is none."""
        return self._delete_request(job_id) if self._profile.deletes else None

    def create_character(self, name: str, video: Reference) -> Request:
        """Return the request that keeps a character from a film."""
        if not self._profile.has_characters or not video.body:
            raise LookupError("characters need a server that keeps them, and the bytes of a film")
        files = (file_part("video", video),)
        return self._create_request(
            RequestBody("/videos/characters", form=(("name", name),), files=files)
        )

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the upstream's id of a character that was made, or why there is none."""
        answer = unwrapped_object(reply.body)
        is_refusal = not reply.is_success or bool(answer.get("error"))
        made = "" if is_refusal else text_at(answer, "id")
        return made or reply_failure(reply, self._dialect, "character:unreadable")

    def listing(self, after: str = "") -> Request | None:
        """Return the request that lists the newest jobs, None where the dialect has none."""
        if not self._profile.lists_jobs:
            return None
        behind = f"&after={quote(after, safe='')}" if after else ""
        return self._requests.get(Phase.LIST, f"/videos?limit=50&order=desc{behind}")

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
    return f"/videos/{quote(job_id, safe='')}"
