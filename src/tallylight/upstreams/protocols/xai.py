"""xAI's videos: no list and no idempotency, so a create in doubt can be looked for nowhere.

A film that moderation holds back is "done" like any other. A running job is answered with 202,
whose body may be empty. The facts and their sources: `docs/protocols.md`.
"""

from http import HTTPStatus

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.jobs import JobRef, Made
from tallylight.model.order import Form, Medium, Operation, Order, Role
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import FILM, Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.model_list import reach_models
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.protocols.xai_api import XAI_ERRORS, check_xai, was_held_back, xai_usage
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import Accepted, Done, Failed, Known, Step, Working

_FORMS = frozenset(Form)
_PICTURES = (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
_INPUTS = {**{(role, Medium.IMAGE): _FORMS for role in _PICTURES}, FILM: _FORMS}
_PLACES = {
    Role.FIRST_FRAME: "image.url",
    Role.LAST_FRAME: "last_frame.url",
    Role.REFERENCE: "reference_images[].url",
    Role.SOURCE: "video.url",
}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("generate_audio", Spelling.BOOLEAN),),
    },
    inputs=_PLACES,
    passes=frozenset({"user"}),
    priced=frozenset(
        {"duration", "resolution", "generate_audio", "image", "last_frame", "keyframes", "video"}
        | {"reference_images", "reference_audios"}
    ),
)
_ENDS = ("done", "failed", "expired")
#: What a film that is edited or extended has already.
_OF_FILM = frozenset({Measure.RESOLUTION, Measure.ASPECT, Measure.AUDIO})
_PATHS = {
    Operation.CREATE: "/videos/generations",
    Operation.EDIT: "/videos/edits",
    Operation.EXTEND: "/videos/extensions",
}


def _make(site: Site) -> Adapter:
    wordings = {**site.wordings, "*": _WORDING}

    def submit(order: Order, mark: str) -> Request:  # noqa: ARG001  # none is kept
        wording = wording_for(wordings, order.model)
        if order.operation is not Operation.CREATE:
            if not order.inputs:
                raise LookupError(f"{order.operation} needs a film")
            is_edit = order.operation is Operation.EDIT
            wording = wording.without(_OF_FILM | ({Measure.SECONDS} if is_edit else set()))
        return post_json(Phase.CREATE, _PATHS[order.operation], wording.write(order))

    return Adapter(
        features=Features(
            operations=frozenset(_PATHS),
            inputs=_INPUTS,
            wordings=wordings,
            derives_from_jobs=False,
        ),
        errors=XAI_ERRORS,
        reach=reach_models,
        check=check_xai,
        submit=submit,
        accepted=_accepted,
        poll=_poll,
    )


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001
    id_ = reply.json.text("request_id") if reply.is_success else ""
    return Accepted(JobRef(id_)) if id_ else None


def _poll(job: JobRef) -> Flow[Step]:
    """Ask for a job; the body of 202 may say how far it is, or nothing."""
    reply = yield get(Phase.POLL, f"/videos/{path_segment(job.id)}")
    answer = reply.json
    progress = _progress(answer)
    word = known_as(answer.text("status"), *_ENDS)
    if reply.status == HTTPStatus.ACCEPTED and word not in _ENDS:
        return Working(bool(progress), progress)
    match word:
        case "" if not answer.text("video.url"):
            return XAI_ERRORS.no_job(reply, "video:unreadable")
        case "done" | "":
            return _done(answer)
        case "failed":
            code, message = answer.text("error.code"), answer.text("error.message")
            return Failed(XAI_ERRORS.named(code or "failed", message), xai_usage(answer))
        case "expired":
            return Failed(XAI_ERRORS.named("expired", "the request has expired"), xai_usage(answer))
        case _:
            return Working(bool(progress), progress)


def _done(answer: JsonView) -> Known:
    video, usage = answer.at("video"), xai_usage(answer)
    if was_held_back(video):
        return Failed(XAI_ERRORS.named("moderated", "moderation holds the film back"), usage)
    url = video.text("url") or video.text("file_output.public_url")
    outputs = films_at([url], answer)
    if not outputs:
        return Failed(XAI_ERRORS.named("no_output", "no film was named"), usage)
    made = Made(video.seconds("duration"), model=answer.text("model"))
    return Done(outputs, made, usage)


def _progress(answer: JsonView) -> int | None:
    progress = answer.number("progress")
    return None if progress is None else min(int(progress), 100)


DEFINITION = Definition(name="xai", dialects=("xai",), make=_make)
