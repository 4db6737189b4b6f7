"""OpenAI's images: the answer to a create is the result, and nothing can be asked for later.

A create that is answered by nothing is in doubt for good. The facts and their sources:
`docs/protocols.md`.
"""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Unit, Usage
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.forms import file_part, form_fields
from tallylight.upstreams.protocols.model_list import not_listed, reach_models
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.steps import IMAGE, Accepted, Done, Output

_INLINE = frozenset({Form.INLINE})
_INPUTS = {(role, Medium.IMAGE): _INLINE for role in (Role.REFERENCE, Role.MASK)}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.PIXELS: (Word("size", Spelling.PIXELS_X),),
        Measure.QUALITY: (Word("quality"),),
        Measure.COUNT: (Word("n", Spelling.INTEGER),),
    },
    passes=frozenset(
        {"background", "output_format", "output_compression", "moderation", "user"}
        | {"safety_identifier", "style", "response_format", "input_fidelity"}
    ),
    priced=frozenset({"stream", "partial_images", "frame_count", "svg"}),
)

_LONGEST_CREATE = timedelta(minutes=5)
"""An image takes up to three minutes."""


def _codes(answer: JsonView) -> tuple[str, ...]:
    return answer.text("error.code"), answer.text("error.type")


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.CONTENT_REJECTED, ("moderation_blocked", "content_policy_violation")),
        Row(FailureKind.QUOTA, ("billing_hard_limit_reached", "insufficient_quota")),
        Row(FailureKind.AUTH, words=("must be verified",)),
    ),
)


def _make(site: Site) -> Adapter:
    images = _Images(site)
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=images.wordings,
            create_timeout=_LONGEST_CREATE,
        ),
        errors=_ERRORS,
        reach=reach_models,
        check=_check,
        submit=images.submit,
        accepted=images.accepted,
    )


class _Images:
    """The images of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._base_url = site.base_url

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request; pictures to work on go along as files."""
        body = wording_for(self.wordings, order.model).write(order)
        if not order.inputs:
            return post_json(Phase.CREATE, "/images/generations", body)
        names = {Role.MASK: "mask"}
        files = tuple(file_part(names.get(each.role, "image[]"), each) for each in order.inputs)
        form = form_fields(body)
        return Request(Phase.CREATE, "POST", "/images/edits", form=form, files=files)

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the finished job that an answer with pictures is."""
        outputs = tuple(self._outputs(reply)) if reply.is_success else ()
        if not outputs:
            return None
        answer = reply.json
        tokens = answer.number("usage.output_tokens")
        usage = None if tokens is None else Usage(tokens, Unit.TOKENS)
        return Accepted(JobRef(""), Done(outputs, Made(size=answer.text("size")), usage))

    def _outputs(self, reply: Reply) -> Iterator[Output]:
        for index, each in enumerate(reply.json.items("data")):
            file = inline_file(unmarked(each.text("b64_json"), reply.long_texts))
            url = resolved_address(each.text("url"), self._base_url)
            if file is not None:
                yield Output(IMAGE, file, index)
            if url:
                yield Output(IMAGE, get(Phase.CONTENT, url), index)


def _check(model: str) -> Flow[Accepted | Failure | None]:
    """Ask for the model: it is there for keys that may use it."""
    reply = yield get(Phase.PROBE, f"/models/{path_segment(model)}", reads=ANY_STATUS)
    if reply.status == HTTPStatus.NOT_FOUND:
        return not_listed(model, reply.status)
    is_model = reply.is_success and bool(reply.json.text("id"))
    return None if is_model else _ERRORS.failure(reply, "models:unreadable")


DEFINITION = Definition(name="openai_images", dialects=("openai", "relay"), make=_make)
