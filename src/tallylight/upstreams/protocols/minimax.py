"""MiniMax's video API of the second version (H3), at the maker and at those that resell its shape.

The old number of an error stands in brackets at the end of its message. The list shows model,
length and time and no prompts, and nothing of ours comes back: it rules jobs out, and never proves
one to be ours. The facts and their sources: `docs/protocols/minimax.md`.
"""

import re
from collections.abc import Iterable

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef, Made
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Doubt, Features, Flow, Mark, Site
from tallylight.upstreams.protocols.absent_job import check_absent_job
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.protocols.task_list import check_task_list, next_page
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    QUEUED,
    Accepted,
    Done,
    Failed,
    Known,
    Listed,
    Page,
    Step,
    Working,
)

_MAKER, _RESOLD = "minimax", "resold"

_ROLES = {
    Role.FIRST_FRAME: "first_frame",
    Role.LAST_FRAME: "last_frame",
    Role.REFERENCE: "reference_image",
}
_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in _ROLES}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS_UPPER),),
        Measure.ASPECT: (Word("ratio", Spelling.RATIO, as_input="adaptive"),),
    },
    passes=frozenset({"aigc_watermark", "callback_url"}),
    priced=frozenset({"content", "duration", "extra", "ratio", "resolution"}),
)

_STARTED = {"queued": False, "running": True}
_STATES = (*_STARTED, "succeeded", "failed", "expired", "cancelled")
_CREATES, _QUERIES = "/video_generation", "/query/video_generation"
_NO_TASK = "0"
_PAGE_SIZE = 50
_NO_PROMPT = " "  # a text is required, and must not be empty
_NUMBER = re.compile(r"\((\d{4})\)\s{0,4}\Z", re.ASCII)


def _codes(answer: JsonView) -> Iterable[str]:
    error = answer.at("error")
    if found := _NUMBER.search(error.text("message")[-16:]):
        yield found[1]
    yield error.text("code")
    yield error.text("type")


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.INVALID_REQUEST, words=("record not found",), is_missing=True),
        # Retired or misspelt: the answer is the same.
        Row(FailureKind.UNKNOWN, ("2013",), words=("unknown model", "unsupported model")),
        Row(FailureKind.UNKNOWN, ("2013",), words=("model does not exist", "model not found")),
        Row(FailureKind.CONTENT_REJECTED, ("1026", "1027", "unprocessable_entity_error")),
        Row(FailureKind.QUOTA, ("1008", "2056", "insufficient_balance_error")),
        Row(FailureKind.AUTH, ("1004", "2049", "authorized_error")),
        Row(FailureKind.RATE_LIMITED, ("1002", "1039", "2045", "rate_limit_error")),
        Row(FailureKind.INVALID_REQUEST, ("2013", "1042", "bad_request_error")),
        Row(FailureKind.DEGRADED, ("1000", "1001", "1024", "1033")),
        Row(FailureKind.DEGRADED, ("expired", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    is_maker = site.dialect == _MAKER
    wordings = {**site.wordings, "*": _WORDING}

    def submit(order: Order, mark: str) -> Request:  # noqa: ARG001  # nothing of ours comes back
        body = wording_for(wordings, order.model).write(order)
        text = {"type": "text", "text": order.prompt or _NO_PROMPT}
        body["content"] = [text, *map(_picture, order.inputs)]
        return post_json(Phase.CREATE, _CREATES, body)

    def check(_: str) -> Flow[Accepted | Failure | None]:
        if is_maker:
            return check_task_list(_ERRORS, _QUERIES)
        return check_absent_job(_ERRORS, _query(_NO_TASK))

    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=wordings,
            mark=Mark.TIME if is_maker else Mark.NONE,
            checks_model=False,
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _query(_NO_TASK), is_signed=False),
        check=check,
        submit=submit,
        accepted=_accepted,
        poll=_poll,
        find=_find if is_maker else None,
        cancel=_cancel if is_maker else None,
    )


def _accepted(_: Order, reply: Reply) -> Accepted | None:
    id_ = reply.json.text("task_id") if reply.is_success else ""
    return Accepted(JobRef(id_)) if id_ else None


def _poll(job: JobRef) -> Flow[Step]:
    return _read((yield get(Phase.POLL, _query(job.id))))


def _find(_: Doubt, cursor: str) -> Flow[Page | Failure]:
    number = int(cursor or 1)
    query = {"page_num": str(number), "page_size": str(_PAGE_SIZE)}
    reply = yield get(Phase.LIST, _QUERIES, query)
    answer = reply.json
    if not isinstance(answer.at("items").value, list):
        return _ERRORS.failure(reply, "list:unreadable")
    tasks = tuple(answer.items("items"))
    found = tuple(filter(None, map(_listed, tasks)))
    return Page(found, next_page(number, len(tasks), answer.integer("total")))


def _listed(task: JsonView) -> Listed | None:
    step, id_ = _step(task) or QUEUED, task.text("id")
    if not id_:
        return None
    created_at = json_timestamp(task.at("created_at").value)
    return Listed(JobRef(id_), step, created_at=created_at)


def _cancel(job: JobRef) -> Flow[Step]:
    """Cancel a task that was just seen queued; a DELETE of one that has ended may destroy it."""
    before = yield from _poll(job)
    if not isinstance(before, Working) or before.is_started:
        return before
    path = f"{_CREATES}/{path_segment(job.id)}"
    yield Request(Phase.CANCEL, "DELETE", path, reads=ANY_STATUS)
    # It may have ended in between: then its record is gone.
    return _read((yield get(Phase.POLL, _query(job.id), reads=ANY_STATUS)))


def _read(reply: Reply) -> Step:
    known = _step(reply.json.at("task")) if reply.is_success else None
    return _ERRORS.no_job(reply, "task:unreadable") if known is None else known


def _step(task: JsonView) -> Known | None:
    """Return the state of a task, None if the answer tells none."""
    seconds = task.seconds("usage.output_seconds") or task.seconds("duration")
    made = Made(seconds, model=task.text("model"))
    match known_as(task.text("status"), *_STATES):
        case "":
            return None
        case "succeeded":
            return _done(task, made)
        case "failed":
            code, message = task.text("error.code"), task.text("error.message")
            return Failed(_ERRORS.named(code or "failed", message), made=made)
        case "expired":
            return Failed(_ERRORS.named("expired", "the task was not started in time"), made=made)
        case "cancelled":  # only a queued task can be
            return Failed(_ERRORS.named("cancelled", "the task was cancelled"), FREE, made)
        case word:
            return Working(_STARTED.get(word, True), made=made)


def _done(task: JsonView, made: Made) -> Known:
    url = task.text("content.url")
    outputs = films_at([url], task)
    if not outputs:
        return Failed(_ERRORS.named("no_output", "no video was named"), made=made)
    return Done(outputs, made)


def _picture(picture: Input) -> dict[str, object]:
    role = _ROLES[picture.role]
    return {"type": "image_url", "image_url": {"url": picture.address}, "role": role}


def _query(id_: str) -> str:
    return f"{_QUERIES}/{path_segment(id_)}"


DEFINITION = Definition(name="minimax", dialects=(_RESOLD, _MAKER), make=_make)
