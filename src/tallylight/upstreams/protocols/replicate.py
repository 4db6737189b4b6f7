"""Replicate's predictions: each model has a schema of its own, and an error is one string.

A prediction repeats its whole input, in the list too: so the job of a create in doubt is known by
what was ordered. Its film is deleted an hour after its end, and its input soon after. The facts and
their sources: `docs/protocols/replicate.md`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from itertools import chain

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import FREE, JobRef, Made
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Doubt, Features, Flow, Mark, Site
from tallylight.upstreams.protocols.model_list import not_listed
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.placed_inputs import write_with_inputs
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.protocols.result_life import expires_after
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

_INPUTS = {
    (role, Medium.IMAGE): frozenset(Form)
    for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}
_STARTED = {"starting": False, "processing": True}
_ENDED_BADLY = ("failed", "canceled", "aborted")
_STATES = (*_STARTED, "succeeded", *_ENDED_BADLY)
_MODEL = "model"
_DEPLOYMENT = "deployments/"
_RESULT_LIFE = timedelta(hours=1)
_DATA = "data:"

_CODE = re.compile(r"\b[Ee]\d{3,4}\b")


def _codes(answer: JsonView) -> Iterable[str]:
    return chain(_CODE.findall(answer.text("error")), [answer.text("status")])


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.CONTENT_REJECTED, ("e005",)),
        Row(FailureKind.CONTENT_REJECTED, words=("nsfw", "flagged as sensitive")),
        # With little credit the limit falls to a few creates a minute: money cures it, not time.
        Row(FailureKind.QUOTA, statuses=(429,), words=("in credit", "insufficient credit")),
        Row(FailureKind.QUOTA, statuses=(402,), words=("insufficient credit", "set up billing")),
        Row(FailureKind.DEGRADED, ("e1000", "e1001", "e4875", "e6716", "e8765")),
        Row(FailureKind.DEGRADED, ("aborted",), is_free=True),
        Row(FailureKind.DEGRADED, ("canceled", "no_output", "data_removed")),
    ),
)


def _make(site: Site) -> Adapter:
    predictions = _Predictions(site)
    return Adapter(
        features=Features(
            inputs=_INPUTS, wordings=site.wordings, mark=Mark.REQUEST, checks_model=True
        ),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", "/account", is_signed=False),
        check=_check,
        submit=predictions.submit,
        accepted=_accepted,
        poll=_poll,
        find=predictions.find,
        cancel=_cancel,
    )


class _Predictions:
    """The predictions of one upstream."""

    def __init__(self, site: Site) -> None:
        self._wordings = site.wordings

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # the input is the mark
        """Return the paid request; it never asks to wait for the film."""
        body: dict[str, object] = {"input": self._input(order)}
        if ":" in order.model:
            return post_json(Phase.CREATE, "/predictions", {"version": order.model, **body})
        return post_json(Phase.CREATE, f"/{_model_path(order.model)}/predictions", body)

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:
        """Return a page of all predictions; the cursor is the address of the next one."""
        reply = yield get(Phase.LIST, cursor or "/predictions")
        answer = reply.json
        if not isinstance(answer.at("results").value, list):
            return _ERRORS.failure(reply, "list:unreadable")
        try:
            ours = self._input(doubt.order)
        except LookupError as error:  # a reload took the wording of its model away
            return Failure(FailureKind.UNKNOWN, Fault.OURS, "list:no_wording", str(error))
        found = (_listed(each, doubt.order.model, ours) for each in answer.items("results"))
        return Page(tuple(filter(None, found)), answer.text("next"))

    def _input(self, order: Order) -> dict[str, object]:
        return write_with_inputs(self._wordings, order)


def _listed(prediction: JsonView, model: str, ours: Mapping[str, object]) -> Listed | None:
    """Return an entry of the list."""
    step, id_ = _step(prediction, model) or QUEUED, prediction.text("id")
    if not id_:
        return None
    given = prediction.at("input")  # of one that is over, it is removed after an hour
    return Listed(
        _job(id_, model),
        step,
        prompt=given.text("prompt"),
        created_at=json_timestamp(prediction.at("created_at").value),
        differs=bool(given.value) and given.is_object and not _repeats(given, ours),
    )


def _repeats(given: JsonView, ours: Mapping[str, object]) -> bool:
    """Tell whether an input has all that ours has; files may be there under another address."""
    plain = {
        name: value
        for name, value in ours.items()
        if not isinstance(value, list | dict) and not str(value).startswith(_DATA)
    }
    return all(_is_alike(given.value, name, value) for name, value in plain.items())


def _is_alike(given: object, name: str, value: object) -> bool:
    """Tell whether an input has a value: the model's schema may make "5" of 5, or 5.0."""
    told = given.get(name) if isinstance(given, dict) else None
    texts = [str(each).strip().casefold() for each in (told, value)]
    return told == value or texts[0] == texts[1]


