"""Alibaba Model Studio's video tasks (Wan, HappyHorse), at the maker and resold.

Path, inputs and the form of a size depend on the model. A task that is gone is answered with HTTP
200 and the word UNKNOWN; the same word to a task that never was proves a key. The list shows model
and time, and a task shows its prompt once it has succeeded. Resellers take the maker's create below
a path of their own, and answer polls in words of their own. The facts and their sources:
`docs/protocols/dashscope.md`.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import FREE, NOTHING_TOLD, JobRef, Made
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_percent, json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Doubt, Features, Flow, Mark, Site
from tallylight.upstreams.protocols.absent_job import check_absent_job
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.protocols.task_list import next_page
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    QUEUED,
    Accepted,
    Done,
    Failed,
    Known,
    Listed,
    Missing,
    Page,
    Step,
    Working,
)

_MAKER, _RESOLD = "dashscope", "resold"

_TYPES = {
    Role.FIRST_FRAME: "first_frame",
    Role.LAST_FRAME: "last_frame",
    Role.REFERENCE: "reference_image",
}
_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in _TYPES}

_PARAMETERS = frozenset({"audio_setting", "prompt_extend", "shot_type", "watermark"})
_PRICED = frozenset({"input", "parameters", "size", "resolution", "ratio", "duration"})
_COMMON = {
    Measure.MODEL: (Word("model"),),
    Measure.PROMPT: (Word("input.prompt"),),
    Measure.NEGATIVE: (Word("input.negative_prompt"),),
    Measure.SECONDS: (Word("parameters.duration", Spelling.INTEGER),),
    Measure.SEED: (Word("parameters.seed", Spelling.INTEGER),),
}
_BY_CLASS = Wording(
    words={
        **_COMMON,
        Measure.RESOLUTION: (Word("parameters.resolution", Spelling.CLASS_UPPER),),
        Measure.ASPECT: (Word("parameters.ratio", Spelling.RATIO),),
    },
    passes=_PARAMETERS,
    priced=_PRICED,
)
_BY_PIXELS = Wording(
    words={**_COMMON, Measure.PIXELS: (Word("parameters.size", Spelling.PIXELS_STAR),)},
    passes=_PARAMETERS,
    priced=_PRICED,
)
_WORDINGS = {"wan2.[1-6]*-t2v*": _BY_PIXELS, "wanx*-t2v*": _BY_PIXELS, "*": _BY_CLASS}

#: Models whose inputs have names of their own; all newer ones take `media`.
_OLD_MODELS = ("wan2.[1-6]*", "wanx*")
_KEYFRAME_MODELS = "*kf2v*"

_SUCCEEDED = "succeeded"
_STARTED = {"pending": False, "suspended": False, "running": True}
_STATES = (*_STARTED, _SUCCEEDED, "failed", "canceled", "unknown")
_ASYNC = {"X-DashScope-Async": "enable"}
_NO_TASK = "00000000-0000-4000-8000-000000000000"
_PAGE_SIZE = 7  # each task of a page may be asked for, and a flow has few requests

#: One reseller calls answers gzip that are not; then it does not.
_PLAIN = {"Accept-Encoding": "identity"}
_RESOLD_AT = "/wan/api/v1"
_RESOLD_QUEUED = ("submitted", "queued", "pending")
_RESOLD_STATES = (*_RESOLD_QUEUED, "processing", "completed", "failed")


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("output.code"), answer.text("code"))


_ERRORS = Errors(
    codes=_codes,
    rows=(
        # The words of an unpaid bill read like those of a wrong key.
        Row(FailureKind.QUOTA, words=("account is in good standing",)),
        Row(FailureKind.QUOTA, ("arrearage", "commodity_not_purchased", "*bill_overdue")),
        Row(FailureKind.QUOTA, ("allocation_quota_free_tier_only",)),
        # "You exceeded your current quota" is that of one minute.
        Row(FailureKind.QUOTA, ("throttling_allocation_quota",), words=("free quota", "free tier")),
        Row(FailureKind.RATE_LIMITED, ("throttling*",)),
        Row(FailureKind.AUTH, ("invalid_api_key", "access_denied*", "*access_denied")),
        # Retired or misspelt: the answer is the same.
        Row(FailureKind.UNKNOWN, ("model_not_found", "model_not_exist")),
        Row(FailureKind.UNKNOWN, ("unknown_task",), is_missing=True),
        Row(FailureKind.CONTENT_REJECTED, ("data_inspection_failed", "ip_infringement_suspect")),
        Row(FailureKind.CONTENT_REJECTED, ("faq_rule_blocked", "custom_role_blocked")),
        Row(FailureKind.INVALID_REQUEST, ("invalid_parameter*", "invalid_url*", "invalid_file*")),
        Row(FailureKind.INVALID_REQUEST, ("unsupported_operation",)),
        Row(FailureKind.DEGRADED, ("internal_error*", "system_error", "request_time_out")),
        Row(FailureKind.DEGRADED, ("model_serving_error", "model_unavailable", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    is_maker = site.dialect == _MAKER
    tasks = _Tasks(site, is_maker=is_maker)
    absent = tasks.path(_NO_TASK)
    return Adapter(
        features=Features(
            inputs=_INPUTS,
            wordings=tasks.wordings,
            mark=Mark.TIME if is_maker else Mark.NONE,
            checks_model=False,
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", absent, is_signed=False),
        check=_check if is_maker else lambda _: check_absent_job(_ERRORS, absent),
        submit=tasks.submit,
        accepted=_accepted,
        poll=tasks.poll,
        find=tasks.find if is_maker else None,
        cancel=tasks.cancel if is_maker else None,
    )


class _Tasks:
    """The tasks of one upstream."""

    def __init__(self, site: Site, *, is_maker: bool) -> None:
        self.wordings = {**site.wordings, **_WORDINGS}
        self._is_maker = is_maker

    def path(self, id_: str) -> str:
        """Return where a task is asked for."""
        return _path(id_) if self._is_maker else f"/v1{_path(id_)}"

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # nothing of ours comes back
        """Return the paid request; without its header the maker refuses it."""
        written = wording_for(self.wordings, order.model).write(order)
        passed = {name: written.pop(name) for name in _PARAMETERS & written.keys()}
        given = (JsonView(written.get(each)).value for each in ("input", "parameters"))
        inputs, parameters = (each if isinstance(each, dict) else {} for each in given)
        body = {
            **written,
            "input": {**inputs, **_pictures(order)},
            "parameters": {**passed, **parameters},
        }
        path = _create_path(order.model)
        if self._is_maker:
            return replace(post_json(Phase.CREATE, path, body), headers=_ASYNC)
        request = post_json(Phase.CREATE, f"{_RESOLD_AT}{path}", body)
        return replace(request, headers=_ASYNC | _PLAIN)

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a task."""
        request = get(Phase.POLL, self.path(job.id))
        if self._is_maker:
            return _read((yield request))
        return _read_resold((yield replace(request, headers=_PLAIN)))

    def cancel(self, job: JobRef) -> Flow[Step]:
        """Cancel a task that waits; the maker refuses it for any other."""
        before = yield from self.poll(job)
        if not isinstance(before, Working) or before.is_started:
            return before
        path = f"{_path(job.id)}/cancel"
        yield Request(Phase.CANCEL, "POST", path, reads=ANY_STATUS)
        return (yield from self.poll(job))

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:
        """Return a page of the tasks of the order's model; each that is done tells its prompt."""
        number = int(cursor or 1)
        query = {"page_no": str(number), "page_size": str(_PAGE_SIZE)}
        reply = yield get(Phase.LIST, "/tasks", query | {"model_name": doubt.order.model})
        answer = reply.json
        if not isinstance(answer.at("data").value, list):
            return _ERRORS.failure(reply, "list:unreadable")
        tasks, found = tuple(answer.items("data")), []
        for task in tasks:
            listed = yield from _listed(task, doubt)
            found += [] if listed is None else [listed]
        return Page(tuple(found), next_page(number, len(tasks), answer.integer("total")))


