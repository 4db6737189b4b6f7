"""Veo by predictLongRunning: at Vertex AI, and at proxies that speak as the Gemini API did.

An operation is done, or it is not; there are no words between. One that is done without a film was
refused for its content. At Vertex a poll is a POST, a key is exchanged for a token, and each create
may have a folder of its own in a bucket of ours: a film that lies there proves the create, while an
empty folder proves nothing. The facts and their sources: `docs/protocols/predict_long_running.md`.
"""

import base64
from collections.abc import Iterator, Mapping

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import FailureKind, Fault
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import (
    ONLY_BYTES,
    Adapter,
    Definition,
    Features,
    Flow,
    Mark,
    Site,
)
from tallylight.upstreams.protocols.google_cloud import (
    VERTEX,
    FilmBucket,
    GoogleCloudOptions,
    check_google_model,
    google_auth,
    google_origins,
    is_place,
)
from tallylight.upstreams.protocols.model_list import reach_models
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import outputs_named_in
from tallylight.upstreams.steps import (
    VIDEO,
    Accepted,
    Done,
    Failed,
    Known,
    Output,
    Step,
    Working,
)

_INPUTS = {
    (role, Medium.IMAGE): ONLY_BYTES for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}
_GEMINI_WORDS = {
    Measure.PROMPT: (Word("instances[].prompt"),),
    Measure.SECONDS: (Word("parameters.durationSeconds", Spelling.INTEGER),),
    Measure.RESOLUTION: (Word("parameters.resolution", Spelling.CLASS),),
    Measure.ASPECT: (Word("parameters.aspectRatio", Spelling.RATIO),),
    Measure.COUNT: (Word("parameters.sampleCount", Spelling.INTEGER),),
    Measure.NEGATIVE: (Word("parameters.negativePrompt"),),
}
_PRICED = frozenset({"instances", "parameters"})
_WORDINGS: Mapping[str, Wording] = {
    "gemini": Wording(_GEMINI_WORDS, priced=_PRICED),
    VERTEX: Wording(
        {
            **_GEMINI_WORDS,
            Measure.AUDIO: (Word("parameters.generateAudio", Spelling.BOOLEAN),),
            Measure.SEED: (Word("parameters.seed", Spelling.INTEGER),),
        },
        priced=_PRICED,
    ),
}


def _codes(answer: JsonView) -> tuple[str, ...]:
    return (answer.text("error.code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        # One status: a limit by the minute, and capacity that all callers share.
        Row(FailureKind.RATE_LIMITED, statuses=(429,), words=("per_base_model", "per base model")),
        Row(FailureKind.DEGRADED, statuses=(429,), words=("exhausted, please try again later",)),
        Row(FailureKind.CONTENT_REJECTED, ("rai_filtered",)),
        Row(FailureKind.UNKNOWN, ("no_video",), fault=Fault.UPSTREAM),
    ),
)


def _make(site: Site) -> Adapter:
    veo = _Operations(site)
    place = veo.bucket
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=veo.wordings,
            mark=Mark.PLACE if place.find else Mark.NONE,
            tells_queue=False,
        ),
        errors=_ERRORS,
        reach=reach_models,
        check=lambda model: check_google_model(site, _ERRORS, model),
        submit=veo.submit,
        accepted=_accepted,
        poll=veo.poll,
        find=place.find,
    )


class _Operations:
    """The operations of one upstream."""

    def __init__(self, site: Site) -> None:
        self._is_vertex = site.dialect == VERTEX
        self.bucket = FilmBucket(site, _ERRORS)
        self.wordings = {**site.wordings, "*": _WORDINGS[site.dialect]}

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request; its film shall lie in a folder that our mark names."""
        body = JsonView(wording_for(self.wordings, order.model).write(order))
        instance = {"prompt": order.prompt, **_pictures(order)}
        parameters = body.at("parameters").value
        measures = dict(parameters) if isinstance(parameters, dict) else {}
        if self.bucket.place:
            measures["storageUri"] = self.bucket.folder(mark)
        rest = body.value if isinstance(body.value, dict) else {}
        sent = {**rest, "instances": [instance], "parameters": measures}
        path = f"/models/{path_segment(order.model)}:predictLongRunning"
        return post_json(Phase.CREATE, path, sent)

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for an operation; a film that was found in a bucket has none that we know."""
        if is_place(job):
            return (yield from self.bucket.poll(job))
        reply = yield self._question(job)
        operation = reply.json
        if operation.text("name") != job.id and not _is_done(operation):
            return _ERRORS.no_job(reply, "operation:unreadable")
        return self._step(operation, reply)

    def _question(self, job: JobRef) -> Request:
        if not self._is_vertex:
            return get(Phase.POLL, f"/{'/'.join(map(path_segment, job.id.split('/')))}")
        path = f"/models/{path_segment(job.extra.get('model', ''))}:fetchPredictOperation"
        return post_json(Phase.POLL, path, {"operationName": job.id})

    def _step(self, operation: JsonView, reply: Reply) -> Known:
        if not _is_done(operation):
            return Working(is_started=True)
        error = operation.at("error")
        if error.is_object:
            return Failed(_ERRORS.failure(reply, "operation:failed"))
        answer = operation.at("response")
        outputs = tuple(self._outputs(answer, reply)) or outputs_named_in(answer)
        if outputs:
            return Done(outputs)
        inner = answer.at("generateVideoResponse")
        shown = inner if inner.is_object else answer
        reasons = " ".join(each.text() for each in shown.items("raiMediaFilteredReasons"))
        is_filtered = bool(reasons) or bool(shown.integer("raiMediaFilteredCount"))
        failure = _ERRORS.named("rai_filtered" if is_filtered else "no_video", reasons)
        return Failed(failure, FREE if is_filtered else None)

    def _outputs(self, answer: JsonView, reply: Reply) -> Iterator[Output]:
        samples = answer.items("generateVideoResponse.generatedSamples")
        films = [*(each.at("video") for each in samples), *answer.items("videos")]
        for index, film in enumerate(films):
            text = film.text("bytesBase64Encoded") or film.text("encodedVideo")
            file = inline_file(unmarked(text, reply.long_texts))
            url = self.bucket.address(film.text("gcsUri") or film.text("uri"))
            if file is not None:
                yield Output(VIDEO, file, index)
            elif url:
                yield Output(VIDEO, get(Phase.CONTENT, url), index)


def _is_done(operation: JsonView) -> bool:
    """Tell whether an operation is over; `done` is false or left out until then."""
    done = operation.at("done")
    return done.value is True or done.text().casefold() == "true"


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    name = reply.json.text("name") if reply.is_success else ""
    return Accepted(JobRef(name, {"model": order.model})) if name else None


def _pictures(order: Order) -> dict[str, object]:
    names = {Role.FIRST_FRAME: "image", Role.LAST_FRAME: "lastFrame"}
    found: dict[str, object] = {
        names[each.role]: _picture(each) for each in order.inputs if each.role in names
    }
    references = [each for each in order.inputs if each.role is Role.REFERENCE]
    if references:
        found["referenceImages"] = [
            {"image": _picture(each), "referenceType": "asset"} for each in references
        ]
    return found


def _picture(picture: Input) -> Mapping[str, str]:
    data = base64.b64encode(picture.body).decode("ascii")
    return {"bytesBase64Encoded": data, "mimeType": picture.media_type or "image/png"}


DEFINITION = Definition(
    name="predict_long_running",
    dialects=("gemini", VERTEX),
    make=_make,
    auth=google_auth,
    options=GoogleCloudOptions,
    origins=google_origins,
)