def _check(model: str) -> Flow[Accepted | Failure | None]:
    """Ask whose key it is, then whether the model is still there."""
    account = yield get(Phase.PROBE, "/account")
    if not account.json.is_object:
        return _ERRORS.failure(account, "account:unreadable")
    reply = yield get(Phase.PROBE, f"/{_model_path(model)}", reads=ANY_STATUS)
    if reply.status == HTTPStatus.NOT_FOUND and reply.json.is_object:
        return not_listed(model, reply.status)
    return None if reply.json.text("name") else _ERRORS.failure(reply, "model:unreadable")


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    answer = reply.json
    id_ = answer.text("id") if reply.is_success else ""
    step = _step(answer, order.model) or QUEUED
    return Accepted(_job(id_, order.model), step) if id_ else None


def _poll(job: JobRef) -> Flow[Step]:
    """Ask for a prediction; what it made is forgotten some time after its end."""
    reply = yield get(Phase.POLL, _path(job))
    answer = reply.json
    step = _step(answer, job.extra[_MODEL])
    if step is None:
        return _ERRORS.no_job(reply, "prediction:unreadable")
    if isinstance(step, Failed) and answer.at("data_removed").value is True:
        return Missing(_ERRORS.named("data_removed", "its data were removed"))
    return step


def _cancel(job: JobRef) -> Flow[Step]:
    """Cancel a prediction that has not started: the time of one that runs is charged."""
    before = yield from _poll(job)
    if not isinstance(before, Working) or before.is_started:
        return before
    yield Request(Phase.CANCEL, "POST", f"{_path(job)}/cancel", reads=ANY_STATUS)
    return (yield from _poll(job))


def _step(prediction: JsonView, ordered: str) -> Known | None:
    """Return the state of a prediction, None if the answer tells none."""
    status = prediction.at("status").value
    word = known_as(status, *_STATES) if isinstance(status, str) else ""
    made = Made(model=_model_of(prediction, ordered))
    if word == "succeeded":
        return _done(prediction, made)
    if word in _ENDED_BADLY:
        text = prediction.text("error")
        code = next(iter(_CODE.findall(text)), word)
        return Failed(_ERRORS.named(code, text), FREE if word == "aborted" else None, made)
    return Working(_STARTED.get(word, True), made=made) if word else None


def _done(prediction: JsonView, made: Made) -> Known:
    output = prediction.at("output")
    urls = [output.text(), *(each.text() for each in output.items())]
    outputs = films_at(filter(None, urls), prediction)  # it may be an object
    if not outputs:
        return Failed(_ERRORS.named("no_output", "no file was named"), made=made)
    expires_at = expires_after(prediction.at("completed_at").value, _RESULT_LIFE)
    return Done(outputs, made, expires_at=expires_at)


def _model_of(prediction: JsonView, ordered: str) -> str:
    """Return the model that a prediction names, in the form in which it was ordered."""
    model = prediction.text("model")
    if ordered.startswith(_DEPLOYMENT) or not model:
        return ""  # what is deployed has a name of its own
    return f"{model}:{prediction.text('version')}" if ":" in ordered else model


def _model_path(model: str) -> str:
    """Return the path of a model, or of a deployment of one's own."""
    name = model.partition(":")[0]
    parts = name if name.startswith(_DEPLOYMENT) else f"models/{name}"
    return "/".join(map(path_segment, parts.split("/")))


def _path(job: JobRef) -> str:
    return f"/predictions/{path_segment(job.id)}"


def _job(id_: str, model: str) -> JobRef:
    return JobRef(id_, {_MODEL: model})


DEFINITION = Definition(name="replicate", dialects=("replicate",), make=_make)
