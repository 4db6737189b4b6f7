"""Amazon Bedrock's asynchronous invocations: any model by its own schema, its film in our bucket.

Our mark goes along as `clientRequestToken`, which the list repeats: so the job of a create in doubt
is known for certain. It also names the folder of the film. Where the bucket is: `bedrock_hosts`.
The facts and their sources: `docs/protocols/bedrock.md`.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made
from tallylight.model.order import Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_timestamp, object_at
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import (
    ONLY_BYTES,
    Adapter,
    Definition,
    Doubt,
    Features,
    Flow,
    Mark,
    Site,
)
from tallylight.upstreams.protocols.bedrock_hosts import (
    JOBS_PATH,
    MODELS_PATH,
    BedrockHosts,
    BedrockOptions,
    bedrock_auth,
    bedrock_origins,
)
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    QUEUED,
    VIDEO,
    Accepted,
    Checked,
    CheckOutcome,
    Done,
    Failed,
    Known,
    Listed,
    Output,
    Page,
    Step,
    Working,
)

_PAGE_SIZE = 500
_OBJECT = re.compile(r"s3://([a-z0-9.-]{3,63})((?:/.{0,1000})?)", re.DOTALL)
_FILM = "output.mp4"

_ENDS = ("completed", "failed")
_NOVA, _LUMA = "*amazon.nova-reel*", "*luma.ray*"
_FRAMES = {Role.FIRST_FRAME: "frame0", Role.LAST_FRAME: "frame1"}
_INPUTS = {(role, Medium.IMAGE): ONLY_BYTES for role in _FRAMES}
_WORDINGS: Mapping[str, Wording] = {
    _LUMA: Wording(
        words={
            Measure.PROMPT: (Word("prompt"),),
            Measure.SECONDS: (Word("duration", Spelling.SUFFIXED),),
            Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
            Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        },
        passes=frozenset({"loop"}),
        priced=frozenset({"duration", "resolution"}),
    ),
    _NOVA: Wording(
        words={
            Measure.PROMPT: (Word("textToVideoParams.text"),),
            Measure.SECONDS: (Word("videoGenerationConfig.durationSeconds", Spelling.INTEGER),),
            Measure.PIXELS: (Word("videoGenerationConfig.dimension", Spelling.PIXELS_X),),
            Measure.SEED: (Word("videoGenerationConfig.seed", Spelling.INTEGER),),
        },
        fixed={"taskType": "TEXT_VIDEO", "videoGenerationConfig": {"fps": 24}},
        priced=frozenset({"taskType", "textToVideoParams", "videoGenerationConfig"}),
    ),
}


def _codes(answer: JsonView) -> Iterable[str]:
    named = answer.text("__type").rpartition("#")[2] or answer.text("code")
    return (named.partition(":")[0],)


_ERRORS = Errors(
    code_header="x-amzn-errortype",
    codes=_codes,
    rows=(
        Row(FailureKind.RETIRED, words=("end of its life",), is_named=True),
        Row(FailureKind.CONTENT_REJECTED, words=("content filter", "responsible ai")),
        Row(FailureKind.RETIRED, ("resource_not_found_exception",), words=("model",)),
        Row(FailureKind.UNKNOWN, ("resource_not_found_exception",), is_missing=True),
        # By its description a poll knows no other refusal of an unknown job than this.
        Row(FailureKind.UNKNOWN, ("validation_exception",), words=("invocation",), is_missing=True),
        Row(FailureKind.INVALID_REQUEST, ("validation_exception", "conflict_exception")),
        Row(FailureKind.RATE_LIMITED, ("service_quota_exceeded_exception",), words=("concurrent",)),
        Row(FailureKind.QUOTA, ("service_quota_exceeded_exception",)),
        Row(FailureKind.RATE_LIMITED, ("throttling_exception",)),
        Row(FailureKind.AUTH, ("unrecognized_client_exception", "invalid_signature_exception")),
        Row(FailureKind.AUTH, ("incomplete_signature_exception", "expired_token_exception")),
        Row(FailureKind.AUTH, ("missing_authentication_token_exception",)),
        Row(FailureKind.DEGRADED, ("model_error_exception", "internal_server_exception")),
        Row(FailureKind.DEGRADED, ("no_output",)),
    ),
)


def _make(site: Site) -> Adapter:
    jobs = _Invocations(site)
    return Adapter(
        features=Features(
            inputs=_INPUTS, wordings=jobs.wordings, mark=Mark.TOKEN, tells_queue=False
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", JOBS_PATH, is_signed=False),
        check=jobs.check,
        submit=jobs.submit,
        accepted=_accepted,
        poll=jobs.poll,
        find=jobs.find,
    )


class _Invocations:
    """The invocations of one upstream."""

    def __init__(self, site: Site) -> None:
        self._hosts = BedrockHosts.of(site)
        self.wordings = {**site.wordings, **_WORDINGS}

    def check(self, model: str) -> Flow[CheckOutcome]:
        """Ask for the newest job, which proves the key, then when the model ends."""
        reply = yield get(Phase.PROBE, JOBS_PATH, {"maxResults": "1"})
        if not _is_list(reply):
            return _ERRORS.failure(reply, "list:unreadable")
        asked = get(Phase.PROBE, f"{self._hosts.control}{MODELS_PATH}/{path_segment(model)}")
        # The key may have no right to ask for models, and the host may be another one.
        reply = yield replace(asked, reads=ANY_STATUS, is_optional=True)
        failure = _ERRORS.of(reply)
        if failure is not None:
            return failure if failure.kind is FailureKind.RETIRED else None
        lifecycle = reply.json.at("modelDetails.modelLifecycle")
        ends_at = json_timestamp(lifecycle.at("endOfLifeTime").value)
        return None if ends_at is None else Checked(ends_at.date())

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request; the mark is its token, and the name of its folder."""
        body: dict[str, object] = {
            "clientRequestToken": mark,
            "modelId": order.model,
            "modelInput": self._input(order),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": self._folder(mark)}},
        }
        return post_json(Phase.CREATE, JOBS_PATH, body)

    def _input(self, order: Order) -> dict[str, object]:
        written = wording_for(self.wordings, order.model).write(order)
        if not order.inputs:
            return written
        if "textToVideoParams" not in written:
            return {**written, "keyframes": {_FRAMES[e.role]: _frame(e) for e in order.inputs}}
        if any(each.role is not Role.FIRST_FRAME for each in order.inputs):
            raise LookupError("the model takes a first frame alone")
        images = {"images": list(map(_image, order.inputs))}
        return {
            **written,
            "textToVideoParams": {**object_at(written, "textToVideoParams"), **images},
        }

    def _folder(self, mark: str) -> str:
        return f"{self._hosts.bucket}/{mark}"

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for an invocation."""
        reply = yield get(Phase.POLL, f"{JOBS_PATH}/{path_segment(job.id)}")
        known = self._step(reply.json)
        return _ERRORS.no_job(reply, "invocation:unreadable") if known is None else known

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:  # noqa: ARG002  # all in one list
        """Return a page of all invocations, newest first."""
        query = {
            "maxResults": str(_PAGE_SIZE),
            "sortBy": "SubmissionTime",
            "sortOrder": "Descending",
            **({"nextToken": cursor} if cursor else {}),
        }
        reply = yield get(Phase.LIST, JOBS_PATH, query)
        if not _is_list(reply):
            return _ERRORS.failure(reply, "list:unreadable")
        answer = reply.json
        found = map(self._listed, answer.items("asyncInvokeSummaries"))
        return Page(tuple(filter(None, found)), answer.text("nextToken"))

    def _listed(self, invocation: JsonView) -> Listed | None:
        step, arn = self._step(invocation) or QUEUED, invocation.text("invocationArn")
        if not arn:
            return None
        mark, submitted = invocation.text("clientRequestToken"), invocation.at("submitTime").value
        return Listed(JobRef(arn), step, mark, created_at=json_timestamp(submitted))

    def _step(self, invocation: JsonView) -> Known | None:
        """Return the state of an invocation, None if the answer tells none."""
        made = Made(model=_model_in(invocation.text("modelArn")))
        match known_as(invocation.text("status"), *_ENDS):
            case "":
                return None
            case "completed":
                outputs = tuple(self._ways(invocation))
                return Done(outputs, made) if outputs else Failed(_NO_PLACE, made=made)
            case "failed":
                said = invocation.text("failureMessage")
                return Failed(_ERRORS.named("failed", said), made=made)
            case _:
                return Working(is_started=True, made=made)

    def _ways(self, invocation: JsonView) -> Iterator[Output]:
        """Yield where the film may be: in a folder of the invocation's id, which may be named."""
        named = invocation.text("outputDataConfig.s3OutputDataConfig.s3Uri")
        mark, id_ = invocation.text("clientRequestToken"), _last(invocation.text("invocationArn"))
        folder = (named or (self._folder(mark) if mark else "")).rstrip("/")
        found = _OBJECT.fullmatch(folder)
        if found is None:
            return
        inner = (f"{found[2]}/{id_}", found[2]) if id_ and _last(folder) != id_ else (found[2],)
        for each in inner:
            path = quote(f"/{found[1]}{each}/{_FILM}", safe="/-_.~")
            yield Output(VIDEO, get(Phase.CONTENT, self._hosts.storage + path))


_NO_PLACE = _ERRORS.named("no_output", "no place of a film was named")


def _is_list(reply: Reply) -> bool:
    return isinstance(reply.json.at("asyncInvokeSummaries").value, list)


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001  # all are alike
    arn = reply.json.text("invocationArn") if reply.is_success else ""
    return Accepted(JobRef(arn)) if arn else None


def _model_in(arn: str) -> str:
    """Return the model that an invocation ran, "" where it is told by the name of a deployment."""
    return _last(arn) if ":foundation-model/" in arn else ""


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _frame(picture: Input) -> Mapping[str, object]:
    source = {"type": "base64", "media_type": picture.media_type or "image/png"}
    return {"type": "image", "source": {**source, "data": _base64(picture)}}


def _image(picture: Input) -> Mapping[str, object]:
    kind = (picture.media_type or "image/png").removeprefix("image/")
    return {"format": kind, "source": {"bytes": _base64(picture)}}


def _base64(picture: Input) -> str:
    return base64.b64encode(picture.body).decode("ascii")


DEFINITION = Definition(
    name="bedrock",
    dialects=("bedrock",),
    make=_make,
    auth=bedrock_auth,
    options=BedrockOptions,
    origins=bedrock_origins,
)
