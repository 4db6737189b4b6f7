"""Venice's video queue: a poll is a POST, and the answer to the last one is the film itself.

So the film is never read by a poll: it is asked for again, as a download. The media are never
deleted by a poll, or a crash would lose what was paid. There is no list, so a create in doubt
counts as paid. The facts and their sources: `docs/protocols/venice.md`.
"""

from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.failures import as_upstream_fault
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.media_types import is_film
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.model_list import not_listed, reach_models
from tallylight.upstreams.protocols.placed_inputs import write_with_inputs
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    VIDEO,
    Accepted,
    CheckOutcome,
    Done,
    Failed,
    Known,
    Output,
    Step,
    Working,
)

_PICTURES = {
    Role.FIRST_FRAME: "image_url",
    Role.LAST_FRAME: "end_image_url",
    Role.REFERENCE: "reference_image_urls[]",
}
_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in _PICTURES}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.SUFFIXED),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("audio", Spelling.BOOLEAN),),
        Measure.NEGATIVE: (Word("negative_prompt"),),
    },
    inputs=_PICTURES,
    passes=frozenset({"consents"}),
    priced=frozenset(
        {"upscale_factor", "video_url", "reference_video_urls", "elements", "scene_image_urls"}
    ),
)
_MODEL, _DOWNLOAD = "model", "download_url"
_WAITING = ("queued", "pending")
_STATES = (*_WAITING, "processing", "completed", "failed")
_PROBE_DURATION = "5s"
_LAST_PERCENT = 99


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("error.code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.INVALID_REQUEST, ("needs_consent",), is_free=True),
        Row(FailureKind.QUOTA, words=("insufficient usd or diem balance", "spend limit exceeded")),
        Row(FailureKind.CONTENT_REJECTED, words=("content polic",)),
        Row(FailureKind.DEGRADED, words=("inference processing failed",)),
    ),
)


def _make(site: Site) -> Adapter:
    wordings = {**site.wordings, "*": _WORDING}

    def submit(order: Order, mark: str) -> Request:  # noqa: ARG001  # none is kept
        body = write_with_inputs(wordings, order)
        return post_json(Phase.CREATE, "/video/queue", body)

    return Adapter(
        features=Features(inputs=_INPUTS, wordings=wordings),
        errors=_ERRORS,
        reach=reach_models,
        check=_check,
        submit=submit,
        accepted=_accepted,
        poll=_poll,
        delete=_delete,
    )


def _check(model: str) -> Flow[CheckOutcome]:
    """Ask for a price, which is free. That another length is wanted still accepts both."""
    body = {"model": model, "duration": _PROBE_DURATION}
    reply = yield replace(post_json(Phase.PROBE, "/video/quote", body), reads=ANY_STATUS)
    answer = reply.json
    if reply.is_success and answer.number("quote") is not None:
        return None
    failure = _ERRORS.failure(reply, "quote:unreadable")
    is_of_field = failure.kind in {FailureKind.INVALID_REQUEST, FailureKind.UNKNOWN}
    is_refused_field = reply.status == HTTPStatus.BAD_REQUEST and answer.is_object and is_of_field
    if reply.status == HTTPStatus.NOT_FOUND or answer.at("details.model").value is not None:
        return not_listed(model, reply.status)
    return None if is_refused_field else failure


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    answer = reply.json
    id_ = answer.text("queue_id") if reply.is_success else ""
    if not id_:
        return None
    extra = {_MODEL: answer.text("model") or order.model}
    if url := answer.text("download_url"):
        extra[_DOWNLOAD] = url  # told here alone
    return Accepted(JobRef(id_, extra))


def _poll(job: JobRef) -> Flow[Step]:
    """Ask for the film; while there is none, the answer is a document."""
    reply = yield replace(_of_job(job, Phase.POLL, "retrieve"), reads=ANY_STATUS)
    if reply.is_success and is_film(reply.media_type):
        return _done(job)
    known = _step(job, reply)
    return _ERRORS.no_job(reply, "job:unreadable") if known is None else known


def _step(job: JobRef, reply: Reply) -> Known | None:
    """Return the state that a document tells, None if it tells none."""
    answer = reply.json
    refunded, word = answer.at("credits_refunded").value, known_as(answer.text("status"), *_STATES)
    is_told = isinstance(refunded, bool) or "your generation was" in reply.body.casefold()
    if word == "failed" or refunded is True or (is_told and not word):
        failure = as_upstream_fault(_ERRORS.failure(reply, "job:failed"))
        return Failed(failure, FREE if refunded is True else None)
    if not reply.is_success or not word:
        return None
    if word == "completed":
        return _done(job)
    return Working(word not in _WAITING, _percent(answer))


def _percent(answer: JsonView) -> int | None:
    taken, usual = answer.number("execution_duration"), answer.number("average_execution_time")
    if taken is None or not usual:
        return None
    return min(_LAST_PERCENT, int(100 * taken / usual))


def _done(job: JobRef) -> Done:
    ways = [Output(VIDEO, _of_job(job, Phase.CONTENT, "retrieve"))]
    if url := job.extra.get(_DOWNLOAD):
        ways.insert(0, Output(VIDEO, get(Phase.CONTENT, url)))
    return Done(tuple(ways))


def _delete(job: JobRef) -> Flow[bool]:
    """Free what is kept of a finished job."""
    reply = yield replace(_of_job(job, Phase.CANCEL, "complete"), reads=ANY_STATUS)
    return reply.is_success or reply.status == HTTPStatus.NOT_FOUND


def _of_job(job: JobRef, phase: Phase, call: str) -> Request:
    body = {"model": job.extra.get(_MODEL, ""), "queue_id": job.id}
    return post_json(phase, f"/video/{call}", body)


DEFINITION = Definition(name="venice", dialects=("venice",), make=_make)
