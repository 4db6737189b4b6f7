"""Video by chat completion: how resold consumer accounts (官逆) are reached.

The answer to a create is a stream that ends with the video's address; there is nothing to poll.
Length and orientation are part of the model's name at these shops, so the configured model is
sent as it is and the order's seconds and size are not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import array_at, unwrapped_object
from tallylight.upstreams.messages import Job, JobState, Phase, Reply, Request
from tallylight.upstreams.protocol import JobStream, UpstreamAddress
from tallylight.upstreams.protocols.base import RequestBuilder
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.failures import reply_failure
from tallylight.upstreams.protocols.forms import reference_url
from tallylight.upstreams.protocols.model_list import read_model_list
from tallylight.upstreams.protocols.not_billed import (
    new_api_proves_not_billed,
    sora2api_proves_not_billed,
)

_NO_EXTRAS: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class ChatVideoProfile:
    """How one server differs from the others.

    Args:
        answers_for_free: A chat that is not streamed generates nothing and says at once whether
            it could; elsewhere it would be a paid job.
        echoes_model: The `model` of an answer is the one that was used.
        fetches_pictures: It fetches a picture from an address; else it takes data URLs alone, and
            makes a video without the picture of an address.
    """

    has_free_dry_run: bool = False
    echoes_model: bool = True
    fetches_image_urls: bool = True


CHAT_VIDEO_PROFILES: Mapping[str, ChatVideoProfile] = {
    # First, hence the default: the free question of sora2api is a paid job anywhere else.
    "relay": ChatVideoProfile(),
    # Its answers always say "sora".
    "sora2api": ChatVideoProfile(
        has_free_dry_run=True, echoes_model=False, fetches_image_urls=False
    ),
    "new_api": ChatVideoProfile(),
}


class ChatVideo:
    """`/v1/chat/completions` at one address."""

    streams = True

    def __init__(self, address: UpstreamAddress) -> None:
        self._requests = RequestBuilder.of(address)
        self._dialect = address.dialect
        self._profile = CHAT_VIDEO_PROFILES[address.dialect]

    @property
    def operations(self) -> frozenset[Operation]:
        """Return in which ways a service here can make a video."""
        return frozenset({Operation.CREATE})

    @property
    def takes_reference(self) -> bool:
        """Tell whether a create can begin from a picture: it is a part of the message."""
        return True

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether the address of such a picture will do."""
        return self._profile.fetches_image_urls

    @property
    def takes_characters(self) -> bool:
        """Tell whether characters can be made here and appear in a create."""
        return False

    @property
    def variants(self) -> frozenset[str]:
        """Return what can be downloaded of a completed job."""
        return frozenset({"video"})

    def reach(self) -> Request:
        """Return the question for models, without the key."""
        return self._requests.reach()

    def credentials(self, model: str) -> Request:
        """Return the free question whether a video could be made, or the one for models."""
        if self._profile.has_free_dry_run:
            return self._chat_request(
                Phase.PROBE, model, [_text_part("a paper boat")], streamed=False
            )
        return self._requests.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is not accepted; None if both are."""
        if not self._profile.has_free_dry_run:
            return read_model_list(reply, self._dialect, model)
        if not reply.is_success or reply.error:
            return reply_failure(reply, self._dialect, "chat:unreadable")
        if (failure := classify(reply, self._dialect)) is not None:
            return failure
        is_chat = bool(array_at(unwrapped_object(reply.body), "choices"))
        return None if is_chat else reply_failure(reply, self._dialect, "chat:unreadable")

    def create(self, order: Order, model: str) -> Request:
        """Return the paid request, whose answer streams."""
        if order.operation is not Operation.CREATE or order.source or order.characters:
            raise LookupError(f"chat_video has no words for {order.operation} or for characters")
        parts = [_text_part(order.prompt)]
        if order.reference is not None:
            parts.append(self._image_part(order.reference))
        return self._chat_request(Phase.CREATE, model, parts, streamed=True, extras=order.extras)

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer that was read to its end, or why there is none.

        To a question that was meant to be free, only an answer with a video is a job.
        """
        if not reply.is_success:
            return reply_failure(reply, self._dialect, "chat:unreadable")
        stream = self.open_stream()
        stream.feed(reply.body)
        job = stream.end(reply.error)
        if reply.phase is Phase.PROBE and job.failure is not None:
            return replace(job.failure, http_status=reply.status)
        return job

    def proves_not_billed(self, reply: Reply) -> bool:
        """Tell whether an error answer is one that is given only where nothing will be billed."""
        match self._dialect:
            case "new_api":
                return new_api_proves_not_billed(reply)
            case "sora2api":
                return sora2api_proves_not_billed(reply)
            case _:
                return False

    def open_stream(self) -> JobStream:
        """Return a reader of a streamed create."""
        return ChatStream(self._dialect, echoes_model=self._profile.echoes_model)

    def poll(self, job_id: str) -> Request:
        """Raise: whoever has lost the stream cannot ask again."""
        raise LookupError(f"chat_video cannot poll {job_id}: its answer was a stream")

    def content(self, job: Job, variant: str = "video") -> Request:
        """Return the download; the key goes along only to our own upstream."""
        if variant not in self.variants:
            raise LookupError(f"there is no {variant} here, only video")
        if job.state is not JobState.COMPLETED or not job.content_url:
            raise LookupError(f"chat job {job.id} has no video")
        return self._requests.download(job.content_url)

    def listing(self, after: str = "") -> Request | None:  # noqa: ARG002  # there is no first
        """Return None: chats are not listed anywhere."""
        return None

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return what is wrong with a reply that nobody asked for."""
        return reply_failure(reply, self._dialect, "list:unreadable")

    def cancel(self, job_id: str) -> Request | None:  # noqa: ARG002  # leaving stops nothing
        """Return None: whoever leaves the stream still pays for the job."""
        return None

    def read_cancel(self, reply: Reply) -> bool:  # noqa: ARG002  # nothing was asked
        """Return False: nothing is ever proven."""
        return False

    def delete(self, job_id: str) -> Request | None:  # noqa: ARG002  # there is no record of it
        """Return None: nothing is kept here."""
        return None

    def create_character(self, name: str, video: Reference) -> Request:  # noqa: ARG002
        """Raise: there are none."""
        raise LookupError("chat_video has no characters")

    def read_character(self, reply: Reply) -> str | Failure:
        """Return what is wrong with a reply that nobody asked for."""
        return reply_failure(reply, self._dialect, "character:unreadable")

    def _image_part(self, reference: Reference) -> Mapping[str, object]:
        if reference.url and not self._profile.fetches_image_urls:
            raise LookupError(f"{self._dialect} takes a picture's bytes, not its address")
        return {"type": "image_url", "image_url": {"url": reference_url(reference)}}

    def _chat_request(
        self,
        phase: Phase,
        model: str,
        parts: Sequence[Mapping[str, object]],
        *,
        streamed: bool,
        extras: Mapping[str, object] = _NO_EXTRAS,
    ) -> Request:
        body = {
            **extras,
            "model": model,
            "stream": streamed,
            "messages": [{"role": "user", "content": parts}],
        }
        return Request(
            phase,
            "POST",
            f"{self._requests.base_url}/chat/completions",
            headers={"Accept": "text/event-stream"} if streamed else {},
            json=json.dumps(body),
            authorization=self._requests.authorization,
        )


def _text_part(prompt: str) -> Mapping[str, object]:
    return {"type": "text", "text": prompt}
