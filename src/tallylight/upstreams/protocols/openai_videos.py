"""The Videos API that OpenAI offered until 2026-09-24, as it lives on at relays and own servers.

A dialect is a profile: data, not code. The facts and their sources stand in `docs/protocols.md`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tallylight.terms import Failure, Order
from tallylight.upstreams.protocols.base import Base
from tallylight.upstreams.protocols.model_list import read_model_list
from tallylight.upstreams.protocols.video_object import VideoReader
from tallylight.upstreams.wire import Address, Job, JobStream, Phase, Reply, Request


@dataclass(frozen=True, slots=True)
class Profile:
    """How one server differs from the others.

    Args:
        multipart: Creates are sent as multipart text fields, as the official SDKs do; else JSON.
        integer_seconds: In JSON, `seconds` is a number; OpenAI's own refused anything but text.
        lists_jobs: It can list recent jobs, which reconciles a create in doubt.
        names_address: A completed job's answer may name the video's address, which goes before
            the content call.
    """

    multipart: bool
    integer_seconds: bool = False
    lists_jobs: bool = True
    names_address: bool = False


PROFILES: Mapping[str, Profile] = {
    "openai": Profile(multipart=True),
    # Its content call is a proxy with a limit of 60 s that answers 502 where the address works.
    "new_api": Profile(multipart=False, lists_jobs=False, names_address=True),
    "vllm_omni": Profile(multipart=True),  # JSON bodies are refused with 422
    # With cloud storage its content call answers 400 and names the address in the job.
    "sglang": Profile(multipart=False, integer_seconds=True, names_address=True),
}


class OpenAIVideos:
    """`/v1/videos` at one address."""

    streams = False

    def __init__(self, address: Address) -> None:
        self._base = Base.of(address)
        self._dialect = address.dialect
        self._profile = PROFILES[address.dialect]
        self._reader = VideoReader(address.dialect, self._profile.names_address)

    def reach(self) -> Request:
        """Return the question for models, without the key."""
        return self._base.reach()

    def credentials(self, model: str) -> Request:  # noqa: ARG002  # the list names them all
        """Return the question for models."""
        return self._base.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""
        return read_model_list(reply, self._dialect, model)

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request that starts a job."""
        words = {
            "model": model,
            "prompt": order.prompt,
            "seconds": str(order.seconds),
            "size": order.size,
        }
        if self._profile.multipart:
            return self._post("/videos", form=tuple(words.items()))
        body: dict[str, str | int] = {**words}
        if self._profile.integer_seconds:
            body["seconds"] = order.seconds
        return self._post("/videos", body=json.dumps(body))

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer to create or poll describes, or why there is none."""
        return self._reader.job(reply)

    def open_stream(self) -> JobStream:
        """Raise: a create is answered at once here."""
        raise LookupError("openai_videos answers a create at once; there is no stream to read")

    def poll(self, job_id: str) -> Request:
        """Return the request that asks how a job stands."""
        return self._base.get(Phase.POLL, f"/videos/{quote(job_id, safe='')}")

    def content(self, job: Job) -> Request:
        """Return the download of a completed job; the key goes along only to our own upstream."""
        if job.content_url:
            return self._base.download(job.content_url)
        return self._base.get(Phase.CONTENT, f"/videos/{quote(job.id, safe='')}/content")

    def listing(self) -> Request | None:
        """Return the request that lists the newest jobs, None where the dialect has none."""
        if not self._profile.lists_jobs:
            return None
        return self._base.get(Phase.LIST, "/videos?limit=50&order=desc")

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a listing."""
        return self._reader.listing(reply)

    def _post(
        self, path: str, *, body: str = "", form: tuple[tuple[str, str], ...] = ()
    ) -> Request:
        return Request(
            Phase.CREATE,
            "POST",
            f"{self._base.url}{path}",
            json=body,
            form=form,
            authorization=self._base.authorization,
        )
