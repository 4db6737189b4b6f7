"""Veo by predictLongRunning: at Vertex AI, and at proxies that speak as the Gemini API did.

An operation is done, or it is not; there are no words between. One that is done without a film was
refused for its content. At Vertex a poll is a POST, a key is exchanged for a token, and each create
may have a folder of its own in a bucket of ours: a film that lies there proves the create, while an
empty folder proves nothing. The facts and their sources: `docs/protocols/predict_long_running.md`.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import quote

from pydantic import Field

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.addresses import HttpUrl
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import FREE, JobRef, Made
from tallylight.model.order import Input, Medium, Order, Role
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.auth import BEARER, Auth, HeaderAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.google_oauth import ServiceAccountAuth
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_access import json_timestamp
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
from tallylight.upstreams.protocols.model_list import not_listed, reach_models
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.steps import (
    VIDEO,
    Accepted,
    Done,
    Failed,
    Known,
    Listed,
    Output,
    Page,
    Step,
    Working,
)

_VERTEX = "vertex"
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
    _VERTEX: Wording(
        {
            **_GEMINI_WORDS,
            Measure.AUDIO: (Word("parameters.generateAudio", Spelling.BOOLEAN),),
            Measure.SEED: (Word("parameters.seed", Spelling.INTEGER),),
        },
        priced=_PRICED,
    ),
}
_OBJECT = re.compile(r"gs://([a-z0-9._-]{3,222})/(.{1,1024})", re.DOTALL)
_FILM_END = ".mp4"


class PredictOptions(Section):
    """What an upstream of the dialect `vertex` may set.

    Args:
        bucket: The folder of a bucket of yours in which films are stored, each create in one of its
            own: "gs://my-bucket/films". Without it a film is inside the answer.
        storage_url: The host of the bucket.
        service_account: The address of the account whose private key is the upstream's `key`; ""
            where the key is an access token.
        token_url: Where the key of a service account is exchanged for a token.
    """

    bucket: str = Field("", pattern=r"^(gs://[a-z0-9._-]{3,222}(/[A-Za-z0-9._-]{1,100}){0,8})?$")
    storage_url: HttpUrl = "https://storage.googleapis.com"
    service_account: str = ""
    token_url: HttpUrl = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address


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
    has_place = bool(veo.bucket)
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=veo.wordings,
            mark=Mark.PLACE if has_place else Mark.NONE,
            tells_queue=False,
        ),
        errors=_ERRORS,
        reach=reach_models,
        check=veo.check,
        submit=veo.submit,
        accepted=_accepted,
        poll=veo.poll,
        find=veo.find if has_place else None,
    )


class _Operations:
    """The operations of one upstream."""

    def __init__(self, site: Site) -> None:
        options = site.options_as(PredictOptions)
        self._is_vertex = site.dialect == _VERTEX
        self._base_url = site.base_url
        self._storage_url = options.storage_url.rstrip("/")
        self.bucket = options.bucket if self._is_vertex else ""
        self.wordings = {**site.wordings, "*": _WORDINGS[site.dialect]}

    def check(self, model: str) -> Flow[Accepted | Failure | None]:
        """Ask for the model; one that is gone is not there."""
        root = self._base_url.partition("/projects/")[0] if self._is_vertex else self._base_url
        is_google = root != self._base_url
        place = f"{root}/publishers/google/models" if is_google else "/models"
        reply = yield get(Phase.PROBE, f"{place}/{path_segment(model)}", reads=ANY_STATUS)
        if reply.status == HTTPStatus.NOT_FOUND:
            return not_listed(model, reply.status)
        is_model = reply.is_success and bool(reply.json.text("name"))
        return None if is_model else _ERRORS.failure(reply, "models:unreadable")

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request; its film shall lie in a folder that our mark names."""
        body = JsonView(wording_for(self.wordings, order.model).write(order))
        instance = {"prompt": order.prompt, **_pictures(order)}
        parameters = body.at("parameters").value
        measures = dict(parameters) if isinstance(parameters, dict) else {}
        if self.bucket:
            measures["storageUri"] = f"{self.bucket}/{mark}/"
        rest = body.value if isinstance(body.value, dict) else {}
        sent = {**rest, "instances": [instance], "parameters": measures}
        path = f"/models/{path_segment(order.model)}:predictLongRunning"
        return post_json(Phase.CREATE, path, sent)

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for an operation; a film that was found in a bucket has none that we know."""
        if job.id.startswith("gs://"):
            folder = yield self._folder(job.id)
            found = self._films_in(folder)
            return Done(found) if found else _ERRORS.no_job(folder, "folder:empty")
        reply = yield self._question(job)
        operation = reply.json
        if operation.text("name") != job.id and not _is_done(operation):
            return _ERRORS.no_job(reply, "operation:unreadable")
        return self._step(operation, reply)

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:  # noqa: ARG002  # one page
        """Return the job whose film lies in the folder of a create, if it is there already."""
        place = f"{self.bucket}/{doubt.mark}/"
        reply = yield self._folder(place)
        if not reply.json.is_object:
            return _ERRORS.failure(reply, "folder:unreadable")
        films = self._films_in(reply)
        if not films:
            return Page(())
        created = (json_timestamp(each.text("timeCreated")) for each in reply.json.items("items"))
        made = Made(model=doubt.order.model)
        listed = Listed(
            JobRef(place), Done(films, made), doubt.mark, created_at=next(created, None)
        )
        return Page((listed,))

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
        outputs = tuple(self._outputs(answer, reply))
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
            url = self._address(film.text("gcsUri") or film.text("uri"))
            if file is not None:
                yield Output(VIDEO, file, index)
            elif url:
                yield Output(VIDEO, get(Phase.CONTENT, url), index)

    def _address(self, uri: str) -> str:
        """Return where a film is had, also one in a bucket; "" for no address."""
        found = _OBJECT.fullmatch(uri)
        if found is None:
            return resolved_address(uri, self._base_url)
        return f"{self._objects(found[1])}/{quote(found[2], safe='')}?alt=media"

    def _objects(self, bucket: str) -> str:
        return f"{self._storage_url}/storage/v1/b/{bucket}/o"

    def _folder(self, place: str) -> Request:
        found = _OBJECT.fullmatch(place)
        bucket, prefix = (found[1], found[2]) if found else ("", "")
        return get(Phase.LIST, self._objects(bucket), {"prefix": prefix})

    def _films_in(self, folder: Reply) -> tuple[Output, ...]:
        objects = [(e.text("bucket"), e.text("name")) for e in folder.json.items("items")]
        films = sorted(each for each in objects if each[1].endswith(_FILM_END))
        urls = (self._address(f"gs://{bucket}/{name}") for bucket, name in films)
        return tuple(
            Output(VIDEO, get(Phase.CONTENT, url), index)
            for index, url in enumerate(filter(None, urls))
        )


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


def _auth(site: Site) -> Auth:
    if site.dialect != _VERTEX:
        return HeaderAuth("x-goog-api-key")
    options = site.options_as(PredictOptions)
    if not options.service_account:
        return BEARER
    return ServiceAccountAuth(options.service_account, options.token_url)


def _origins(site: Site) -> tuple[str, ...]:
    options = site.options_as(PredictOptions)
    return (options.storage_url, options.token_url) if site.dialect == _VERTEX else ()


DEFINITION = Definition(
    name="predict_long_running",
    dialects=("gemini", _VERTEX),
    make=_make,
    auth=_auth,
    options=PredictOptions,
    origins=_origins,
)