def _listed(task: JsonView, doubt: Doubt) -> Flow[Listed | None]:
    id_, created_at = task.text("task_id"), _created_at(task)
    word = known_as(task.text("status"), *_STATES)
    step = _step(word, task, Made(model=task.text("model_name")))
    if not id_:
        return None
    if step is None or isinstance(step, Missing):  # it is listed nevertheless
        step = QUEUED
    is_before = doubt.since is not None and created_at is not None and created_at < doubt.since
    if word != _SUCCEEDED or is_before:
        return Listed(JobRef(id_), step, created_at=created_at)
    asked = get(Phase.LIST, _path(id_), reads=ANY_STATUS)
    reply = yield replace(asked, is_optional=True)
    prompt, found = reply.json.text("output.orig_prompt"), _read(reply)
    if isinstance(found, Done):
        step = replace(found, made=replace(found.made, model=step.made.model))
    return Listed(JobRef(id_), step, prompt=prompt, created_at=created_at)


def _read(reply: Reply) -> Step:
    """Return what the maker says of a task."""
    answer = reply.json
    seconds = answer.seconds("usage.output_video_duration") or answer.seconds("usage.duration")
    output, made = answer.at("output"), Made(seconds)
    word = known_as(output.text("task_status"), *_STATES)
    if word == _SUCCEEDED:
        return _done(output, "video_url", made)
    found = _step(word, output, made)
    return _ERRORS.no_job(reply, "task:unreadable") if found is None else found


