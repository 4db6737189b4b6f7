"""Vidu's API: the path is the kind of job, and the answer to a create tells its price in credits.

Our mark goes along as `payload`, which each answer repeats. Whether the list of tasks can be asked
for by anyone is not known, so a create in doubt counts as paid. The facts and their sources:
`docs/protocols/vidu.md`.
"""

from collections.abc import Iterable, Sequence

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Usage
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.auth import SchemeAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    Accepted,
    Done,
    Failed,
    Known,
    Step,
    Working,
)

_ROOT = "/ent/v2"
_CREDITS = f"{_ROOT}/credits"
_INPUTS = {
    (role, Medium.IMAGE): frozenset(Form)
    for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("audio", Spelling.BOOLEAN),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
    },
    passes=frozenset({"movement_amplitude", "style", "watermark"}),
    # Off-peak work is cheaper than any rate says, and takes up to two days.
    priced=frozenset({"off_peak", "duration", "resolution", "audio", "bgm", "voice_id"}),
)
_STARTED = {"created": False, "queueing": False, "processing": True}
_STATES = (*_STARTED, "success", "failed")


class ViduOptions(Section):
    """What an upstream may set.

    Args:
        usd_per_credit: What a credit of the account costs, by which jobs are settled.
    """

    usd_per_credit: Money | None = None


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("err_code"), answer.text("reason"))


_ERRORS = Errors(
    codes=_codes,
    rows=(
        # 429 is all of these: no money, and too many at once.
        Row(FailureKind.QUOTA, ("credit_insufficient",)),
        Row(FailureKind.RATE_LIMITED, ("quota_exceeded", "too_many_requests")),
        # Our account, not the service.
        Row(FailureKind.AUTH, ("unauthorized", "account_forbidden")),
        Row(FailureKind.CONTENT_REJECTED, ("audit_submit_illegal", "creation_policy_violation")),
        Row(FailureKind.INVALID_REQUEST, ("field_invalid", "image_download_failure")),
        Row(FailureKind.DEGRADED, ("system_throttling", "internal_service_failure", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    tasks = _Tasks(site)
    return Adapter(
        features=Features(inputs=_INPUTS, wordings=tasks.wordings, checks_model=False),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _CREDITS, is_signed=False),
        check=_check,
        submit=tasks.submit,
        accepted=tasks.accepted,
        poll=tasks.poll,
    )


class _Tasks:
    """The tasks of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._usd_per_credit = site.options_as(ViduOptions).usd_per_credit

    def submit(self, order: Order, mark: str) -> Request:
        """Return the paid request, with our mark."""
        body = wording_for(self.wordings, order.model).write(order) | {"payload": mark}
        if order.inputs:
            body["images"] = [each.address for each in _in_order(order.inputs)]
        return post_json(Phase.CREATE, f"{_ROOT}/{_kind_of(order)}", body)

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the task, with its price."""
        answer = reply.json
        id_ = answer.text("task_id") if reply.is_success else ""
        step = self._step(answer) or Working(usage=self._usage(answer))
        return Accepted(JobRef(id_), step) if id_ else None

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for what a task has made."""
        reply = yield get(Phase.POLL, f"{_ROOT}/tasks/{path_segment(job.id)}/creations")
        known = self._step(reply.json)
        return _ERRORS.no_job(reply, "task:unreadable") if known is None else known

    def _step(self, task: JsonView) -> Known | None:
        """Return the state of a task, None if the answer tells none."""
        match known_as(task.text("state"), *_STATES):
            case "":
                return None
            case "success":
                return self._done(task)
            case "failed":
                # Whether the credits come back is not told.
                return Failed(_ERRORS.named(task.text("err_code") or "failed"))
            case word:
                return Working(_STARTED.get(word, True), usage=self._usage(task))

    def _done(self, task: JsonView) -> Known:
        outputs = films_at((each.text("url") for each in task.items("creations")), task)
        if not outputs:
            return Failed(_ERRORS.named("no_output", "no film was named"))
        return Done(outputs, usage=self._usage(task))

    def _usage(self, task: JsonView) -> Usage | None:
        credits_ = task.number("credits")
        if credits_ is None or self._usd_per_credit is None:
            return None
        return Usage(credits_ * self._usd_per_credit)


def _check(_: str) -> Flow[Accepted | Failure | None]:
    """Ask for the credits that remain."""
    reply = yield get(Phase.PROBE, _CREDITS)
    if not isinstance(reply.json.at("remains").value, list):
        return _ERRORS.failure(reply, "credits:unreadable")
    left = [each.balance("credit_remain") for each in reply.json.items("remains")]
    known = [each for each in left if each is not None]
    is_spent = bool(known) and known == left and sum(known) <= 0
    return _ERRORS.named("credit_insufficient", "no credits are left") if is_spent else None


def _kind_of(order: Order) -> str:
    """Return the kind of job, which is the path."""
    roles = {each.role for each in order.inputs}
    if Role.REFERENCE in roles:
        return "reference2video"
    if Role.LAST_FRAME in roles:
        return "start-end2video"
    return "img2video" if roles else "text2video"


def _in_order(inputs: Sequence[Input]) -> Sequence[Input]:
    """Return pictures in the order in which the API reads them: the first frame, then the last."""
    return sorted(inputs, key=lambda each: each.role is Role.LAST_FRAME)


DEFINITION = Definition(
    name="vidu",
    dialects=("vidu",),
    make=_make,
    auth=lambda _: SchemeAuth("Token"),
    options=ViduOptions,
)
