"""Video by chat completion: how resold consumer accounts (官逆) are reached.

The answer to a create is a stream that ends with the video's address; there is nothing to poll.
Length and orientation are part of the model's name at these shops, so the configured model is
sent as it is and the order's seconds and size are not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tallylight.terms import Failure, Order
from tallylight.upstreams.classify import classify
from tallylight.upstreams.protocols.base import Base
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.failures import failure_in
from tallylight.upstreams.protocols.model_list import read_model_list
from tallylight.upstreams.protocols.tolerant import items_of, object_of
from tallylight.upstreams.wire import Address, Job, JobState, JobStream, Phase, Reply, Request

_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one server differs from the others.

    Args:
        answers_for_free: A chat that is not streamed generates nothing and says at once whether
            it could; elsewhere it would be a paid job.
        echoes_model: The `model` of an answer is the one that was used.
    """

    answers_for_free: bool = False
    echoes_model: bool = True


PROFILES: Mapping[str, Profile] = {
    # First, hence the default: the free question of sora2api is a paid job anywhere else.
    "relay": Profile(),
    "sora2api": Profile(answers_for_free=True, echoes_model=False),  # always says "sora"
    "new_api": Profile(),
}


class ChatVideo:
    """`/v1/chat/completions` at one address."""

    streams = True

    def __init__(self, address: Address) -> None:
        self._base = Base.of(address)
        self._dialect = address.dialect
        self._profile = PROFILES[address.dialect]

    def reach(self) -> Request:
        """Return the question for models, without the key."""
        return self._base.reach()

    def credentials(self, model: str) -> Request:
        """Return the free question whether a video could be made, or the one for models."""
        if self._profile.answers_for_free:
            return self._chat(Phase.PROBE, model, "a paper boat", streamed=False)
        return self._base.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""
        if not self._profile.answers_for_free:
            return read_model_list(reply, self._dialect, model)
        if reply.status not in _SUCCESS or reply.error:
            return failure_in(reply, self._dialect, "chat:unreadable")
        if (failure := classify(reply, self._dialect)) is not None:
            return failure
        answer = object_of(reply.body)
        is_chat = answer is not None and bool(items_of(answer.get("choices")))
        return None if is_chat else failure_in(reply, self._dialect, "chat:unreadable")

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request, whose answer streams."""
        return self._chat(Phase.CREATE, model, order.prompt, streamed=True)

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer that was read to its end, or why there is none.

        To a question that was meant to be free, only an answer with a video is a job.
        """
        if reply.status not in _SUCCESS:
            return failure_in(reply, self._dialect, "chat:unreadable")
        stream = self.open_stream()
        stream.feed(reply.body)
        job = stream.end(reply.error)
        if reply.phase is Phase.PROBE and job.failure is not None:
            return replace(job.failure, http_status=reply.status)
        return job

    def open_stream(self) -> JobStream:
        """Return a reader of a streamed create."""
        return ChatStream(self._dialect, echoes_model=self._profile.echoes_model)

    def poll(self, job_id: str) -> Request:
        """Raise: whoever has lost the stream cannot ask again."""
        raise LookupError(f"chat_video cannot poll {job_id}: its answer was a stream")

    def content(self, job: Job) -> Request:
        """Return the download; the key goes along only to our own upstream."""
        if job.state is not JobState.COMPLETED or not job.content_url:
            raise LookupError(f"chat job {job.id} has no video")
        return self._base.download(job.content_url)

    def listing(self) -> Request | None:
        """Return None: chats are not listed anywhere."""
        return None

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return what is wrong with a reply that nobody asked for."""
        return failure_in(reply, self._dialect, "list:unreadable")

    def _chat(self, phase: Phase, model: str, prompt: str, *, streamed: bool) -> Request:
        body = {
            "model": model,
            "stream": streamed,
            "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
        }
        return Request(
            phase,
            "POST",
            f"{self._base.url}/chat/completions",
            headers={"Accept": "text/event-stream"} if streamed else {},
            json=json.dumps(body),
            authorization=self._base.authorization,
        )
