"""Volcengine Ark's video tasks (Seedance), at the maker and at those that resell its shape.

The maker's list shows no prompts, so we give each create two signs of our own: our mark as the
identifier of the end user, and a seed that is drawn from the mark if the caller ordered none.
A length that is left out is chosen by the model, and a DELETE destroys what has ended. The facts
and their sources: `docs/protocols/ark.md`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef, Made, Unit, Usage
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Doubt, Features, Flow, Mark, Site
from tallylight.upstreams.protocols.absent_job import check_absent_job
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.protocols.result_life import expires_after
from tallylight.upstreams.protocols.task_list import check_task_list, next_page
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    QUEUED,
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

_MAKER, _RESOLD = "ark", "resold"

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
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("ratio", Spelling.RATIO, as_input="adaptive"),),
        Measure.AUDIO: (Word("generate_audio", Spelling.BOOLEAN),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
    },
    passes=frozenset(
        {
            *(
                "callback_url",
                "camera_fixed",
                "execution_expires_after",
                "omni_reference_task_type",
            ),
            *("output_format", "return_last_frame", "safety_identifier", "watermark"),
        }
    ),
    priced=frozenset(
        {
            *("content", "draft", "duration", "frames", "generate_audio", "ratio", "resolution"),
            *("priority", "service_tier", "tools"),
        }
    ),
)

_STARTED = {"queued": False, "running": True}
_STATES = (*_STARTED, "succeeded", "failed", "expired", "cancelled")
_TASKS = "/contents/generations/tasks"
_NO_TASK = "cgt-20260101000000-none0"
_PAGE_SIZE = 100
_RESULT_LIFE = timedelta(hours=24)
_ENDPOINT = "endpoint"
_ENDPOINT_PREFIX = "ep-"
_SEED_BYTES = 4


class ArkOptions(Section):
    """What an upstream may set.

    Args:
        send_identifier: Send our mark as `safety_identifier`; without it the drawn seed alone
            tells a job.
    """

    send_identifier: bool = True


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("error.code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.SUSPENDED, ("invalid_endpoint_closed_endpoint",), is_named=True),
        Row(FailureKind.CONTENT_REJECTED, ("*sensitive_content_detected*", "*risk_detection*")),
        Row(FailureKind.QUOTA, ("account_overdue_error", "operation_denied_service_overdue")),
        Row(FailureKind.QUOTA, ("quota_exceeded*", "set_limit_exceeded")),
        Row(
            FailureKind.RATE_LIMITED,
            ("rate_limit_exceeded*", "*rate_limit_exceeded", "inflight_batchsize_exceeded"),
        ),
        Row(FailureKind.AUTH, ("authentication_error", "missing_authentication_header")),
        Row(FailureKind.AUTH, ("model_not_open", "*model_id_access_disabled")),
        Row(FailureKind.AUTH, ("access_denied*", "operation_denied*")),
        # Retired or misspelt: the answer is the same.
        Row(FailureKind.UNKNOWN, ("invalid_endpoint_or_model_not_found",)),
        Row(FailureKind.INVALID_REQUEST, ("missing_parameter*", "invalid_parameter*")),
        Row(FailureKind.INVALID_REQUEST, ("invalid_argument_error",)),
        Row(FailureKind.DEGRADED, ("server_overloaded", "internal_service_error")),
        Row(FailureKind.DEGRADED, ("expired", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    is_maker = site.dialect == _MAKER
    tasks = _Tasks(site, is_maker=is_maker)

    def check(_: str) -> Flow[Accepted | Failure | None]:
        if is_maker:
            return check_task_list(_ERRORS, _TASKS)
        return check_absent_job(_ERRORS, _path(_NO_TASK))

    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=tasks.wordings,
            mark=Mark.TOKEN if is_maker else Mark.NONE,
            draws_seed=is_maker,
            checks_model=False,
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _path(_NO_TASK), is_signed=False),
        check=check,
        submit=tasks.submit,
        accepted=_accepted,
        poll=_poll,
        find=tasks.find if is_maker else None,
        cancel=_cancel if is_maker else None,
    )


class _Tasks:
    """The tasks of one upstream."""

    def __init__(self, site: Site, *, is_maker: bool) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._is_maker = is_maker
        self._sends_identifier = is_maker and site.options_as(ArkOptions).send_identifier

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request, at the maker with our signs."""
        if self._is_maker and order.seed is None:
            order = replace(order, seed=_drawn_seed(mark))
        body = wording_for(self.wordings, order.model).write(order)
        text = [{"type": "text", "text": order.prompt}] if order.prompt else []
        body["content"] = [*text, *map(_picture, order.inputs)]
        if self._sends_identifier:
            body["safety_identifier"] = mark
        return post_json(Phase.CREATE, _TASKS, body)

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:
        """Return a page of the tasks of the order's model."""
        number = int(cursor or 1)
        query = {"page_num": str(number), "page_size": str(_PAGE_SIZE)}
        reply = yield get(Phase.LIST, _TASKS, query | {"filter.model": doubt.order.model})
        answer = reply.json
        if not isinstance(answer.at("items").value, list):
            return _ERRORS.failure(reply, "list:unreadable")
        tasks = tuple(answer.items("items"))
        found = tuple(filter(None, (self._listed(each, doubt) for each in tasks)))
        return Page(found, next_page(number, len(tasks), answer.integer("total")))

    def _listed(self, task: JsonView, doubt: Doubt) -> Listed | None:
        id_, order = task.text("id"), doubt.order
        step = _step(task, is_endpoint=_is_endpoint(order.model)) or QUEUED
        if not id_:
            return None
        mark, created_at = self._mark(task, doubt), json_timestamp(task.at("created_at").value)
        return Listed(JobRef(id_, _extra(order)), step, mark, created_at=created_at)

    def _mark(self, task: JsonView, doubt: Doubt) -> str:
        """Return our mark if a task has one of its signs, another text if it has another's.

        Another seed rules nothing out: a model may report the one that it used in place of ours.
        """
        identifier = task.text("safety_identifier")
        seed = task.text("seed") if doubt.order.seed is None else ""
        if doubt.mark == identifier or seed == str(_drawn_seed(doubt.mark)):
            return doubt.mark
        return identifier if self._sends_identifier else ""


