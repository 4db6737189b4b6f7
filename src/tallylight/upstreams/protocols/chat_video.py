"""Video by chat completion: the protocol of resold consumer accounts (官逆).

The answer to a create is a stream that ends with the URL of the video; there is nothing to poll.
Length and orientation are part of the model's name at these resellers, so the configured model is
sent as it is, and the order's seconds and size are not sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.order import Form, Input, Order
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.json_access import array_at, unwrapped_object
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request
from tallylight.upstreams.protocol import (
    FIRST_FRAME,
    ONLY_BYTES,
    Adapter,
    Definition,
    Features,
    Flow,
    Site,
)
from tallylight.upstreams.protocols.chat_stream import ChatStream
from tallylight.upstreams.protocols.model_list import check_models, not_listed, reach_models
from tallylight.upstreams.protocols.not_billed import (
    new_api_proves_not_billed,
    sora2api_proves_not_billed,
)
from tallylight.upstreams.steps import Accepted, Done

_ERRORS = Errors()

# The prompt is a message. Length and frame are the model's name.
_WORDING = Wording(
    {
        Measure.AUDIO: (Word("generate_audio", Spelling.BOOLEAN),),
        Measure.QUALITY: (Word("quality"),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
        Measure.NEGATIVE: (Word("negative_prompt"),),
    }
)


@dataclass(frozen=True, slots=True)
class ChatVideoProfile:
    """The properties of one dialect.

    Args:
        has_free_dry_run: A chat that is not streamed generates nothing, and says whether the
            server could generate. Elsewhere it would be a paid job.
        echoes_model: The `model` of an answer is the one that was used.
        errors: How its failures are known.
        wording: How it spells what stands beside the messages.
        fetches_image_urls: The server fetches reference images from URLs. Else it takes only data
            URLs, and silently ignores an image that is given by its URL.
    """

    has_free_dry_run: bool = False
    echoes_model: bool = True
    fetches_image_urls: bool = True
    errors: Errors = _ERRORS
    wording: Wording = _WORDING


CHAT_VIDEO_PROFILES: Mapping[str, ChatVideoProfile] = {
    # First, hence the default: sora2api's free dry run is a paid job anywhere else.
    "relay": ChatVideoProfile(),
    # The model in its answers is always "sora".
    "sora2api": ChatVideoProfile(
        has_free_dry_run=True,
        echoes_model=False,
        fetches_image_urls=False,
        errors=Errors(is_free=sora2api_proves_not_billed),
        wording=Wording(),  # it reads the messages alone
    ),
    "new_api": ChatVideoProfile(errors=Errors(is_free=new_api_proves_not_billed)),
}

_PATH = "/chat/completions"


def _make(site: Site) -> Adapter:
    profile = CHAT_VIDEO_PROFILES[site.dialect]
    chats = _Chats(site, profile)
    return Adapter(
        features=Features(
            inputs={FIRST_FRAME: frozenset(Form) if profile.fetches_image_urls else ONLY_BYTES},
            wordings=chats.wordings,
            check_may_bill=profile.has_free_dry_run,
        ),
        errors=profile.errors,
        reach=reach_models,
        check=chats.dry_run if profile.has_free_dry_run else partial(check_models, profile.errors),
        submit=chats.submit,
        accepted=chats.accepted,
        reader=chats.reader,
    )


class _Chats:
    """`/v1/chat/completions` of one dialect."""

    def __init__(self, site: Site, profile: ChatVideoProfile) -> None:
        self._base_url = site.base_url
        self._profile = profile
        self.wordings = {**site.wordings, "*": profile.wording}

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request, whose answer streams."""
        parts = [_text_part(order.prompt)]
        parts += [_image_part(each) for each in order.inputs]
        spelled = wording_for(self.wordings, order.model).write(order)
        body = {**spelled, **_chat(order.model, parts, is_streamed=True)}
        accept = {"Accept": "text/event-stream"}
        return Request(Phase.CREATE, "POST", _PATH, headers=accept, json=json.dumps(body))

    @staticmethod
    def accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG004
        """Return None: an answer that does not stream is a refusal."""
        return None

    def reader(self, secrets: tuple[str, ...]) -> ChatStream:
        """Return a reader for the answer to a create."""
        return ChatStream(self._base_url, echoes_model=self._profile.echoes_model, secrets=secrets)

    def dry_run(self, model: str) -> Flow[Accepted | Failure | None]:
        """Ask for a chat that is not streamed, which makes nothing here; elsewhere it is paid."""
        body = _chat(model, [_text_part("a paper boat")], is_streamed=False)
        text = json.dumps(body)
        reply = yield Request(Phase.PROBE, "POST", _PATH, json=text, reads=ANY_STATUS)
        errors, stream = self._profile.errors, self.reader(())
        stream.feed(reply.body if reply.is_success else "")
        if isinstance(end := stream.end(""), Done):
            return Accepted(stream.job, end)
        if (failure := errors.of(reply)) is not None:
            is_of_model = failure.kind is FailureKind.INVALID_REQUEST  # all else is always the same
            return not_listed(model, reply.status) if is_of_model else failure
        is_chat = reply.is_success and bool(array_at(unwrapped_object(reply.body), "choices"))
        return None if is_chat else errors.failure(reply, "chat:unreadable")


def _image_part(reference: Input) -> Mapping[str, object]:
    return {"type": "image_url", "image_url": {"url": reference.address}}


def _chat(
    model: str, parts: Sequence[Mapping[str, object]], *, is_streamed: bool
) -> dict[str, object]:
    messages = [{"role": "user", "content": parts}]
    return {"model": model, "stream": is_streamed, "messages": messages}


def _text_part(prompt: str) -> Mapping[str, object]:
    return {"type": "text", "text": prompt}


DEFINITION = Definition(name="chat_video", dialects=tuple(CHAT_VIDEO_PROFILES), make=_make)
