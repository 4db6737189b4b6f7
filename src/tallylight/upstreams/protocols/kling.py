"""Kling's own API: the path is the kind of job, at the create, the poll and the list.

Our mark goes along as `external_task_id`, which the list repeats: so the job of a create in doubt
is known for certain. The facts and their sources: `docs/protocols.md`.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import timedelta

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Usage
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.auth import BEARER, Auth, JwtAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Doubt, Features, Flow, Mark, Site
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
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

_PICTURE = Medium.IMAGE
_INPUTS = {
    (role, _PICTURE): frozenset(Form)
    for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}
_OMNI_MODELS = frozenset({"kling-v3-omni", "kling-video-o1"})
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model_name"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.NEGATIVE: (Word("negative_prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.TEXT),),
        Measure.RESOLUTION: (
            Word("mode", Spelling.TABLE, {"720p": "std", "1080p": "pro", "4k": "4k"}),
        ),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("sound", Spelling.ON_OFF),),
    },
    passes=frozenset({"cfg_scale", "camera_control", "watermark_info"}),
    priced=frozenset({"mode", "duration", "sound", "multi_shot", "multi_prompt"}),
)

_STARTED = {"submitted": False, "processing": True}
_STATES = (*_STARTED, "succeed", "failed")
_KIND = "kind"
_PAGE_SIZE = 500
_TOKEN_LIFETIME, _SKEW = timedelta(minutes=30), timedelta(seconds=5)


class KlingOptions(Section):
    """What an upstream may set.

    Args:
        access_key: The AccessKey of a pair of keys, whose SecretKey is the upstream's `key`; ""
            where the key is an API key.
        usd_per_unit: What a unit of the account's resource pack costs, by which jobs are settled.
    """

    access_key: str = ""
    usd_per_unit: Money | None = None


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("code"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.SUSPENDED, ("1100",), is_named=True),
        # One HTTP status, 429, carries five classes.
        Row(FailureKind.QUOTA, ("1101", "1102")),
        Row(FailureKind.RATE_LIMITED, ("1302", "1303")),
        Row(FailureKind.AUTH, ("1000", "1001", "1002", "1003", "1004", "1103", "1304")),
        Row(FailureKind.INVALID_REQUEST, ("1200", "1201", "1202")),
        Row(FailureKind.UNKNOWN, ("1203",), is_missing=True),
        # A policy of the platform: it is about the account as often as about what was ordered.
        Row(FailureKind.RISK_CONTROL, ("1300",)),
        Row(FailureKind.CONTENT_REJECTED, ("1301",)),
        Row(FailureKind.MAINTENANCE, ("5001",), is_named=True),
        Row(FailureKind.DEGRADED, ("5000", "5002", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    tasks = _Tasks(site)
    return Adapter(
        features=Features(
            inputs=_INPUTS, wordings=tasks.wordings, mark=Mark.TOKEN, checks_model=False
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _path("text2video"), is_signed=False),
        check=_check,
        submit=tasks.submit,
        accepted=_accepted,
        poll=tasks.poll,
        find=tasks.find,
    )


class _Tasks:
    """The tasks of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._usd_per_unit = site.options_as(KlingOptions).usd_per_unit

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request, with our mark."""
        body = wording_for(self.wordings, order.model).write(order)
        body |= _pictures(order) | {"external_task_id": mark}
        return post_json(Phase.CREATE, _path(_kind_of(order)), body)

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a task; another kind than that of its create would not know it."""
        reply = yield get(Phase.POLL, _path(job.extra[_KIND], job.id))
        task = reply.json.at("data")
        known = self._step(task)
        return _ERRORS.no_job(reply, "task:unreadable") if known is None else known

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:
        """Return a page of the tasks of the order's kind."""
        kind, number = _kind_of(doubt.order), int(cursor or 1)
        query = {"pageNum": str(number), "pageSize": str(_PAGE_SIZE)}
        reply = yield get(Phase.LIST, _path(kind), query)
        answer = reply.json
        if answer.text("code") != "0":
            return _ERRORS.failure(reply, "list:unreadable")
        tasks = tuple(answer.items("data"))
        found = tuple(filter(None, (self._listed(each, kind) for each in tasks)))
        return Page(found, str(number + 1) if len(tasks) == _PAGE_SIZE else "")

    def _listed(self, task: JsonView, kind: str) -> Listed | None:
        step, id_ = self._step(task) or QUEUED, task.text("task_id")
        mark = task.text("task_info.external_task_id")
        return Listed(JobRef(id_, {_KIND: kind}), step, mark) if id_ else None

    def _step(self, task: JsonView) -> Known | None:
        """Return the state of a task, None if the answer tells none."""
        match known_as(task.text("task_status"), *_STATES):
            case "":
                return None
            case "succeed":
                return self._done(task)
            case "failed":
                message = task.text("task_status_msg")
                return Failed(_ERRORS.named("failed", message), self._usage(task))
            case word:
                return Working(_STARTED.get(word, True))

    def _done(self, task: JsonView) -> Known:
        videos = task.items("task_result.videos")
        outputs = films_at((each.text("url") for each in videos), task)
        if not outputs:
            return Failed(_ERRORS.named("no_output", "no video was named"), self._usage(task))
        made = Made(task.seconds("task_result.videos[0].duration"))
        return Done(outputs, made, self._usage(task))

    def _usage(self, task: JsonView) -> Usage | None:
        units = task.number("final_unit_deduction")
        if units is None or self._usd_per_unit is None:
            return None
        return Usage(units * self._usd_per_unit)


