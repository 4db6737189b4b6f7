"""Video by chat completion: the protocol of resold consumer accounts (官逆).

The answer to a create is a stream that ends with the URL of the video; there is nothing to poll.
Length and orientation are part of the model's name at these resellers, so the configured model is
sent as it is, and the order's seconds and size are not sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import array_at, unwrapped_object
from tallylight.upstreams.messages import Job, Output, Phase, Reply, Request
from tallylight.upstreams.protocol import JobStream, VideoProtocol
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
    """The properties of one dialect.

    Args:
        has_free_dry_run: A chat that is not streamed generates nothing, and says whether the
            server could generate. Elsewhere it would be a paid job.
        echoes_model: The `model` of an answer is the one that was used.
        fetches_image_urls: The server fetches reference images from URLs. Else it takes only data
            URLs, and silently ignores an image that is given by its URL.
    """

    has_free_dry_run: bool = False
    echoes_model: bool = True
    fetches_image_urls: bool = True


CHAT_VIDEO_PROFILES: Mapping[str, ChatVideoProfile] = {
    # First, hence the default: sora2api's free dry run is a paid job anywhere else.
    "relay": ChatVideoProfile(),
    # The model in its answers is always "sora".
    "sora2api": ChatVideoProfile(
        has_free_dry_run=True, echoes_model=False, fetches_image_urls=False
    ),
    "new_api": ChatVideoProfile(),
}


class ChatVideo(VideoProtocol):
    """The adapter for `/v1/chat/completions` at one upstream."""

    streams = True

    def __init__(self, upstream: Upstream) -> None:
        self._requests = RequestBuilder.of(upstream)
        self._dialect = upstream.dialect
        self._profile = CHAT_VIDEO_PROFILES[upstream.dialect]
        self._secrets = () if upstream.key is None else (upstream.key.reveal(),)

    @property
    def operations(self) -> frozenset[Operation]:
        """Return the supported operations."""
        return frozenset({Operation.CREATE})

    @property
    def takes_reference_url(self) -> bool:
        """Tell whether a create accepts the URL of such an image."""
        return self._profile.fetches_image_urls

    def reach(self) -> Request:
        """Return the request for the list of models, without the key."""
        return self._requests.reach()

    def credentials(self, model: str) -> Request:
        """Return the free dry run, or the request for the list of models."""
        if self._profile.has_free_dry_run:
            return self._chat_request(
                Phase.PROBE, model, [_text_part("a paper boat")], streamed=False
            )
        return self._requests.models()

    def read_credentials(self, reply: Reply, model: str) -> Failure | None:
        """Return why the key or the model is refused; None if both are accepted."""
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
            raise LookupError("chat_video supports neither characters nor any operation but create")
        parts = [_text_part(order.prompt)]
        if order.reference is not None:
            parts.append(self._image_part(order.reference))
        return self._chat_request(Phase.CREATE, model, parts, streamed=True, extras=order.extras)

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in a complete answer, or why it holds none.

        The answer to a dry run is a job only if it holds a video.
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
        """Tell whether this dialect gives an error answer only if nothing is billed."""
        match self._dialect:
            case "new_api":
                return new_api_proves_not_billed(reply)
            case "sora2api":
                return sora2api_proves_not_billed(reply)
            case _:
                return False

    def open_stream(self) -> JobStream:
        """Return a reader for the answer to a create."""
        return ChatStream(
            self._dialect,
            self._requests.base_url,
            echoes_model=self._profile.echoes_model,
            secrets=self._secrets,
        )

    def poll(self, job_id: str) -> Request:
        """Raise LookupError: a lost stream cannot be resumed."""
        raise LookupError(f"chat_video cannot poll {job_id}: its answer was a stream")

    def outputs(self, job: Job, variant: str = "video") -> tuple[Output, ...]:
        """Return the ways to the result that the answer names; there is no content call."""
        if variant not in self.variants:
            raise LookupError(f"there is no variant {variant}, only video")
        return self._requests.outputs(job.results)

    def read_listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the failure in a reply, since there is no such request."""
        return reply_failure(reply, self._dialect, "list:unreadable")

    def create_character(self, name: str, video: Reference) -> Request:  # noqa: ARG002
        """Raise LookupError: there are no characters."""
        raise LookupError("chat_video has no characters")

    def read_character(self, reply: Reply) -> str | Failure:
        """Return the failure in a reply, since there is no such request."""
        return reply_failure(reply, self._dialect, "character:unreadable")

    def _image_part(self, reference: Reference) -> Mapping[str, object]:
        if reference.url and not self._profile.fetches_image_urls:
            raise LookupError(f"{self._dialect} takes the bytes of an image, not its URL")
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