def _step(word: str, task: JsonView, made: Made) -> Known | Missing | None:
    """Return what a status word says, None if there is none; a success is still to be read."""
    match word:
        case "":
            return None
        case "unknown":
            message = "the task does not exist, or its record has expired"
            return Missing(_ERRORS.named("unknown_task", message))
        case "failed":
            failure = _ERRORS.named(task.text("code") or "failed", task.text("message"))
            return Failed(failure, made=made)
        case "canceled":  # only a waiting task can be
            return Failed(_ERRORS.named("canceled", "the task was canceled"), FREE, made)
        case known:
            return Working(_STARTED.get(known, True), made=made)


def _read_resold(reply: Reply) -> Step:
    """Return what a reseller says of a task, in words of its own."""
    task = reply.json
    match known_as(task.text("status"), *_RESOLD_STATES):
        case "":
            return _ERRORS.no_job(reply, "task:unreadable")
        case "completed":
            return _done(task, "result_url", NOTHING_TOLD)
        case "failed":
            told = (task.text(each) for each in ("error.message", "error", "fail_reason"))
            message = next(filter(None, told), "")
            return Failed(_ERRORS.named(task.text("error.code") or "failed", message))
        case word:
            return Working(word not in _RESOLD_QUEUED, json_percent(task.at("progress").value))


def _done(task: JsonView, name: str, made: Made) -> Known:
    url = task.text(name)
    outputs = films_at([url], task)
    if outputs:
        return Done(outputs, made)
    return Failed(_ERRORS.named("no_output", "no video was named"), made=made)


def _check(_: str) -> Flow[Accepted | Failure | None]:
    """Ask for a task that is not there: only a good key is told that it is UNKNOWN."""
    reply = yield get(Phase.PROBE, _path(_NO_TASK), reads=ANY_STATUS)
    if reply.is_success and reply.json.text("output.task_status"):
        return None
    answer = _ERRORS.no_job(reply, "check:unreadable")
    return None if isinstance(answer, Missing) else answer.failure


def _accepted(_: Order, reply: Reply) -> Accepted | None:
    id_ = reply.json.text("output.task_id") if reply.is_success else ""
    return Accepted(JobRef(id_)) if id_ else None


def _created_at(task: JsonView) -> datetime | None:
    """Return when a listed task was created; it is told in milliseconds."""
    milliseconds = task.integer("gmt_create")
    return None if milliseconds is None else json_timestamp(milliseconds / 1000)


def _pictures(order: Order) -> dict[str, object]:
    if not order.inputs:
        return {}
    if not any(fnmatchcase(order.model, each) for each in _OLD_MODELS):
        return {
            "media": [{"type": _TYPES[each.role], "url": each.address} for each in order.inputs]
        }
    by_role = {each.role: each for each in order.inputs}
    if Role.REFERENCE in by_role:
        return {"reference_urls": [each.address for each in order.inputs]}
    return {_old_name(each, order): each.address for each in order.inputs}


def _old_name(picture: Input, order: Order) -> str:
    if picture.role is Role.LAST_FRAME:
        return "last_frame_url"
    is_keyframe = fnmatchcase(order.model, _KEYFRAME_MODELS)
    return "first_frame_url" if is_keyframe else "img_url"


def _create_path(model: str) -> str:
    kind = "image2video" if fnmatchcase(model, _KEYFRAME_MODELS) else "video-generation"
    return f"/services/aigc/{kind}/video-synthesis"


def _path(id_: str) -> str:
    return f"/tasks/{path_segment(id_)}"


DEFINITION = Definition(name="dashscope", dialects=(_RESOLD, _MAKER), make=_make)