def _check(_: str) -> Flow[Accepted | Failure | None]:
    """Ask for the newest task; a list is free, and needs the key."""
    reply = yield get(Phase.PROBE, _path("text2video"), {"pageNum": "1", "pageSize": "1"})
    return None if reply.json.text("code") == "0" else _ERRORS.failure(reply, "list:unreadable")


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    answer = reply.json
    id_ = answer.text("data.task_id") if answer.text("code") == "0" else ""
    return Accepted(JobRef(id_, {_KIND: _kind_of(order)})) if id_ else None


def _kind_of(order: Order) -> str:
    """Return the kind of job, which is the path."""
    roles = {each.role for each in order.inputs}
    if order.model in _OMNI_MODELS:
        return "omni-video"
    if Role.REFERENCE in roles:
        return "multi-image2video"
    return "image2video" if roles else "text2video"


def _pictures(order: Order) -> dict[str, object]:
    kind = _kind_of(order)
    if kind == "omni-video" and order.inputs:
        return {"image_list": [_omni_picture(each) for each in order.inputs]}
    if kind == "multi-image2video":
        return {"image_list": [{"image": _address(each)} for each in order.inputs]}
    names = {Role.FIRST_FRAME: "image", Role.LAST_FRAME: "image_tail"}
    return {names[each.role]: _address(each) for each in order.inputs}


def _omni_picture(picture: Input) -> Mapping[str, str]:
    types = {Role.FIRST_FRAME: {"type": "first_frame"}, Role.LAST_FRAME: {"type": "end_frame"}}
    return {"image_url": _address(picture), **types.get(picture.role, {})}


def _address(picture: Input) -> str:
    """Return the URL of a picture, or its bytes as base64 without the head of a data URL."""
    return picture.url or base64.b64encode(picture.body).decode("ascii")


def _path(kind: str, id_: str = "") -> str:
    return f"/v1/videos/{kind}/{path_segment(id_)}" if id_ else f"/v1/videos/{kind}"


def _auth(site: Site) -> Auth:
    access_key = site.options_as(KlingOptions).access_key
    return JwtAuth(access_key, _TOKEN_LIFETIME, _SKEW) if access_key else BEARER


DEFINITION = Definition(
    name="kling", dialects=("kling",), make=_make, auth=_auth, options=KlingOptions
)