def _drawn_seed(mark: str) -> int:
    """Return the seed that stands for a mark: two marks share one once in 2^32."""
    return int.from_bytes(sha256(mark.encode()).digest()[:_SEED_BYTES], "big")


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    id_ = reply.json.text("id") if reply.is_success else ""
    return Accepted(JobRef(id_, _extra(order))) if id_ else None


def _poll(job: JobRef) -> Flow[Step]:
    return _read(job, (yield get(Phase.POLL, _path(job.id))))


def _cancel(job: JobRef) -> Flow[Step]:
    """Cancel a task that was just seen queued; a DELETE of one that has ended destroys it."""
    before = yield from _poll(job)
    if not isinstance(before, Working) or before.is_started:
        return before
    yield Request(Phase.CANCEL, "DELETE", _path(job.id), reads=ANY_STATUS)
    # It may have ended in between: then its record is gone.
    return _read(job, (yield get(Phase.POLL, _path(job.id), reads=ANY_STATUS)))


def _read(job: JobRef, reply: Reply) -> Step:
    known = _step(reply.json, is_endpoint=_ENDPOINT in job.extra) if reply.is_success else None
    return _ERRORS.no_job(reply, "task:unreadable") if known is None else known


def _step(task: JsonView, *, is_endpoint: bool) -> Known | None:
    """Return the state of a task, None if the answer tells none."""
    # An endpoint's id hides which model answers, so no other one can be told by it.
    model = "" if is_endpoint else task.text("model")
    made = Made(task.seconds("duration"), model=model)
    match known_as(task.text("status"), *_STATES):
        case "":
            return None
        case "succeeded":
            return _done(task, made)
        case "failed":
            code, message = task.text("error.code"), task.text("error.message")
            return Failed(_ERRORS.named(code or "failed", message), _usage(task), made)
        case "expired":
            message = "the task was not started in time"
            return Failed(_ERRORS.named("expired", message), _usage(task), made)
        case "cancelled":  # only a queued task can be
            return Failed(_ERRORS.named("cancelled", "the task was cancelled"), FREE, made)
        case word:
            return Working(_STARTED.get(word, True), made=made)


def _done(task: JsonView, made: Made) -> Known:
    url, frame = task.text("content.video_url"), task.text("content.last_frame_url")
    outputs = [*films_at([url], task)]
    if not outputs:  # after a day the address is gone, and the status stays
        return Failed(_ERRORS.named("no_output", "no video was named"), _usage(task), made)
    if frame:
        outputs.append(Output("last_frame", get(Phase.CONTENT, frame), 1))
    expires_at = expires_after(task.at("updated_at").value, _RESULT_LIFE)
    return Done(tuple(outputs), made, _usage(task), expires_at=expires_at)


def _usage(task: JsonView) -> Usage | None:
    tokens = task.number("usage.completion_tokens")
    return None if tokens is None else Usage(tokens, Unit.TOKENS)


def _picture(picture: Input) -> dict[str, object]:
    role = _ROLES[picture.role]
    return {"type": "image_url", "image_url": {"url": picture.address}, "role": role}


def _is_endpoint(model: str) -> bool:
    return model.startswith(_ENDPOINT_PREFIX)


def _extra(order: Order) -> dict[str, str]:
    return {_ENDPOINT: order.model} if _is_endpoint(order.model) else {}


def _path(id_: str) -> str:
    return f"{_TASKS}/{path_segment(id_)}"


DEFINITION = Definition(name="ark", dialects=(_RESOLD, _MAKER), make=_make, options=ArkOptions)
