"""OpenAI's images: the answer to a create is the result, and nothing can be asked for later.

A create that is answered by nothing is in doubt for good. Azure's model is the name of a
deployment, which its list of models does not have. The facts and their sources:
`docs/protocols.md`.
"""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from pydantic import Field

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Unit, Usage
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.auth import BEARER, Auth, HeaderAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.forms import file_part, form_fields
from tallylight.upstreams.protocols.model_list import not_listed, reach_models, told_shutdown
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.steps import IMAGE, Accepted, CheckOutcome, Done, Output

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
        | {"safety_identifier", "style", "response_format"}
    ),
    # A high fidelity takes more tokens of the picture that goes in.
    priced=frozenset({"stream", "partial_images", "frame_count", "svg", "input_fidelity"}),
)

_LONGEST_CREATE = timedelta(minutes=5)
"""An image takes up to three minutes."""


_AZURE = "azure"


class OpenAIImagesOptions(Section):
    """What an upstream may set.

    Args:
        api_version: For Azure's older paths, which name the deployment and this version.
    """

    api_version: str | None = Field(None, pattern=r"^[0-9A-Za-z.-]{1,40}$")


def _codes(answer: JsonView) -> tuple[str, ...]:
    return answer.text("error.code"), answer.text("error.type")


def _azure_codes(answer: JsonView) -> tuple[str, ...]:
    # The cause is one level down, under a name that differs between versions.
    inner = (answer.text(f"error.{name}.code") for name in ("inner_error", "innererror"))
    return *inner, answer.text("error.code")


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.CONTENT_REJECTED, ("moderation_blocked", "content_policy_violation")),
        Row(FailureKind.QUOTA, ("billing_hard_limit_reached", "insufficient_quota")),
        Row(FailureKind.AUTH, words=("must be verified",)),
    ),
)


_AZURE_ERRORS = Errors(
    codes=_azure_codes,
    rows=(
        Row(
            FailureKind.CONTENT_REJECTED,
            ("responsible_ai_policy_violation", "content_filter", "content_policy_violation"),
        ),
        # A deployment that was just made answers so for hours, like one that is gone.
        Row(FailureKind.UNKNOWN, ("deployment_not_found",)),
        Row(FailureKind.RATE_LIMITED, words=("exceeded call rate limit", "token rate limit")),
        Row(FailureKind.QUOTA, words=("out of call volume quota",)),
    ),
)


def _make(site: Site) -> Adapter:
    images, is_azure = _Images(site), site.dialect == _AZURE
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=images.wordings,
            create_timeout=_LONGEST_CREATE,
            checks_model=not is_azure,
        ),
        errors=_AZURE_ERRORS if is_azure else _ERRORS,
        reach=reach_models,
        check=images.check_key if is_azure else _check,
        submit=images.submit,
        accepted=images.accepted,
    )


class _Images:
    """The images of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._base_url = site.base_url
        self._version = site.options_as(OpenAIImagesOptions).api_version

    def check_key(self, _: str) -> Flow[Accepted | Failure | None]:
        """Ask for the list of models, which shows no deployment."""
        query = {"api-version": self._version} if self._version else {}
        reply = yield get(Phase.PROBE, "/models", query)
        is_list = isinstance(reply.json.at("data").value, list)
        return None if is_list else _AZURE_ERRORS.failure(reply, "models:unreadable")

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request; pictures to work on go along as files."""
        body = wording_for(self.wordings, order.model).write(order)
        if not order.inputs:
            return post_json(Phase.CREATE, self._path("generations", order.model), body)
        names = {Role.MASK: "mask"}
        files = tuple(file_part(names.get(each.role, "image[]"), each) for each in order.inputs)
        form = form_fields(body)
        path = self._path("edits", order.model)
        return Request(Phase.CREATE, "POST", path, form=form, files=files)

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the finished job that an answer with pictures is."""
        outputs = tuple(self._outputs(reply)) if reply.is_success else ()
        if not outputs:
            return None
        answer = reply.json
        tokens = answer.number("usage.output_tokens")
        usage = None if tokens is None else Usage(tokens, Unit.TOKENS)
        return Accepted(JobRef(""), Done(outputs, Made(size=answer.text("size")), usage))

    def _path(self, call: str, model: str) -> str:
        if self._version is None:
            return f"/images/{call}"
        return f"/deployments/{path_segment(model)}/images/{call}?api-version={self._version}"

    def _outputs(self, reply: Reply) -> Iterator[Output]:
        for index, each in enumerate(reply.json.items("data")):
            file = inline_file(unmarked(each.text("b64_json"), reply.long_texts))
            url = resolved_address(each.text("url"), self._base_url)
            if file is not None:
                yield Output(IMAGE, file, index)
            if url:
                yield Output(IMAGE, get(Phase.CONTENT, url), index)


def _check(model: str) -> Flow[CheckOutcome]:
    """Ask for the model: it is there for keys that may use it, with the day of its shutdown."""
    reply = yield get(Phase.PROBE, f"/models/{path_segment(model)}", reads=ANY_STATUS)
    if reply.status == HTTPStatus.NOT_FOUND:
        return not_listed(model, reply.status)
    is_model = reply.is_success and bool(reply.json.text("id"))
    return told_shutdown(reply.json) if is_model else _ERRORS.failure(reply, "models:unreadable")


def _auth(site: Site) -> Auth:
    return HeaderAuth("api-key") if site.dialect == _AZURE else BEARER


DEFINITION = Definition(
    name="openai_images",
    dialects=("openai", "relay", _AZURE),
    make=_make,
    auth=_auth,
    options=OpenAIImagesOptions,
)
