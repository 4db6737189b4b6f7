"""Runway's API: tasks for its own models and for those of others, each with a schema of its own.

The frame is a ratio in pixels for most models, and a class for the others; so a wording goes by the
model. A task tells its cost when it is over, and a DELETE of a finished task destroys its film. The
facts and their sources: `docs/protocols.md`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Usage
from tallylight.model.order import Form, Input, Medium, Operation, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import (
    ANY_STATUS,
    SUCCESS_STATUSES,
    Phase,
    Reply,
    Request,
    post_json,
)
from tallylight.upstreams.protocol import FILM, Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.model_list import not_listed
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import Accepted, Done, Failed, Known, Step, Working

_FORMS = frozenset(Form)
_FRAMES = {Role.FIRST_FRAME: "first", Role.LAST_FRAME: "last"}
_INPUTS = {
    **{(role, Medium.IMAGE): _FORMS for role in (*_FRAMES, Role.REFERENCE)},
    FILM: _FORMS,
}
_VERSION = {"X-Runway-Version": "2024-11-06"}
_POLL_AFTER = timedelta(seconds=5)
_STARTED = {"pending": False, "throttled": False, "running": True}
_STATES = (*_STARTED, "succeeded", "failed", "cancelled")

_WORDS: Mapping[Measure, tuple[Word, ...]] = {
    Measure.MODEL: (Word("model"),),
    Measure.PROMPT: (Word("promptText"),),
    Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
    Measure.AUDIO: (Word("audio", Spelling.BOOLEAN),),
    Measure.SEED: (Word("seed", Spelling.INTEGER),),
    Measure.NEGATIVE: (Word("negativePrompt"),),
}
_PIXELS = {Measure.PIXELS: (Word("ratio", Spelling.PIXELS_COLON),)}
_CLASS = {Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),)}
_AUTO = {
    Measure.RESOLUTION: (
        Word("ratio", Spelling.TABLE, {each: f"auto_{each}" for each in ("480p", "720p", "1080p")}),
    )
}


def _wording(*words: Mapping[Measure, tuple[Word, ...]], films: bool = False) -> Wording:
    spelled = dict(_WORDS)
    for each in words:
        spelled |= each
    return Wording(
        spelled,
        inputs={Role.SOURCE: "videoUri"} if films else {},
        passes=frozenset({"contentModeration", "cfgScale", "promptExpansionMode"}),
        priced=frozenset(
            {"duration", "ratio", "resolution", "audio", "draft", "draftTaskId", "outputFormat"}
            | {"proresProfile", "references", "referenceVideos", "referenceAudio", "promptImage"}
            | {"promptVideo", "videoUri", "mode", "keyframes", "providerSettings"}
        ),
    )


def _shape(as_input: str | None = None) -> Mapping[Measure, tuple[Word, ...]]:
    return {Measure.ASPECT: (Word("ratio", Spelling.RATIO, as_input=as_input),)}


#: A frame in pixels is told by them; one that is shaped like the picture by its class, where the
#: model has a word for that.
_WORDINGS: Mapping[str, Wording] = {
    "hailuo3": _wording(_CLASS, _shape("adaptive")),
    "h3_max": _wording(_CLASS),
    "grok_imagine_1_5": _wording(_CLASS, _shape()),
    "happyhorse_1_0": _wording(_PIXELS, _CLASS),
    "grok_imagine_1_5_lite": _wording(_PIXELS, _AUTO),
    "wan3*": _wording(_PIXELS, _AUTO),
    "kling_4": _wording(_PIXELS, _AUTO, films=True),
    "aleph2": _wording(films=True),
    "gemini_omni_flash": _wording(_PIXELS, films=True),
    "*": _wording(_PIXELS),
}
_OF_FILM = frozenset(Measure) - {Measure.MODEL, Measure.PROMPT, Measure.SEED}


class RunwayOptions(Section):
    """What an upstream may set.

    Args:
        usd_per_credit: What a credit of the account costs.
    """

    usd_per_credit: Money = Decimal("0.01")


def _codes(answer: JsonView) -> Iterator[str]:
    yield answer.text("failureCode")
    if any(each.text("path[0]") == "model" for each in answer.items("issues")):
        yield "unknown_model"


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.QUOTA, words=("not enough credits",)),  # under 400
        Row(FailureKind.UNKNOWN, ("unknown_model",)),
        Row(FailureKind.CONTENT_REJECTED, ("safety_*", "input_preprocessing_safety*")),
        Row(FailureKind.INVALID_REQUEST, ("asset_invalid",)),
        Row(FailureKind.DEGRADED, ("internal*", "input_preprocessing_internal*", "third_party*")),
        Row(FailureKind.DEGRADED, ("cancelled", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    tasks = _Tasks(site)
    return Adapter(
        features=Features(
            operations=frozenset({Operation.CREATE, Operation.EDIT}),
            inputs=_INPUTS,
            wordings=tasks.wordings,
            derives_from_jobs=False,
        ),
        errors=_ERRORS,
        reach=lambda _: _ask(Phase.REACH, "/v1/organization", is_signed=False),
        check=_check,
        submit=tasks.submit,
        accepted=tasks.accepted,
        poll=tasks.poll,
        cancel=tasks.cancel,
        delete=_delete,
    )


class _Tasks:
    """The tasks of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**_WORDINGS, **site.wordings}
        self._usd_per_credit = site.options_as(RunwayOptions).usd_per_credit

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request; the path says what it begins with."""
        wording = wording_for(self.wordings, order.model)
        has_film = any(each.role is Role.SOURCE for each in order.inputs)
        if has_film != (order.operation is Operation.EDIT):
            raise LookupError("an edit needs a film, and nothing else takes one")
        if has_film:
            if Role.SOURCE not in wording.inputs:
                raise LookupError(f"how {order.model} takes films is not spoken")
            return _post("video_to_video", wording.without(_OF_FILM).write(order))
        if order.size and Measure.PIXELS in wording.words:
            wording = wording.without({Measure.RESOLUTION})
        frames = [each for each in order.inputs if each.role in _FRAMES]
        kind = "image_to_video" if frames else "text_to_video"
        return _post(kind, wording.write(order) | _pictures(frames, order.inputs))

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the task that an answer names, with the most that it may cost."""
        answer = reply.json
        id_ = answer.text("id") if reply.is_success else ""
        return Accepted(JobRef(id_), self._working(answer)) if id_ else None

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a task; its addresses are signed anew each time."""
        # A cancel that comes too late leaves nothing to ask for.
        reply = yield _ask(Phase.POLL, _path(job), reads=ANY_STATUS)
        known = self._step(reply.json) if reply.is_success else None
        return _ERRORS.no_job(reply, "task:unreadable") if known is None else known

    def cancel(self, job: JobRef) -> Flow[Step]:
        """Cancel a task that is still queued: of a finished one, the request destroys the film."""
        before = yield from self.poll(job)
        if not isinstance(before, Working) or before.is_started:
            return before
        yield _ask(Phase.CANCEL, _path(job), "DELETE", reads=ANY_STATUS)
        return (yield from self.poll(job))

    def _step(self, task: JsonView) -> Known | None:
        """Return the state of a task, None if the answer tells none."""
        match known_as(task.text("status"), *_STATES):
            case "":
                return None
            case "succeeded":
                return self._done(task)
            case "failed":
                code, text = task.text("failureCode"), task.text("failure")
                return Failed(_ERRORS.named(code or "failed", text), self._usage(task, "cost"))
            case "cancelled":
                return Failed(
                    _ERRORS.named("cancelled", "it was cancelled"), self._usage(task, "cost")
                )
            case _:
                return self._working(task)

    def _working(self, task: JsonView) -> Working:
        progress = task.number("progress")
        word = known_as(task.text("status"), *_STATES)
        return Working(
            _STARTED.get(word, bool(word)),
            None if progress is None else min(int(progress * 100), 100),
            _POLL_AFTER,
            usage=self._usage(task, "estimatedCost"),
        )

    def _done(self, task: JsonView) -> Known:
        urls = [each.text() for each in task.items("output")]
        usage = self._usage(task, "cost")
        outputs = films_at(urls, task)
        if not outputs:
            return Failed(_ERRORS.named("no_output", "no film was named"), usage)
        return Done(outputs, usage=usage)

    def _usage(self, task: JsonView, name: str) -> Usage | None:
        credits_ = task.number(f"{name}.credits")
        return None if credits_ is None else Usage(credits_ * self._usd_per_credit)


def _check(model: str) -> Flow[Accepted | Failure | None]:
    """Ask for the organization: what it may still spend, and which models its tier has."""
    reply = yield _ask(Phase.PROBE, "/v1/organization")
    answer = reply.json
    balance, models = answer.balance("creditBalance"), answer.at("tier.models").value
    if balance is None and models is None:
        return _ERRORS.failure(reply, "organization:unreadable")
    if balance is not None and balance <= 0:
        return _ERRORS.named("no_credits", "not enough credits: the balance is 0")
    if isinstance(models, dict) and model not in models:
        return not_listed(model, reply.status, "the models of this tier")
    return None


def _delete(job: JobRef) -> Flow[bool]:
    reply = yield _ask(Phase.CANCEL, _path(job), "DELETE", reads=ANY_STATUS)
    return reply.is_success or reply.status == HTTPStatus.NOT_FOUND


def _pictures(frames: Iterable[Input], inputs: Iterable[Input]) -> dict[str, object]:
    found = [{"uri": each.address, "position": _FRAMES[each.role]} for each in frames]
    references = [{"uri": each.address} for each in inputs if each.role is Role.REFERENCE]
    body: dict[str, object] = {"promptImage": found} if found else {}
    return body | ({"references": references} if references else {})


def _path(job: JobRef) -> str:
    return f"/v1/tasks/{path_segment(job.id)}"


def _post(kind: str, body: Mapping[str, object]) -> Request:
    return replace(post_json(Phase.CREATE, f"/v1/{kind}", body), headers=_VERSION)


def _ask(
    phase: Phase,
    url: str,
    method: str = "GET",
    *,
    is_signed: bool = True,
    reads: range = SUCCESS_STATUSES,
) -> Request:
    return Request(phase, method, url, _VERSION, is_signed=is_signed, reads=reads)


DEFINITION = Definition(name="runway", dialects=("runway",), make=_make, options=RunwayOptions)
