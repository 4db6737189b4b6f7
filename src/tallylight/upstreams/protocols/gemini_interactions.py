"""Google's Interactions API, by which Gemini Omni makes films.

A create is held until the work is done, and the film may still be processed as a file afterwards:
so a held create is polled, too, and what it says of its tokens is kept in the reference to the job.
An interaction can be completed without a film; that is a refusal. The facts and their sources:
`docs/protocols/gemini_interactions.md`.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef, Made, Unit, Usage
from tallylight.model.order import Input, Medium, Order, Role
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
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
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import VIDEO, Accepted, Done, Failed, Known, Output, Step, Working

_BACKGROUND = "background"
_LONGEST_CREATE = timedelta(minutes=15)

_INPUTS = {(role, Medium.IMAGE): ONLY_BYTES for role in (Role.FIRST_FRAME, Role.REFERENCE)}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("input"),),
        Measure.SECONDS: (Word("response_format.duration", Spelling.SUFFIXED),),
        Measure.RESOLUTION: (Word("response_format.resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("response_format.aspect_ratio", Spelling.RATIO),),
    },
    fixed={
        "response_format": {"type": "video"},
        "store": True,
        "stream": False,
    },
    passes=frozenset({"labels", "safety_settings", "system_instruction"}),
    priced=frozenset(
        {"response_format", "generation_config", "previous_interaction_id", "service_tier"}
        | {"tools", "input"}
    ),
)

_COMPLETED = "completed"
_QUEUED = "queued"
#: Words after which nothing more happens by itself, besides the good one.
_ENDED = frozenset(
    {"failed", "cancelled", "incomplete", "budget_exceeded"}
    | {"requires_action", "requires_continuation"}
)
_URI, _TOKENS, _MODEL = "uri", "tokens", "model"
_FILE = re.compile(r"\bfiles/([A-Za-z0-9_-]{1,100})")
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_PROCESSED = frozenset({"ACTIVE", "FAILED"})
"""A file that FAILED has been there nevertheless, so it is tried."""


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("error.code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.DEGRADED, ("gateway_timeout",)),
        Row(FailureKind.CONTENT_REJECTED, ("no_video", "incomplete")),
        Row(FailureKind.QUOTA, ("budget_exceeded",)),
        Row(FailureKind.UNKNOWN, words=("or it may not exist",), is_missing=True),
    ),
)


def _make(site: Site) -> Adapter:
    omni = _Interactions(site)
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=omni.wordings,
            create_timeout=None if omni.is_background else _LONGEST_CREATE,
            mark=Mark.PLACE if omni.bucket.find else Mark.NONE,
        ),
        errors=_ERRORS,
        reach=reach_models,
        check=lambda model: check_google_model(site, _ERRORS, model),
        submit=omni.submit,
        accepted=omni.accepted,
        poll=omni.poll,
        find=omni.bucket.find,
    )


class _Interactions:
    """The interactions of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self.is_background = site.dialect == _BACKGROUND
        self.bucket = FilmBucket(site, _ERRORS)
        self._is_vertex = site.dialect == VERTEX
        self._base_url = site.base_url

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request.

        Raises:
            LookupError: for an order without a prompt: an empty input makes a film, too.
        """
        if not order.prompt.strip():
            raise LookupError("this protocol needs a prompt")
        body = wording_for(self.wordings, order.model).write(order)
        if order.inputs:
            body["input"] = _steps(order)
        asked = body["response_format"]
        body |= {
            "response_format": {**(asked if isinstance(asked, dict) else {}), **self._way(mark)},
            "generation_config": {"video_config": {"task": _task(order)}},
            "background": self.is_background,
        }
        return post_json(Phase.CREATE, "/interactions", body)

    def _way(self, mark: str) -> Mapping[str, str]:
        """Return how a film is to come: as a file, since only a few MiB come inside an answer."""
        if not self._is_vertex:
            return {"delivery": "uri"}
        if not self.bucket.place:
            return {"delivery": "inline"}
        return {"delivery": "uri", "gcs_uri": self.bucket.folder(mark)}

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the job that an answer with an interaction is."""
        answer = reply.json
        if not (reply.is_success and (answer.text("id") or answer.text("status"))):
            return None
        job = _reference(answer.text("id"), answer)
        return Accepted(job, self._step(job, reply))

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for the file of a film, else for the interaction, which outlives the file."""
        if is_place(job):
            return (yield from self.bucket.poll(job))
        uri = job.extra.get(_URI, "")
        if uri:
            file = yield _question_for_file(uri)
            if file.status not in _GONE:
                return self._of_file(job, file)
        reply = yield get(Phase.POLL, f"/interactions/{path_segment(job.id)}", {"stream": "false"})
        answer = reply.json
        if not answer.text("status"):
            return _ERRORS.no_job(reply, "interaction:unreadable")
        grown = _reference(job.id, answer)
        step = self._step(grown, reply)
        if _URI not in grown.extra or not isinstance(step, Working):
            return step
        file = yield _question_for_file(grown.extra[_URI])
        return self._of_file(grown, file)

    def _step(self, job: JobRef, reply: Reply) -> Known:
        """Return the state of an interaction; one with a file works until that is there."""
        answer = reply.json
        word = known_as(answer.text("status"), _QUEUED, _COMPLETED, *_ENDED)
        if word != _COMPLETED and word not in _ENDED:
            return Working(word != _QUEUED)
        for part in _films(answer):
            file = inline_file(unmarked(part.text("data"), reply.long_texts))
            if file is not None:
                return Done((Output(VIDEO, file),), _made(job), _usage(job))
        if _URI in job.extra:
            return Working(is_started=True)
        if elsewhere := tuple(self._elsewhere(answer)):
            return Done(elsewhere, _made(job), _usage(job))
        code = answer.text("error.code") or ("no_video" if word == _COMPLETED else word)
        return Failed(_ERRORS.named(code, _message(answer)), _usage(job))

    def _elsewhere(self, answer: JsonView) -> Iterator[Output]:
        """Yield films in a bucket, or at other addresses that are no files of the API."""
        for part in _films(answer):
            if url := self.bucket.address(part.text("uri")):
                yield Output(VIDEO, get(Phase.CONTENT, url))

    def _of_file(self, job: JobRef, reply: Reply) -> Step:
        file = reply.json
        state = file.text("state").upper()
        if not (reply.is_success and state):
            return _ERRORS.no_job(reply, "file:unreadable")
        if state not in _PROCESSED:
            return Working(is_started=True)
        return Done(
            self._ways(job.extra[_URI]),
            _made(job),
            _usage(job),
            job,
            json_timestamp(file.text("expirationTime")),
        )

    def _ways(self, uri: str) -> tuple[Output, ...]:
        """Return the download that is named, and the same at our own upstream, if it is another."""
        named = resolved_address(uri, self._base_url)
        if named and ":download" not in named:
            named = f"{named.partition('?')[0]}:download?alt=media"
        own = f"{self._base_url}{_file_path(uri)}:download?alt=media"
        urls = dict.fromkeys(filter(None, (named, own)))
        return tuple(Output(VIDEO, get(Phase.CONTENT, each)) for each in urls)


def _reference(id_: str, answer: JsonView) -> JobRef:
    """Return how an interaction is known, with what only its first answer may say."""
    uris = (each.text("uri") for each in _films(answer))
    extra = {
        _URI: next((each for each in uris if _is_file(each)), ""),
        _TOKENS: _tokens_in(answer),
        _MODEL: answer.text("model"),
    }
    return JobRef(id_, {name: text for name, text in extra.items() if text})


def _films(answer: JsonView) -> Iterator[JsonView]:
    """Yield what the model made; the input may hold a film, too."""
    for step in answer.items("steps"):
        if step.text("type") == "model_output":
            yield from (each for each in step.items("content") if each.text("type") == VIDEO)


def _message(answer: JsonView) -> str:
    """Return what an interaction without a film says of that."""
    said = [answer.text("error.message"), *(e.text("message") for e in answer.items("errors"))]
    for step in answer.items("steps"):
        said += [each.text("text") for each in step.items("content")]
    return " ".join(filter(None, said))


def _tokens_in(answer: JsonView) -> str:
    for each in answer.items("usage.output_tokens_by_modality"):
        if each.text("modality").casefold() == VIDEO and each.number("tokens") is not None:
            return each.text("tokens")
    return answer.text("usage.total_output_tokens")


def _usage(job: JobRef) -> Usage | None:
    tokens = JsonView(dict(job.extra)).number(_TOKENS)
    # None of a job whose answer came too late prove nothing: it goes on, and is billed.
    return Usage(tokens, Unit.TOKENS) if tokens else None


def _made(job: JobRef) -> Made:
    return Made(model=job.extra.get(_MODEL, ""))


def _steps(order: Order) -> object:
    """Return the prompt with the pictures."""
    text = {"type": "text", "text": order.prompt}
    return [{"type": "user_input", "content": [text, *map(_picture, order.inputs)]}]


def _picture(picture: Input) -> Mapping[str, str]:
    data = base64.b64encode(picture.body).decode("ascii")
    return {"type": "image", "mime_type": picture.media_type or "image/png", "data": data}


def _task(order: Order) -> str:
    roles = {each.role for each in order.inputs}
    if Role.REFERENCE in roles:
        return "reference_to_video"
    return "image_to_video" if roles else "text_to_video"


def _file_path(uri: str) -> str:
    found = _FILE.search(uri)
    return f"/files/{found[1]}" if found else ""


def _is_file(uri: str) -> bool:
    return not uri.startswith("gs://") and _FILE.search(uri) is not None


def _question_for_file(uri: str) -> Request:
    return get(Phase.POLL, _file_path(uri), reads=ANY_STATUS)


DEFINITION = Definition(
    name="gemini_interactions",
    dialects=("gemini", _BACKGROUND, VERTEX),
    make=_make,
    auth=google_auth,
    options=GoogleCloudOptions,
    origins=google_origins,
)
