"""Luma's Agents API: one object, made by its `type`; without that a picture would be made.

A job is polled and nothing else: there is no list, no cancel and no cost. The older Dream Machine
API has other hosts, keys and words. The facts and their sources: `docs/protocols/luma.md`.
"""

import base64
from collections.abc import Iterable, Mapping

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import object_at
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import outputs_named_in
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    QUEUED,
    VIDEO,
    Accepted,
    Done,
    Failed,
    Known,
    Output,
    Step,
    Working,
)

_FRAMES = {Role.FIRST_FRAME: "start_frame", Role.LAST_FRAME: "end_frame"}
_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in _FRAMES}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("video.duration", Spelling.SUFFIXED),),
        Measure.RESOLUTION: (Word("video.resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
    },
    fixed={"type": "video"},
    passes=frozenset({"user_id"}),
    # `video` may hold hdr, loop, keyframes and another length.
    priced=frozenset({"video", "type", "source", "hdr", "exr_export", "duration", "resolution"}),
)
_FILES = "/files"
_STARTED = {"queued": False, "processing": True}
_STATES = (*_STARTED, "completed", "failed")


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("failure_code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.CONTENT_REJECTED, ("content_moderated",)),
        Row(FailureKind.CONTENT_REJECTED, statuses=(400, 422), words=("moderat",)),
        Row(FailureKind.QUOTA, ("budget_exhausted",)),
        Row(FailureKind.RATE_LIMITED, ("rate_limited",)),
        Row(FailureKind.INVALID_REQUEST, ("image_too_large", "unsupported_format")),
        Row(FailureKind.INVALID_REQUEST, ("corrupt_input", "invalid_request")),
        Row(FailureKind.DEGRADED, ("generation_failed", "output_not_found", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    wordings = {**site.wordings, "*": _WORDING}

    def submit(order: Order, mark: str) -> Request:  # noqa: ARG001  # none is kept
        body = wording_for(wordings, order.model).write(order)
        if order.inputs:
            frames = {_FRAMES[each.role]: _reference(each) for each in order.inputs}
            body["video"] = {**object_at(body.get("video")), **frames}
        return post_json(Phase.CREATE, "/generations", body)

    return Adapter(
        features=Features(inputs=_INPUTS, wordings=wordings, checks_model=False),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _FILES, is_signed=False),
        check=_check,
        submit=submit,
        accepted=_accepted,
        poll=_poll,
    )


def _reference(picture: Input) -> Mapping[str, str]:
    """Return a picture as its address, or as its bytes with their type."""
    if picture.url:
        return {"url": picture.url}
    data = base64.b64encode(picture.body).decode("ascii")
    return {"data": data, "media_type": picture.media_type or "image/png"}


def _check(_: str) -> Flow[Accepted | Failure | None]:
    """Ask for the newest file of one's own: a list that needs the key."""
    reply = yield get(Phase.PROBE, _FILES, {"limit": "1"})
    is_list = isinstance(reply.json.at("data").value, list)
    return None if is_list else _ERRORS.failure(reply, "files:unreadable")


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001  # all are alike
    answer = reply.json
    id_ = answer.text("id") if reply.is_success else ""
    return Accepted(JobRef(id_), _step(answer) or QUEUED) if id_ else None


def _poll(job: JobRef) -> Flow[Step]:
    reply = yield get(Phase.POLL, f"/generations/{path_segment(job.id)}")
    known = _step(reply.json)
    return _ERRORS.no_job(reply, "generation:unreadable") if known is None else known


def _step(generation: JsonView) -> Known | None:
    """Return the state of a generation, None if the answer tells none."""
    made = Made(model=generation.text("model"))
    match known_as(generation.text("state"), *_STATES):
        case "":
            return None
        case "completed":
            return _done(generation, made)
        case "failed":
            code = generation.text("failure_code") or "failed"
            return Failed(_ERRORS.named(code, generation.text("failure_reason")), made=made)
        case word:
            return Working(_STARTED.get(word, True), made=made)


def _done(generation: JsonView, made: Made) -> Known:
    outputs = tuple(
        Output(VIDEO, get(Phase.CONTENT, url), index)
        for index, each in enumerate(generation.items("output"))
        if (url := each.text("url")) and each.text("type").casefold() in {VIDEO, ""}
    )
    types = {each.text("type").casefold() for each in generation.items("output")}
    if not outputs and types <= {VIDEO, ""}:
        outputs = outputs_named_in(generation)
    if outputs:
        return Done(outputs, made)
    return Failed(_ERRORS.named("no_output", "no film was named"), made=made)


DEFINITION = Definition(name="luma", dialects=("luma",), make=_make)
